/**
 * Peer of the backlog case, a process of its own: DuckDB alone loads the same lines by read_ndjson
 * into one file and checkpoints it, so that they are as durable as the platform's. Gives events per
 * second.
 *
 * It gets the easier work: no deduplication, no sessions, no rollups, and its columns are those of
 * the events, without the hashes and series that the platform's rows have besides.
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { readOrder, sayResult } from "./bench_process.ts";

/** What is to be loaded. */
export interface LoadOrder {
  readonly linesFile: string;
  readonly events: number;
  /** Made by this process; must not exist. */
  readonly databaseFile: string;
  readonly receivedAtMs: number;
}

const TABLE = `CREATE TABLE events(
  id VARCHAR, user_id VARCHAR, session_id VARCHAR, type VARCHAR, timestamp TIMESTAMP_MS,
  received_at TIMESTAMP_MS, source VARCHAR, properties VARCHAR, amount DOUBLE)`;
const COLUMNS = `{id: 'VARCHAR', user_id: 'VARCHAR', session_id: 'VARCHAR', event_type: 'VARCHAR',
  timestamp: 'BIGINT', source: 'VARCHAR', properties: 'VARCHAR', amount: 'DOUBLE'}`;

const { linesFile, events, databaseFile, receivedAtMs } = readOrder<LoadOrder>();
const database = await DuckDBInstance.create(databaseFile, { threads: "2" });
const connection = await database.connect();
await connection.run(TABLE);
const startedAt = performance.now();
await connection.run(
  `INSERT INTO events
   SELECT id, user_id, session_id, event_type, make_timestamp_ms(timestamp),
     make_timestamp_ms(${receivedAtMs}), source, properties, amount
   FROM read_ndjson('${linesFile.replaceAll("'", "''")}', columns = ${COLUMNS})`,
);
await connection.run("CHECKPOINT");
const seconds = (performance.now() - startedAt) / 1000;
const reader = await connection.runAndReadAll("SELECT count(*) FROM events");
const loaded = Number(reader.getRows()[0][0]);
connection.closeSync();
database.closeSync();
if (loaded !== events) throw new Error(`${loaded} rows loaded of ${events}`);
sayResult(events / seconds);
