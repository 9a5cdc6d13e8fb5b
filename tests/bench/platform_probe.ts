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

/** Events between the end of the log and what is stored. */
export async function storeLag(urls: ServerUrls): Promise<number> {
  const { lag } = await getJson(`${urls.consumer}/lag`);
  const partitions = Object.values(lag as Record<string, Record<string, number>>)
    .flatMap((topic) => Object.values(topic));
  return partitions.reduce((sum, events) => sum + events, 0);
}

/** Waits until `events` were processed and all of them are stored. */
export async function waitUntilStored(
  server: TestServer,
  events: number,
  deadlineMs: number,
): Promise<void> {
  let endedWith: number | null = null;
  server.ended.then((code) => endedWith = code);
  const giveUpAt = performance.now() + deadlineMs;
  while (await storeLag(server.urls) > 0 || await processedEvents(server.urls) < events) {
    if (endedWith !== null) throw new Error(`the server ended with code ${endedWith}`);
    if (performance.now() > giveUpAt) {
      {
        const { consumer } = await getJson(`${server.urls.consumer}/stats`);
        throw new Error(
          `${events} events not within ${deadlineMs} ms: ${JSON.stringify(consumer)}`,
        );
      }
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
