/**
 * Steady load in batches, a process of its own: `POST /events/batch` of 1000 events at a fixed rate,
 * whether or not earlier ones were answered (open loop), until it is told to end.
 */
import { readOrder, sayResult, sayStarted, toldToEnd } from "./bench_process.ts";
import { KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";
import { madeLines, RenewableEvents } from "./made_events.ts";
import { quantile } from "./quantile.ts";

/** What is to be sent. */
export interface PacedBatchesOrder {
  readonly url: string;
  /** Events, not batches. */
  readonly perSecond: number;
}

/** What was sent and how it was answered. */
export interface PacedBatchesResult {
  /** Events that were due by then, per second. */
  readonly offeredPerSecond: number;
  /** Events answered with success, per second. */
  readonly perSecond: number;
  /** Batches answered with 429. */
  readonly overloaded: number;
  /** From when a batch was due to its answer. */
  readonly p99Ms: number;
}

const batchEvents = 1_000;
/** More batches than this under way at once wait for their turn, and are late. */
const CONNECTIONS = 16;
const tickMs = 5;
const TOO_MANY_REQUESTS = 429;

const order = readOrder<PacedBatchesOrder>();
const idle = await Promise.all(Array.from({ length: CONNECTIONS }, async (_, index) => {
  const lines = madeLines(batchEvents, 100 + index, Date.now());
  const request = new RenewableEvents(postRequest(order.url, "application/x-ndjson", lines));
  return { connection: await KeepAliveConnection.open(order.url), request };
}));
type Sender = typeof idle[number];
/** When each batch that waits for a connection was due. */
const waiting: number[] = [];
const latenciesMs: number[] = [];
let serial = 0;
let overloaded = 0;
let underWay = 0;
let failure: Error | null = null;

async function send(sender: Sender, dueAtMs: number): Promise<void> {
  underWay++;
  const { connection, request } = sender;
  request.renew(serial, Date.now());
  serial += request.events;
  const { status, body } = await connection.exchange(request.bytes);
  if (status === 200) latenciesMs.push(performance.now() - dueAtMs);
  else if (status === TOO_MANY_REQUESTS) overloaded++;
  else throw new Error(`${status} ${new TextDecoder().decode(body)}`);
  underWay--;
  const next = waiting.shift();
  if (next === undefined) idle.push(sender);
  else await send(sender, next);
}

function sendDue(dueAtMs: number): void {
  const sender = idle.pop();
  if (sender === undefined) waiting.push(dueAtMs);
  else send(sender, dueAtMs).catch((error) => failure ??= error);
}

const batchesPerMs = order.perSecond / batchEvents / 1_000;
const startedAt = performance.now();
let due = 0;
const ticker = setInterval(() => {
  while (due / batchesPerMs <= performance.now() - startedAt) {
    sendDue(startedAt + due++ / batchesPerMs);
  }
}, tickMs);
sayStarted();
await toldToEnd();
clearInterval(ticker);
const seconds = (performance.now() - startedAt) / 1_000;
const answered = latenciesMs.length;
while (underWay > 0 && failure === null) await new Promise((resolve) => setTimeout(resolve, 10));
for (const { connection } of idle) connection.close();
if (failure !== null) throw failure;
sayResult(
  {
    offeredPerSecond: due * batchEvents / seconds,
    perSecond: answered * batchEvents / seconds,
    overloaded,
    p99Ms: quantile(latenciesMs, 0.99),
  } satisfies PacedBatchesResult,
);
