/** Askers of the query case against the platform, a process of their own. */
import { readOrder, sayResult } from "./bench_process.ts";
import { getRequest, KeepAliveConnection } from "./keep_alive_connection.ts";
import { askAll, ASKERS, type QueryKind } from "./query_latencies.ts";

/** What is asked. */
export interface QueryOrder {
  readonly gateway: string;
  /** The range that questions are about, moved by up to some hours; ms since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  /** Of each kind. */
  readonly warmUp: number;
  readonly queries: number;
}

const MINUTE_MS = 60_000;
const order = readOrder<QueryOrder>();

/** The top types of a month are those of its one or two buckets by month. */
const PATHS: Readonly<Record<QueryKind, string>> = {
  summary: "summary?",
  series: "timeseries?metric=events&granularity=hour&",
  types: "timeseries?metric=events&granularity=month&group_by=event_type&",
};

function requestFor(kind: QueryKind, offsetMinutes: number): Uint8Array {
  const start = new Date(order.startMs + offsetMinutes * MINUTE_MS).toISOString();
  const end = new Date(order.endMs + offsetMinutes * MINUTE_MS).toISOString();
  const range = `time_range.start=${start}&time_range.end=${end}`;
  return getRequest(`${order.gateway}/v1/analytics/${PATHS[kind]}${range}`);
}

const connections = await Promise.all(
  Array.from({ length: ASKERS }, () => KeepAliveConnection.open(order.gateway)),
);
const askers = connections.map((connection) => async (kind: QueryKind, offsetMinutes: number) => {
  const { status, body } = await connection.exchange(requestFor(kind, offsetMinutes));
  if (status !== 200) throw new Error(`${status} ${new TextDecoder().decode(body)}`);
});
await askAll(order.warmUp, askers);
sayResult(await askAll(order.queries, askers));
for (const connection of connections) connection.close();
