/** Copies the month of events from DuckDB into ClickHouse, in a process of its own. */
import { DuckDBInstance } from "@duckdb/node-api";
import { readOrder, sayResult } from "./bench_process.ts";
import { openChdb } from "./chdb_engine.ts";

/** From where, and where to. */
export interface ClickhouseLoadOrder {
  readonly chdbFolder: string;
  readonly dataFolder: string;
  readonly duckdbFile: string;
  /** Made on the way, and removed. */
  readonly parquetFile: string;
  readonly events: number;
}

const TABLE = `CREATE TABLE events (
    id String, user_id String, session_id String, type LowCardinality(String),
    timestamp DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC'), source Nullable(String),
    properties String, amount Nullable(Float64)
  ) ENGINE = MergeTree ORDER BY (user_id, timestamp)`;

const { chdbFolder, dataFolder, duckdbFile, parquetFile, events } = readOrder<
  ClickhouseLoadOrder
>();
const quoted = (path: string) => `'${path.replaceAll("'", "''")}'`;

const database = await DuckDBInstance.create(duckdbFile, {
  threads: "2",
  access_mode: "READ_ONLY",
});
const connection = await database.connect();
await connection.run(
  `COPY (SELECT id, user_id, session_id, type, timestamp, received_at, source,
     coalesce(properties, '') AS properties, amount FROM events)
   TO ${quoted(parquetFile)} (FORMAT parquet)`,
);
connection.closeSync();
database.closeSync();

const engine = openChdb(chdbFolder, dataFolder);
await engine.query("CREATE DATABASE month");
await engine.query(TABLE.replace("events", "month.events"));
await engine.query(
  `INSERT INTO month.events SELECT * FROM file(${quoted(parquetFile)}, Parquet)`,
);
await engine.query("OPTIMIZE TABLE month.events FINAL");
const [[loaded]] = await engine.query("SELECT toFloat64(count()) FROM month.events");
engine.close();
await Deno.remove(parquetFile);
if (loaded !== events) throw new Error(`${loaded} rows loaded of ${events}`);
sayResult(loaded);
