/**
 * The month of events in DuckDB with the properties that are asked about as columns of their own,
 * kept beside the file whose properties are JSON text.
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { join } from "node:path";
import type { MonthOfEvents } from "./month_of_events.ts";

/** Gives the file, and makes it first where it is missing or unfinished. */
export async function wideMonth({ duckdbFile }: MonthOfEvents): Promise<string> {
  const file = join(duckdbFile, "..", "wide-v1.duckdb");
  try {
    await Deno.stat(file);
    return file;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const unfinished = `${file}.unfinished`;
  await Deno.remove(unfinished).catch(() => {});
  const database = await DuckDBInstance.create(unfinished, { threads: "2" });
  const connection = await database.connect();
  await connection.run(`ATTACH '${duckdbFile.replaceAll("'", "''")}' AS alone (READ_ONLY)`);
  await connection.run(
    `CREATE TABLE events AS SELECT id, user_id, session_id, type, timestamp, received_at, source,
       amount, properties->>'$.page' AS page, properties->>'$.country' AS country
     FROM alone.events ORDER BY timestamp`,
  );
  await connection.run("CHECKPOINT");
  connection.closeSync();
  database.closeSync();
  await Deno.rename(unfinished, file);
  return file;
}
