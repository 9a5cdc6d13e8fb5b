/**
 * The reads of a partition: SQL and how its columns become the port's values.
 *
 * Numbers that only this module makes are written into the SQL; times, texts and hashes are bound.
 * A bound TIMESTAMP_MS prunes row groups, a TIMESTAMP would not (the column would be cast).
 */

import type {
  CellQuery,
  Level,
  LoadedPartition,
  RangeRows,
  Series,
  StoredCell,
} from "../event_store.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../event_store.ts";
import { timeValue } from "./filter_sql.ts";
import type { Connection } from "./native.ts";
import { integer, readStream } from "./read_stream.ts";
import { PART_BYTES_MAX } from "./schema.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The sketch that each value of `cell_parts.sketch` stands for. */
const SKETCH_NAMES = new Map<number, "users" | "sessions" | "amounts">([
  [WANT_USERS, "users"],
  [WANT_SESSIONS, "sessions"],
  [WANT_AMOUNTS, "amounts"],
]);

/** Where the partition left off: offset, series and unflushed deltas. */
export async function loadPartition(connection: Connection): Promise<LoadedPartition> {
  let nextOffset = 0, nextSeq = 0, lastReceivedAtMs = 0;
  const series: Series[] = [];
  const deltas: Uint8Array[] = [];
  const stateSql = "SELECT next_offset, next_seq, last_received_at FROM state";
  await readStream(connection, stateSql, [], (chunk) => {
    [nextOffset] = chunk.int64(0);
    [nextSeq] = chunk.int64(1);
    [lastReceivedAtMs] = chunk.int64(2);
  });
  await readStream(connection, "SELECT id, project, type FROM series ORDER BY id", [], (chunk) => {
    const ids = chunk.int32(0), projects = chunk.strings(1), types = chunk.strings(2);
    ids.forEach((id, i) => series.push({ id, project: projects[i]!, type: types[i] }));
  });
  await readStream(connection, "SELECT bytes FROM deltas ORDER BY id", [], (chunk) => {
    for (const bytes of chunk.blobs(0)) deltas.push(bytes!);
  });
  return { nextOffset, nextSeq, lastReceivedAtMs, series, deltas };
}

/** Sequence number after that of the last committed row. */
export async function readNextSeq(connection: Connection): Promise<number> {
  let nextSeq = 0;
  const sql = "SELECT next_seq FROM state";
  await readStream(connection, sql, [], (chunk) => [nextSeq] = chunk.int64(0));
  return nextSeq;
}

/** The id that the next delta gets: they are read back in the order of their ids. */
export async function nextDeltaId(connection: Connection): Promise<number> {
  let next = 0;
  const sql = "SELECT coalesce(max(id) + 1, 0) FROM deltas";
  await readStream(connection, sql, [], (chunk) => [next] = chunk.int64(0));
  return next;
}

/** Streams id hash and time of ingest of what was received at or after `sinceMs`, in log order. */
export async function readRecentIds(
  connection: Connection,
  keepsRows: boolean,
  sinceMs: number,
  onChunk: (idHash: Uint32Array, receivedAtMs: Float64Array, count: number) => void,
): Promise<void> {
  const table = keepsRows ? "events" : "recent";
  const sql = `SELECT id_hash, received_at FROM ${table} WHERE received_at >= ?`;
  await readStream(connection, sql, [timeValue(sinceMs)], (chunk) => {
    onChunk(chunk.pairs(0), chunk.int64(1), chunk.count);
  });
}

/** Streams, by user, the derived session of the latest event time; see PartitionStore. */
export async function readRecentSessions(
  connection: Connection,
  keepsRows: boolean,
  sinceMs: number,
  onChunk: (
    userHash: Uint32Array,
    sessionHash: Uint32Array,
    lastTimestampMs: Float64Array,
    lastReceivedAtMs: Float64Array,
    count: number,
  ) => void,
): Promise<void> {
  const [table, isDerived] = keepsRows ? ["events", "session_id IS NULL"] : ["recent", "derived"];
  const sql = `
    SELECT user_hash, arg_max(session_hash, timestamp), max(timestamp), max(received_at)
    FROM ${table} WHERE received_at >= ? AND ${isDerived} GROUP BY user_hash`;
  await readStream(connection, sql, [timeValue(sinceMs)], (c) => {
    onChunk(c.pairs(0), c.pairs(1), c.int64(2), c.int64(3), c.count);
  });
}

/** Buckets of a level that have cells, ascending. */
export async function readStoredBuckets(connection: Connection, level: Level): Promise<number[]> {
  const buckets: number[] = [];
  const sql = `SELECT DISTINCT bucket FROM cells WHERE level = ${Number(level)} ORDER BY bucket`;
  await readStream(connection, sql, [], (chunk) => buckets.push(...chunk.int32(0)));
  return buckets;
}

/** Cells by bucket, then series; sketches that are not wanted are not read. */
export async function readStoredCells(
  connection: Connection,
  query: CellQuery,
): Promise<StoredCell[]> {
  const { level } = query;
  const where = `level = ${Number(level)} AND bucket >= ${integer(query.fromBucket)}
    AND bucket < ${integer(query.toBucket)} ${inSeries(query.series)}`;
  const cells: StoredCell[] = [];
  const sql = `SELECT bucket, series_id, events, min_ts, max_ts, amount_count, amount_sum
    FROM cells WHERE ${where} ORDER BY bucket, series_id`;
  await readStream(connection, sql, [], (chunk) => {
    const buckets = chunk.int32(0), series = chunk.int32(1), events = chunk.int64(2);
    const minTs = chunk.int64(3), maxTs = chunk.int64(4);
    const amountCount = chunk.int64(5), amountSum = chunk.float64(6);
    for (let i = 0; i < chunk.count; i++) {
      cells.push({
        level,
        bucket: buckets[i],
        series: series[i],
        events: events[i],
        minTimestampMs: minTs[i],
        maxTimestampMs: maxTs[i],
        amountCount: amountCount[i],
        amountSum: amountSum[i],
        users: null,
        sessions: null,
        amounts: null,
      });
    }
  });
  if (query.want !== 0 && cells.length > 0) await readSketches(connection, query, where, cells);
  return cells;
}

/** Reads the wanted sketches of `cells`, which are all cells that `where` names. */
async function readSketches(
  connection: Connection,
  query: CellQuery,
  where: string,
  cells: readonly Writable<StoredCell>[],
): Promise<void> {
  const places = new Map(cells.map((cell) => [`${cell.bucket}:${cell.series}`, cell]));
  const sql = `SELECT bucket, series_id, sketch, sketch_bytes, part, bytes FROM cell_parts
    WHERE ${where} AND (sketch & ${integer(query.want)}) <> 0`;
  await readStream(connection, sql, [], (chunk) => {
    const buckets = chunk.int32(0), series = chunk.int32(1), sketches = chunk.uint8(2);
    const lengths = chunk.int32(3), parts = chunk.uint16(4), bytes = chunk.blobs(5);
    for (let i = 0; i < chunk.count; i++) {
      const cell = places.get(`${buckets[i]}:${series[i]}`)!;
      const name = SKETCH_NAMES.get(sketches[i])!;
      const sketch = cell[name] ??= new Uint8Array(lengths[i]);
      sketch.set(bytes[i]!, PART_BYTES_MAX * parts[i]);
    }
  });
}

/** Numeric columns of the rows with fromMs <= timestamp < toMs, in log order. */
export async function readRowsInRange(
  connection: Connection,
  fromMs: number,
  toMs: number,
  series: readonly number[] | null,
): Promise<RangeRows> {
  const sql = `SELECT series_id, user_hash, session_hash, timestamp, amount FROM events
    WHERE timestamp >= ? AND timestamp < ? ${inSeries(series)}`;
  const parts: RangeRows[] = [];
  await readStream(connection, sql, [timeValue(fromMs), timeValue(toMs)], (c) => {
    parts.push({
      count: c.count,
      series: c.int32(0),
      userHash: c.pairs(1),
      sessionHash: c.pairs(2),
      timestampMs: c.int64(3),
      amount: c.float64(4),
    });
  });
  return joinRows(parts);
}

function joinRows(parts: readonly RangeRows[]): RangeRows {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const rows = {
    count,
    series: new Int32Array(count),
    userHash: new Uint32Array(2 * count),
    sessionHash: new Uint32Array(2 * count),
    timestampMs: new Float64Array(count),
    amount: new Float64Array(count),
  };
  let at = 0;
  for (const part of parts) {
    rows.series.set(part.series, at);
    rows.userHash.set(part.userHash, 2 * at);
    rows.sessionHash.set(part.sessionHash, 2 * at);
    rows.timestampMs.set(part.timestampMs, at);
    rows.amount.set(part.amount, at);
    at += part.count;
  }
  return rows;
}

function inSeries(series: readonly number[] | null): string {
  if (series === null) return "";
  return series.length === 0 ? "AND false" : `AND series_id IN (${series.map(integer).join()})`;
}
