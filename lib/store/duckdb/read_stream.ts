/** Runs SQL on one connection; results come as a stream of chunks, so memory stays bounded. */

import { ChunkReader } from "./chunk_reader.ts";
import { type Connection, native, type Value } from "./native.ts";

/** Rows that readFew() makes at once: 8 MB when all have the longest properties. */
const FEW_ROWS = 8_192;

/** Runs statements whose results do not matter. */
export async function runSql(connection: Connection, sql: string): Promise<void> {
  await native.query(connection, sql);
}

/** A value to bind: TIMESTAMP_MS. */
export function timestampValue(ms: number): Value {
  return native.create_timestamp_ms({ millis: BigInt(Math.ceil(ms)) });
}

/** A value to bind: VARCHAR. */
export function textValue(text: string): Value {
  return native.create_varchar(text);
}

/** A number as it may stand in SQL. */
export function integer(value: number): string {
  return String(
    BigInt(Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))),
  );
}

/**
 * A UBIGINT of a pair of words as it may stand in SQL. What is written there is planned once; a
 * statement with values to bind is planned again with them.
 */
export function pairText(low: number, high: number): string {
  return `${(BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)}::UBIGINT`;
}

/** A TIMESTAMP_MS as it may stand in SQL. */
export function timestampText(ms: number): string {
  return `make_timestamp_ms(${integer(Math.ceil(ms))})::TIMESTAMP_MS`;
}

/**
 * Runs one SELECT that mostly gives few rows, without values to bind or LIMIT of its own: so many
 * are made at once, and only what comes after them is streamed. A stream has a chunk, which takes a
 * call between threads, for each 2,048 rows that were looked at and had any to give (measured: 58
 * rows from all over a table in 19 chunks and 3.2 ms of CPU, at once in one chunk and 2.0 ms).
 */
export async function readFew(
  connection: Connection,
  sql: string,
  onChunk: (chunk: ChunkReader) => void,
): Promise<void> {
  const result = await native.query(connection, `${sql} LIMIT ${FEW_ROWS}`);
  let rows = 0;
  // All rows are there: fetch_chunk() would make a call between threads of each chunk (0.07 ms).
  const chunks = native.result_chunk_count(result);
  for (let each = 0; each < chunks; each++) {
    const chunk = new ChunkReader(native.result_get_chunk(result, each));
    rows += chunk.count;
    onChunk(chunk);
  }
  // One thread reads a table in its order, so these are the others.
  if (rows === FEW_ROWS) await readStream(connection, `${sql} OFFSET ${FEW_ROWS}`, [], onChunk);
}

/**
 * Runs one SELECT with `values` bound to its `?`s and calls `onChunk` for each chunk of the result
 * in turn. When it throws, the stream is ended before the error goes on: an open result would keep
 * the database open until it is garbage collected.
 */
export async function readStream(
  connection: Connection,
  sql: string,
  values: readonly Value[],
  onChunk: (chunk: ChunkReader) => void,
): Promise<void> {
  const statement = await native.prepare(connection, sql);
  try {
    values.forEach((value, i) => native.bind_value(statement, i + 1, value));
    const result = await native.execute_prepared_streaming(statement);
    let ended = false;
    try {
      while (true) {
        const chunk = await native.fetch_chunk(result);
        ended = chunk === null || native.data_chunk_get_size(chunk) === 0;
        if (ended) return;
        onChunk(new ChunkReader(chunk!));
      }
    } finally {
      if (!ended) {
        native.interrupt(connection);
        await native.fetch_chunk(result).catch(() => null);
      }
    }
  } finally {
    native.destroy_prepare_sync(statement);
  }
}

/** Runs `work` in one read-only transaction: all its statements see the same commits. */
export async function inSnapshot<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  await runSql(connection, "BEGIN TRANSACTION READ ONLY");
  try {
    const answer = await work();
    await runSql(connection, "COMMIT");
    return answer;
  } catch (error) {
    await runSql(connection, "ROLLBACK").catch(() => {});
    throw error;
  }
}
