/**
 * What the rows of a partition come to by user, session and hour, in a file beside them
 * (side_file.ts): the sessions of a user are then read from a few thousandths of the rows, wherever
 * those are.
 */

import { PART_MS } from "../../query/user/session_part.ts";
import { CATEGORY_TRANSACTION, REVENUE_SIGNS } from "../../query/user/transaction.ts";
import type { TypeNames } from "./filter_sql.ts";
import type { Connection } from "./native.ts";
import { integer, readStream, runSql } from "./read_stream.ts";
import { CREATE_SESSION_PARTS, SESSIONS_CATALOG } from "./schema.ts";
import { inTransaction, isOfRows, SideFile, type SideFileOptions } from "./side_file.ts";

/** A place within a run is below this: it stands below the time in one number. */
const RUN_PLACES = 2 ** 17;

/** Which rows are in parts. */
export interface KeptParts {
  /** Rows of a run. */
  readonly runRows: number;
  /** All rows before this are, none after it: a whole number of runs. */
  readonly nextSeq: number;
}

export class SessionParts extends SideFile {
  #nextSeq = 0;

  /** @param path of the partition's file */
  constructor(path: string, options: SideFileOptions) {
    const what = "sums of sessions";
    super(path, options, { ending: "sessions", catalog: SESSIONS_CATALOG, what });
  }

  get kept(): KeptParts {
    return { runRows: this.runRows, nextSeq: this.#nextSeq };
  }

  protected async load(connection: Connection): Promise<void> {
    await runSql(connection, CREATE_SESSION_PARTS);
    let runs = 0, endSeq = 0;
    const sql = `SELECT count(*), coalesce(max(end_seq), 0) FROM ${SESSIONS_CATALOG}.runs`;
    await readStream(connection, sql, [], (chunk) => {
      [runs] = chunk.int64(0);
      [endSeq] = chunk.int64(1);
    });
    const isWhole = runs * this.runRows === endSeq;
    if (!isWhole || (endSeq > 0 && !await isOfRows(connection, SESSIONS_CATALOG, endSeq))) {
      throw new Error("parts of other rows");
    }
    this.#nextSeq = endSeq;
  }

  protected forget(): void {
    this.#nextSeq = 0;
  }

  protected hasNext(toSeq: number): boolean {
    return this.#nextSeq + this.runRows <= toSeq;
  }

  protected async addNext(connection: Connection): Promise<void> {
    const endSeq = this.#nextSeq + this.runRows;
    await addRun(connection, this.#nextSeq, endSeq);
    this.#nextSeq = endSeq;
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
  await inTransaction(connection, async () => {
    await runSql(connection, parts);
    const last = integer(toSeq - 1);
    const end = `SELECT seq + 1, id_hash FROM events WHERE seq = ${last}`;
    await runSql(connection, `INSERT INTO ${SESSIONS_CATALOG}.runs ${end}`);
  });
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
