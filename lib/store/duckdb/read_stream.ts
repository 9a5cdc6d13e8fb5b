/** Runs SQL on one connection; results come as a stream of chunks, so memory stays bounded. */

import { ChunkReader } from "./chunk_reader.ts";
import { type Connection, native, type Value } from "./native.ts";

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

/** A value to bind: UBIGINT of a pair of words. */
export function pairValue(low: number, high: number): Value {
  return native.create_uint64((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
}

/** A number as it may stand in SQL. */
export function integer(value: number): string {
  return String(
    BigInt(Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))),
  );
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
