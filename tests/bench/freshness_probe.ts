/**
 * How long after its success answer an event is to be found: in the summary, and among its user's
 * rows. The clock starts when the answer is read and stops when an answer that has the event is.
 */
import type { ServerUrls } from "../support/server.ts";
import { getRequest, KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";

/** Type of the events that are looked for; nothing else has it. */
const PROBE_TYPE = "bench_probe";
/** An event that is not found by then is lost, ms. */
const lostMs = 30_000;
/** Mean rest between two probes: long against the platform's own cycles, and never in step. */
const restMsMean = 10;
/** Rest between two looks for rows; they come with a commit, so looking faster shows no more. */
const lookMs = 10;
/** Users that are looked for at the same time. */
const userLanes = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends `probes` events one after the other; gives how long each took to be counted, ms. */
export async function probeSummary(urls: ServerUrls, probes: number): Promise<number[]> {
  const ingest = await KeepAliveConnection.open(urls.ingestion);
  const gateway = await KeepAliveConnection.open(urls.gateway);
  const look = getRequest(`${urls.gateway}/v1/analytics/summary?event_types=${PROBE_TYPE}`);
  const tookMs: number[] = [];
  for (let probe = 1; probe <= probes; probe++) {
    const id = `summary-${probe}`;
    const answeredAt = await sendProbe(ingest, urls, id, id);
    tookMs.push(
      await lookFor(gateway, look, answeredAt, 0, (answer) => Number(answer.total_events) >= probe),
    );
    await rest(2 * restMsMean * Math.random());
  }
  ingest.close();
  gateway.close();
  return tookMs;
}

/** The same for the rows of users, a few at a time. */
export async function probeUserRows(urls: ServerUrls, probes: number): Promise<number[]> {
  const tookMs: number[] = [];
  let next = 1;
  const lane = async () => {
    const ingest = await KeepAliveConnection.open(urls.ingestion);
    const gateway = await KeepAliveConnection.open(urls.gateway);
    while (next <= probes) {
      const id = `rows-${next++}`;
      const answeredAt = await sendProbe(ingest, urls, id, id);
      const look = getRequest(
        `${urls.gateway}/v1/analytics/users/${id}?include_events=true&limit=1`,
      );
      tookMs.push(
        await lookFor(gateway, look, answeredAt, lookMs, ({ events }) => events?.[0]?.id === id),
      );
      await rest(2 * restMsMean * Math.random());
    }
    ingest.close();
    gateway.close();
  };
  await Promise.all(Array.from({ length: userLanes }, lane));
  return tookMs;
}

/** Sends one event; gives the time of its success answer. */
async function sendProbe(
  connection: KeepAliveConnection,
  urls: ServerUrls,
  id: string,
  user: string,
): Promise<number> {
  const event = { id, user_id: user, event_type: PROBE_TYPE, timestamp: Date.now() };
  const body = encoder.encode(JSON.stringify(event));
  const request = postRequest(`${urls.ingestion}/events`, "application/json", body);
  const answer = await connection.exchange(request);
  if (answer.status !== 200) throw new Error(`${answer.status} ${decoder.decode(answer.body)}`);
  return performance.now();
}

/** Asks until an answer has it; 404 means not yet. Gives how long that took, ms. */
async function lookFor(
  connection: KeepAliveConnection,
  request: Uint8Array,
  answeredAt: number,
  everyMs: number,
  // deno-lint-ignore no-explicit-any -- bodies of the contract
  has: (answer: any) => boolean,
): Promise<number> {
  for (;;) {
    const { status, body } = await connection.exchange(request);
    const text = decoder.decode(body);
    if (status !== 200 && status !== 404) throw new Error(`${status} ${text}`);
    const tookMs = performance.now() - answeredAt;
    if (status === 200 && has(JSON.parse(text))) return tookMs;
    if (tookMs > lostMs) throw new Error(`not found after ${lostMs} ms: ${text}`);
    if (everyMs > 0) await rest(everyMs);
  }
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
