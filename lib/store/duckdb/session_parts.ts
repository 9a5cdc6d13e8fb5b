/**
 * What the rows of a partition come to by user, session and hour: the sessions of a user are then
 * read from a few thousandths of the rows, wherever those are. Made from the rows, run by run, in the
 * background once anybody asks about a user; rows that are in no run yet are looked through, so an
 * answer never waits for it.
 *
 *     rows, by place    [0 .. run) [run .. 2 run) ... | the rest
 *     session_parts     parts      parts              | -
 *
 * They are in a file of their own beside the partition's, because nothing is lost with it: one that
 * cannot be read, or was made of other rows, is made anew. What fails while it is written (a full
 * disk) so never touches the rows. A run is one transaction, so a crash leaves whole runs only.
 */

import { PART_MS } from "../../query/user/session_part.ts";
import { CATEGORY_TRANSACTION, REVENUE_SIGNS } from "../../query/user/transaction.ts";
import { StoreError } from "../event_store.ts";
import { isOutOfMemory } from "./duckdb_error.ts";
import { attachSql } from "./duckdb_file.ts";
import type { TypeNames } from "./filter_sql.ts";
import type { Connection } from "./native.ts";
import { integer, readStream, runSql } from "./read_stream.ts";
import { CREATE_SESSION_PARTS, SESSIONS_CATALOG } from "./schema.ts";

/**
 * Rows of a run: four row groups. Longer runs would keep a user's parts closer together, and have
 * more rows wait to be in one.
 */
export const SESSION_RUN_ROWS = 122_880;

/** A place within a run is below this: it stands below the time in one number. */
const RUN_PLACES = 2 ** 17;

/** What DuckDB may leave beside a file. */
const FILE_ENDS = ["", ".wal", ".wal.checkpoint", ".wal.recovery"];

/** Which rows are in parts. */
export interface KeptParts {
  /** Rows of a run. */
  readonly runRows: number;
  /** All rows before this are, none after it: a whole number of runs. */
  readonly nextSeq: number;
}

/** Runs work with the writing connection of an open file, in turn. */
export type WriteTurn = (work: (connection: Connection) => Promise<void>) => Promise<void>;

export interface SessionPartsOptions {
  /** Rows of a run. */
  readonly runRows: number;
  /** Told what keeps the parts from being read or made; answers only get slower by it. */
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

export class SessionParts {
  /** Where they are. */
  readonly file: string;
  #kept: KeptParts;
  #opening: Promise<void> | null = null;
  #isOpen = false;
  #isFilling = false;
  /** It is not tried again until the partition is opened again. */
  #cannotOpen = false;
  /** Nor is writing, once it has failed: what there is stays. */
  #hasFailed = false;
  readonly #warn: SessionPartsOptions["warn"];

  /** @param path of the partition's file */
  constructor(path: string, { runRows, warn }: SessionPartsOptions) {
    this.file = `${path}.sessions`;
    this.#kept = { runRows, nextSeq: 0 };
    this.#warn = warn;
  }

  get kept(): KeptParts {
    return this.#kept;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The partition's file was opened anew, and with it goes what was attached to it. */
  detached(): void {
    this.#opening = null;
    this.#isOpen = false;
    this.#kept = { ...this.#kept, nextSeq: 0 };
  }

  /** Opens the file, which is made where there is none; where that fails, there are no parts. */
  open(write: WriteTurn): Promise<void> {
    if (this.#cannotOpen) return Promise.resolve();
    this.#opening ??= write(async (connection) => {
      const { file } = this, { runRows } = this.#kept;
      try {
        this.#kept = await openFile(connection, file, runRows).catch(async (error) => {
          this.#tell("sums of sessions are made anew", error);
          await runSql(connection, `DETACH DATABASE IF EXISTS ${SESSIONS_CATALOG}`);
          removeFile(file);
          return await openFile(connection, file, runRows);
        });
        this.#isOpen = true;
      } catch (error) {
        this.#cannotOpen = true;
        this.#tell("sums of sessions can't be opened: rows are read in their place", error);
      }
    }).catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Makes the runs that lie before `toSeq`. What does not fit into memory is tried again the next
   * time; after another failure the rest is looked through from then on.
   *
   * @returns whether it has made any; never rejects
   */
  async fill(toSeq: number, write: WriteTurn): Promise<boolean> {
    if (this.#isFilling || this.#hasFailed || !this.#isOpen) return false;
    this.#isFilling = true;
    let hasMade = false;
    try {
      while (this.#isOpen && this.#kept.nextSeq + this.#kept.runRows <= toSeq) {
        await write(async (connection) => {
          // The files may have been opened anew while this waited for its turn.
          if (!this.#isOpen) return;
          const { runRows, nextSeq } = this.#kept;
          await addRun(connection, nextSeq, nextSeq + runRows);
          this.#kept = { runRows, nextSeq: nextSeq + runRows };
          hasMade = true;
        });
      }
    } catch (error) {
      this.#hasFailed = !isOutOfMemory(error);
      // A partition that was closed meanwhile is no failure of theirs.
      if (this.#hasFailed && !(error instanceof StoreError)) {
        this.#tell("sums of sessions can't be made: rows are read in their place", error);
      }
    } finally {
      this.#isFilling = false;
    }
    return hasMade;
  }

  #tell(message: string, error: unknown): void {
    this.#warn(message, { file: this.file, error: String(error) });
  }
}

/** Attaches the file. Throws when it is none, or was made of other rows or in other runs. */
async function openFile(connection: Connection, file: string, runRows: number): Promise<KeptParts> {
  await runSql(connection, `${attachSql(file, SESSIONS_CATALOG)}; ${CREATE_SESSION_PARTS}`);
  let runs = 0, endSeq = 0, isOfRows = false;
  const sql = `SELECT count(*), coalesce(max(end_seq), 0) FROM ${SESSIONS_CATALOG}.runs`;
  await readStream(connection, sql, [], (chunk) => {
    [runs] = chunk.int64(0);
    [endSeq] = chunk.int64(1);
  });
  if (endSeq === 0) return { runRows, nextSeq: 0 };
  const last = `SELECT 1::UTINYINT FROM events JOIN ${SESSIONS_CATALOG}.runs USING (id_hash)
    WHERE seq = ${integer(endSeq - 1)} AND end_seq = ${integer(endSeq)}`;
  await readStream(connection, last, [], () => isOfRows = true);
  if (!isOfRows || runs * runRows !== endSeq) throw new Error("parts of other rows");
  return { runRows, nextSeq: endSeq };
}

function removeFile(file: string): void {
  for (const end of FILE_ENDS) {
    try {
      Deno.removeSync(`${file}${end}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** How transactions and revenue of a row are told from its series. */
export function transactionSql(types: TypeNames): { isTransaction: string; revenue: string } {
  const signs = [...types].flatMap(([series, type]) => {
    const sign = REVENUE_SIGNS.get(type);
    return sign === undefined ? [] : [{ series, sign }];
  });
  const isOf = (wanted: (sign: number) => boolean) => {
    const series = signs.filter(({ sign }) => wanted(sign)).map((each) => integer(each.series));
    return series.length === 0 ? "false" : `series_id IN (${series.join()})`;
  };
  return {
    isTransaction: `(category = ${CATEGORY_TRANSACTION} OR ${isOf(() => true)})`,
    revenue: `CASE WHEN ${isOf((sign) => sign > 0)} THEN coalesce(amount, 0)
      WHEN ${isOf((sign) => sign < 0)} THEN -coalesce(amount, 0) ELSE 0 END`,
  };
}

/** One run, or nothing of it. */
async function addRun(connection: Connection, fromSeq: number, toSeq: number): Promise<void> {
  const parts = await runStatement(connection, fromSeq, toSeq);
  await runSql(connection, "BEGIN");
  try {
    await runSql(connection, parts);
    const last = integer(toSeq - 1);
    const end = `SELECT seq + 1, id_hash FROM events WHERE seq = ${last}`;
    await runSql(connection, `INSERT INTO ${SESSIONS_CATALOG}.runs ${end}`);
    await runSql(connection, "COMMIT");
  } catch (error) {
    await runSql(connection, "ROLLBACK").catch(() => {});
    throw error;
  }
}

/** What adds the parts of a run. */
async function runStatement(
  connection: Connection,
  fromSeq: number,
  toSeq: number,
): Promise<string> {
  const { isTransaction, revenue } = transactionSql(await readTransactionTypes(connection));
  const first = integer(fromSeq);
  // The order of events within an hour and a run.
  const place = `epoch_ms(timestamp) % ${PART_MS} * ${RUN_PLACES} + (seq - ${first})`;
  const timeOf = (column: string) =>
    `make_timestamp_ms(hour * ${PART_MS} + ${column} // ${RUN_PLACES})::TIMESTAMP_MS`;
  return `INSERT INTO ${SESSIONS_CATALOG}.session_parts
     SELECT user_hash, session_hash, session_id, min_seq, max_seq, ${timeOf("first_place")},
       ${timeOf("last_place")}, first_series, last_series, events, transactions, revenue
     FROM (
       SELECT user_hash, session_hash, epoch_ms(timestamp) // ${PART_MS} AS hour,
         any_value(session_id) AS session_id, min(seq) AS min_seq, max(seq) AS max_seq,
         min(${place}) AS first_place, max(${place}) AS last_place,
         arg_min(series_id, ${place}) AS first_series, arg_max(series_id, ${place}) AS last_series,
         count(*)::INTEGER AS events, count(*) FILTER (${isTransaction})::INTEGER AS transactions,
         sum(${revenue}) AS revenue
       FROM events WHERE seq >= ${first} AND seq < ${integer(toSeq)}
       GROUP BY user_hash, session_hash, hour)
     ORDER BY user_hash, min_seq`;
}

/** The series of all projects whose type makes a transaction. */
async function readTransactionTypes(connection: Connection): Promise<TypeNames> {
  const types = new Map<number, string>();
  const names = [...REVENUE_SIGNS.keys()].map((name) => `'${name}'`);
  const sql = `SELECT id, type FROM series WHERE type IN (${names.join()})`;
  await readStream(connection, sql, [], (chunk) => {
    const ids = chunk.int32(0);
    chunk.strings(1).forEach((type, i) => types.set(ids[i], type!));
  });
  return types;
}
