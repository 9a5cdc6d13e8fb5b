/**
 * Peer of the query case, a process of its own: DuckDB alone answers the same questions from the
 * same rows, two threads, eight connections.
 *
 * A summary is two statements: totals, and events by type. Distinct users and sessions are counted
 * by DuckDB's own HyperLogLog, which is its fastest way.
 */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { readOrder, sayResult } from "./bench_process.ts";
import { askAll, ASKERS, type QueryKind } from "./query_latencies.ts";

/** What is asked. */
export interface DuckdbQueryOrder {
  readonly databaseFile: string;
  /** As in QueryOrder. */
  readonly startMs: number;
  readonly endMs: number;
  readonly warmUp: number;
  readonly queries: number;
}

const MINUTE_MS = 60_000;
const order = readOrder<DuckdbQueryOrder>();

function statements(kind: QueryKind, offsetMinutes: number): string[] {
  const startMs = order.startMs + offsetMinutes * MINUTE_MS;
  const endMs = order.endMs + offsetMinutes * MINUTE_MS;
  const where = `FROM events WHERE timestamp >= make_timestamp_ms(${startMs})::TIMESTAMP_MS
    AND timestamp < make_timestamp_ms(${endMs})::TIMESTAMP_MS`;
  if (kind === "series") {
    return [
      `SELECT date_trunc('hour', timestamp) AS hour, count(*) ${where} GROUP BY 1 ORDER BY 1`,
    ];
  }
  if (kind === "types") return [`SELECT type, count(*) ${where} GROUP BY type ORDER BY 2 DESC`];
  return [
    `SELECT count(*), approx_count_distinct(user_id), approx_count_distinct(session_id),
      sum(amount), avg(amount) ${where}`,
    `SELECT type, count(*) ${where} GROUP BY type`,
  ];
}

function asker(connection: DuckDBConnection) {
  return async (kind: QueryKind, offsetMinutes: number) => {
    for (const sql of statements(kind, offsetMinutes)) {
      const reader = await connection.runAndReadAll(sql);
      if (reader.currentRowCount === 0) throw new Error("an answer without rows");
    }
  };
}

const database = await DuckDBInstance.create(order.databaseFile, {
  threads: "2",
  access_mode: "READ_ONLY",
});
const connections = await Promise.all(Array.from({ length: ASKERS }, () => database.connect()));
const askers = connections.map(asker);
await askAll(order.warmUp, askers);
sayResult(await askAll(order.queries, askers));
for (const connection of connections) connection.closeSync();
database.closeSync();
