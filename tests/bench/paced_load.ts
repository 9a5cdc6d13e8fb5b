/**
 * Steady load, a process of its own: single `POST /events` at a fixed rate, whether or not earlier
 * ones were answered (open loop), until it is told to end.
 */
import { readOrder, sayResult, sayStarted, toldToEnd } from "./bench_process.ts";
import { KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";
import { lineStarts, madeLines, RenewableEvents } from "./made_events.ts";
import { quantile } from "./quantile.ts";

/** What is to be sent. */
export interface PacedOrder {
  readonly url: string;
  readonly perSecond: number;
}

/** What was sent and how it was answered. */
export interface PacedResult {
  /** Answered with success, per second. */
  readonly perSecond: number;
  readonly answered: number;
  /** Answered with 429. */
  readonly overloaded: number;
  /** From when it was due to its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** More requests than this under way at once wait for their turn, and are late. */
const CONNECTIONS = 64;
/** Different lines, for some thousand users. */
const LINES = 20_000;
const tickMs = 2;
const TOO_MANY_REQUESTS = 429;

const order = readOrder<PacedOrder>();
const requests = makeRequests();
const connections = await Promise.all(
  Array.from({ length: CONNECTIONS }, () => KeepAliveConnection.open(order.url)),
);
const idle = [...connections];
/** When each request that waits for a connection was due. */
const waiting: number[] = [];
const latenciesMs: number[] = [];
let serial = 0;
let overloaded = 0;
let underWay = 0;
let failure: Error | null = null;

function makeRequests(): RenewableEvents[] {
  const lines = madeLines(LINES, 9, Date.now());
  const starts = [...lineStarts(lines), lines.length];
  return starts.slice(1).map((end, line) =>
    new RenewableEvents(
      postRequest(order.url, "application/json", lines.subarray(starts[line], end - 1)),
    )
  );
}

async function send(connection: KeepAliveConnection, dueAtMs: number): Promise<void> {
  underWay++;
  const request = requests[serial % requests.length];
  request.renew(serial++, Date.now());
  const { status, body } = await connection.exchange(request.bytes);
  if (status === 200) latenciesMs.push(performance.now() - dueAtMs);
  else if (status === TOO_MANY_REQUESTS) overloaded++;
  else throw new Error(`${status} ${new TextDecoder().decode(body)}`);
  underWay--;
  const next = waiting.shift();
  if (next === undefined) idle.push(connection);
  else await send(connection, next);
}

function sendDue(dueAtMs: number): void {
  const connection = idle.pop();
  if (connection === undefined) waiting.push(dueAtMs);
  else send(connection, dueAtMs).catch((error) => failure ??= error);
}

const startedAt = performance.now();
let due = 0;
const ticker = setInterval(() => {
  const now = performance.now();
  while (startedAt + due * 1000 / order.perSecond <= now) {
    sendDue(startedAt + due++ * 1000 / order.perSecond);
  }
}, tickMs);
sayStarted();
await toldToEnd();
clearInterval(ticker);
const seconds = (performance.now() - startedAt) / 1000;
const answered = latenciesMs.length;
while (underWay > 0 && failure === null) await new Promise((resolve) => setTimeout(resolve, 10));
for (const connection of connections) connection.close();
if (failure !== null) throw failure;
sayResult(
  {
    perSecond: answered / seconds,
    answered: latenciesMs.length,
    overloaded,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  } satisfies PacedResult,
);
