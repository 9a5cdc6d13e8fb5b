/**
 * Load of the batch case, a process of its own: batches of NDJSON over a few connections, each with
 * one request under way. The requests are made before; only ids and times are written anew, so that
 * the client takes as little as it can of the cores that it shares with the platform.
 */
import { readOrder, sayResult, sayStarted } from "./bench_process.ts";
import { KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";
import { madeLines, RenewableEvents } from "./made_events.ts";

/** What the client is to send. */
export interface BatchOrder {
  readonly url: string;
  readonly connections: number;
  readonly batchEvents: number;
  /** Not measured, s. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** What was accepted. */
export interface BatchResult {
  /** In the measured time. */
  readonly events: number;
  readonly seconds: number;
  /** In all. */
  readonly allEvents: number;
  /** Answers of 429 in the measured time. */
  readonly overloaded: number;
  /** Of every measured batch, ms. */
  readonly latenciesMs: number[];
}

/** Requests that each connection has ready. */
const requestsPerConnection = 4;
/** Wait after a 429, ms. */
const backOffMs = 20;
const TOO_MANY_REQUESTS = 429;

const order = readOrder<BatchOrder>();
const { connections, batchEvents } = order;
let serial = 0;
let allEvents = 0;
let measuring = false;
let ended = false;
const measured = { events: 0, overloaded: 0, latenciesMs: [] as number[] };

function makeRequests(connection: number): RenewableEvents[] {
  return Array.from({ length: requestsPerConnection }, (_, index) => {
    const seed = connection * requestsPerConnection + index;
    const lines = madeLines(batchEvents, seed, Date.now());
    return new RenewableEvents(postRequest(order.url, "application/x-ndjson", lines));
  });
}

async function sendBatches(requests: readonly RenewableEvents[]): Promise<void> {
  const connection = await KeepAliveConnection.open(order.url);
  for (let turn = 0; !ended; turn++) {
    const request = requests[turn % requests.length];
    request.renew(serial, Date.now());
    serial += request.events;
    const startedAt = performance.now();
    const { status, body } = await connection.exchange(request.bytes);
    if (status === TOO_MANY_REQUESTS) {
      if (measuring) measured.overloaded++;
      await new Promise((resolve) => setTimeout(resolve, backOffMs));
      continue;
    }
    if (status !== 200) throw new Error(`${status} ${new TextDecoder().decode(body)}`);
    allEvents += request.events;
    if (!measuring) continue;
    measured.events += request.events;
    measured.latenciesMs.push(performance.now() - startedAt);
  }
  connection.close();
}

const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const allRequests = Array.from({ length: connections }, (_, index) => makeRequests(index));
const sending = Promise.all(allRequests.map(sendBatches));
await Promise.race([sending, wait(order.warmUpSeconds)]);
sayStarted();
measuring = true;
const startedAt = performance.now();
await Promise.race([sending, wait(order.seconds)]);
measuring = false;
const seconds = (performance.now() - startedAt) / 1000;
ended = true;
await sending;
sayResult({ ...measured, seconds, allEvents } satisfies BatchResult);
