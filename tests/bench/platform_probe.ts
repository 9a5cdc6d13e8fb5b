/** What the benches ask a running platform. */
import type { ServerUrls, TestServer } from "../support/server.ts";

const DAY_MS = 86_400_000;
/** Rest between two looks: rare enough to cost the platform nothing that shows. */
const pollMs = 25;
/** Longest the store may need after an ingest case, ms. */
const storeMsMax = 120_000;

/** Events that were processed since the server started. */
export async function processedEvents(urls: ServerUrls): Promise<number> {
  const { consumer } = await getJson(`${urls.consumer}/stats`);
  return consumer.processed_events;
}

/** Events that ingest has accepted since the server started. */
export async function acceptedEvents(urls: ServerUrls): Promise<number> {
  return (await getJson(`${urls.ingestion}/stats`)).messages_sent;
}

/** What lies between the end of the log and what is stored, of every partition that is told. */
export async function partitionLags(urls: ServerUrls): Promise<number[]> {
  const { lag } = await getJson(`${urls.consumer}/lag`);
  return Object.values(lag as Record<string, Record<string, number>>)
    .flatMap((topic) => Object.values(topic));
}

/** The same of all partitions together. */
export async function storeLag(urls: ServerUrls): Promise<number> {
  return (await partitionLags(urls)).reduce((sum, events) => sum + events, 0);
}

/** Waits until `events` were processed and all of them are stored. */
export async function waitUntilStored(
  server: TestServer,
  events: number,
  deadlineMs: number,
): Promise<void> {
  const isStored = async () =>
    await storeLag(server.urls) === 0 && await processedEvents(server.urls) >= events;
  await waitWhileRunning(server, isStored, `${events} events`, deadlineMs);
}

/** Events that are to be counted, in [startMs, endMs), and the partitions of their topic. */
export interface CountedRange {
  readonly events: number;
  readonly partitions: number;
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * Waits until every partition has its shard, all that is in them is stored, and the summary of the
 * analytics port counts it. A partition on its way from one shard to another is told of by nobody.
 */
export async function waitUntilCounted(
  server: TestServer,
  { events, partitions, startMs, endMs }: CountedRange,
  deadlineMs: number,
): Promise<void> {
  const isCounted = async () => {
    const lags = await partitionLags(server.urls);
    if (lags.length < partitions || lags.some((lag) => lag > 0)) return false;
    const counted = await countByAnalytics(server.urls, startMs, endMs);
    if (counted > events) throw new Error(`${counted} events counted of ${events}`);
    return counted === events;
  };
  await waitWhileRunning(server, isCounted, `${events} events`, deadlineMs);
}

/** Throws when the server ends meanwhile, or the time is over. */
async function waitWhileRunning(
  server: TestServer,
  condition: () => Promise<boolean>,
  what: string,
  deadlineMs: number,
): Promise<void> {
  let endedWith: number | null = null;
  server.ended.then((code) => endedWith = code);
  const giveUpAt = performance.now() + deadlineMs;
  while (!await condition()) {
    if (endedWith !== null) throw new Error(`the server ended with code ${endedWith}`);
    if (performance.now() > giveUpAt) {
      const { consumer } = await getJson(`${server.urls.consumer}/stats`);
      const { lag } = await getJson(`${server.urls.consumer}/lag`);
      const state = JSON.stringify({ ...consumer, lag });
      throw new Error(`${what} not within ${deadlineMs} ms: ${state}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** All events of a time range, as the summary counts them. Times in ms since the epoch. */
export async function countEvents(urls: ServerUrls, fromMs: number, toMs: number): Promise<number> {
  const query = new URLSearchParams({
    "time_range.start": new Date(fromMs).toISOString(),
    "time_range.end": new Date(toMs).toISOString(),
  });
  const { total_events } = await getJson(`${urls.gateway}/v1/analytics/summary?${query}`);
  return Number(total_events);
}

/** The same from the analytics port, which a process without a gateway has too. */
export async function countByAnalytics(
  urls: ServerUrls,
  fromMs: number,
  toMs: number,
): Promise<number> {
  const query = new URLSearchParams({ from: String(fromMs), to: String(toMs) });
  const { total_events } = await getJson(`${urls.analytics}/analytics/summary?${query}`);
  return Number(total_events);
}

/**
 * Checks an ingest figure: as many events were accepted as were answered with success, and where
 * the server also processes, as many are stored. Throws when not.
 */
export async function checkAccepted(
  server: TestServer,
  answered: number,
  processes: boolean,
): Promise<void> {
  const accepted = await acceptedEvents(server.urls);
  if (accepted < answered) throw new Error(`${answered} answers, only ${accepted} accepted`);
  if (!processes) return;
  await waitUntilStored(server, answered, storeMsMax);
  const nowMs = Date.now();
  const counted = await countEvents(server.urls, nowMs - DAY_MS, nowMs + DAY_MS);
  if (counted < answered) throw new Error(`${answered} events accepted, only ${counted} stored`);
}

// deno-lint-ignore no-explicit-any -- bodies of the contract; a wrong member shows at once
async function getJson(url: string): Promise<any> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return await response.json();
}
