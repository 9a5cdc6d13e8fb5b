/** What the benches ask a running platform. */
import { waitUntil } from "../support/deadline.ts";
import type { ServerUrls, TestServer } from "../support/server.ts";

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
  const stored = waitUntil(
    async () => await processedEvents(server.urls) >= events && await storeLag(server.urls) === 0,
    { what: `${events} events in the store`, deadlineMs },
  );
  const ended = server.ended.then((code) => {
    throw new Error(`the server ended with code ${code}:\n${server.output()}`);
  });
  await Promise.race([stored, ended]);
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

/** Throws when fewer events are stored than were answered with success. */
export async function checkStored(server: TestServer, accepted: number): Promise<void> {
  await waitUntilStored(server, accepted, 120_000);
  const nowMs = Date.now();
  const counted = await countEvents(server.urls, nowMs - 86_400_000, nowMs + 86_400_000);
  if (counted < accepted) throw new Error(`${accepted} events accepted, only ${counted} stored`);
}

// deno-lint-ignore no-explicit-any -- bodies of the contract; a wrong member shows at once
async function getJson(url: string): Promise<any> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return await response.json();
}
