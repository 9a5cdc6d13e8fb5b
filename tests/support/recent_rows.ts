/**
 * What lies in the DuckDB files of a stopped server that keeps no rows: of each event its hashes and
 * times, joined by the id's hash with what was sent. So whoever knows what was sent can hold answers
 * against rows all the same.
 */
import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { ID_SALT } from "../../lib/process/apply_record.ts";
import { SeriesTable } from "../../lib/process/series_table.ts";
import { hash64 } from "../../lib/sketch/hash64.ts";
import type { SentEvent } from "./load.ts";
import type { StoredRow } from "./stored_rows.ts";

const RECENT_SQL = `
  SELECT rowid::DOUBLE AS seq, id_hash AS "idHash", epoch_ms(timestamp)::DOUBLE AS "timestampMs",
    user_hash::VARCHAR AS "userHash", session_hash::VARCHAR AS "sessionHash", derived
  FROM recent ORDER BY rowid`;

interface RecentRow {
  readonly seq: number;
  readonly idHash: bigint;
  readonly timestampMs: number;
  readonly userHash: string;
  readonly sessionHash: string;
  readonly derived: boolean;
}

/** As readStoredRows(); id, user, type and amount are those that were sent under the id. */
export async function readRecentRows(
  dataFolder: string,
  sent: ReadonlyMap<string, SentEvent>,
): Promise<StoredRow[]> {
  const byHash = new Map([...sent.values()].map((event) => [idHash(event.id), event]));
  const rows: StoredRow[] = [];
  const files = [...Deno.readDirSync(dataFolder)].map(({ name }) => name)
    .filter((name) => /^events-\d+\.duckdb$/.test(name)).sort();
  for (const name of files) {
    const partition = Number(name.slice("events-".length, -".duckdb".length));
    for (const row of await readRecent(`${dataFolder}/${name}`)) {
      const event = byHash.get(row.idHash);
      assert.ok(event, "a row of an event that was not sent");
      assert.deepEqual(
        [row.timestampMs, row.derived],
        [event.timestampMs, event.sessionId === null],
        "a row is not what was sent",
      );
      const { seq, userHash, sessionHash } = row;
      rows.push({ partition, seq, userHash, sessionHash, ...event });
    }
  }
  return rows;
}

async function readRecent(path: string): Promise<RecentRow[]> {
  const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const events = await connection.runAndReadAll("SELECT count(*)::INTEGER FROM events");
  assert.deepEqual(events.getRows(), [[0]], "no row is kept");
  const result = await connection.runAndReadAll(RECENT_SQL);
  connection.closeSync();
  instance.closeSync();
  return result.getRowObjectsJS() as unknown as RecentRow[];
}

/** The hash that an id of the default project is known by. */
function idHash(id: string): bigint {
  const bytes = new TextEncoder().encode(id);
  const hash = new Uint32Array(2);
  hash64(bytes, 0, bytes.length, project.seed ^ ID_SALT, hash);
  return BigInt(hash[1]) << 32n | BigInt(hash[0]);
}

const project = new SeriesTable().projectOf("default");
