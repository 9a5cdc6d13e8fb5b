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
  StoredEvent,
  UserEventsQuery,
  UserTotals,
} from "../event_store.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../event_store.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import type { Connection, Value } from "./native.ts";
import { pairValue, readStream, textValue, timestampValue } from "./read_stream.ts";

/** Latest time a TIMESTAMP_MS is compared with: 9999-12-31. */
const TIME_MAX_MS = 253_402_300_799_999;

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

/** The id that the next delta gets. */
export async function nextDeltaId(connection: Connection): Promise<number> {
  let next = 0;
  const sql = "SELECT coalesce(max(id) + 1, 0) FROM deltas";
  await readStream(connection, sql, [], (chunk) => [next] = chunk.int64(0));
  return next;
}

export async function readRecentIds(
  connection: Connection,
  sinceMs: number,
  onChunk: (idHash: Uint32Array, receivedAtMs: Float64Array, count: number) => void,
): Promise<void> {
  const sql = "SELECT id_hash, received_at FROM events WHERE received_at >= ?";
  await readStream(connection, sql, [timeValue(sinceMs)], (chunk) => {
    onChunk(chunk.pairs(0), chunk.int64(1), chunk.count);
  });
}

export async function readRecentSessions(
  connection: Connection,
  sinceMs: number,
  onChunk: (
    userHash: Uint32Array,
    sessionHash: Uint32Array,
    lastTimestampMs: Float64Array,
    lastReceivedAtMs: Float64Array,
    count: number,
  ) => void,
): Promise<void> {
  const sql = `
    SELECT user_hash, arg_max(session_hash, timestamp), max(timestamp), max(received_at)
    FROM events WHERE received_at >= ? AND session_id IS NULL GROUP BY user_hash`;
  await readStream(connection, sql, [timeValue(sinceMs)], (c) => {
    onChunk(c.pairs(0), c.pairs(1), c.int64(2), c.int64(3), c.count);
  });
}

export async function readStoredBuckets(connection: Connection, level: Level): Promise<number[]> {
  const buckets: number[] = [];
  const sql = `SELECT DISTINCT bucket FROM cells WHERE level = ${Number(level)} ORDER BY bucket`;
  await readStream(connection, sql, [], (chunk) => buckets.push(...chunk.int32(0)));
  return buckets;
}

export async function readStoredCells(
  connection: Connection,
  query: CellQuery,
): Promise<StoredCell[]> {
  const { level, want } = query;
  const cells: StoredCell[] = [];
  const bits = [WANT_USERS, WANT_SESSIONS, WANT_AMOUNTS];
  const blobs = ["users", "sessions", "amounts"].filter((_, i) => want & bits[i]);
  const columns = ["bucket, series_id, events, min_ts, max_ts, amount_count, amount_sum", ...blobs];
  const sql = `SELECT ${columns.join()} FROM cells WHERE level = ${Number(level)}
    AND bucket >= ${integer(query.fromBucket)} AND bucket < ${integer(query.toBucket)}
    ${inSeries(query.series)} ORDER BY bucket, series_id`;
  await readStream(connection, sql, [], (chunk) => {
    const buckets = chunk.int32(0), series = chunk.int32(1), events = chunk.int64(2);
    const minTs = chunk.int64(3), maxTs = chunk.int64(4);
    const amountCount = chunk.int64(5), amountSum = chunk.float64(6);
    let next = 7;
    const [users, sessions, amounts] = bits.map((bit) => want & bit ? chunk.blobs(next++) : null);
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
        users: users === null ? null : users[i],
        sessions: sessions === null ? null : sessions[i],
        amounts: amounts === null ? null : amounts[i],
      });
    }
  });
  return cells;
}

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

export async function readUserEvents(
  connection: Connection,
  query: UserEventsQuery,
): Promise<StoredEvent[]> {
  const { before } = query;
  const where = userFilter(query, query.userHash);
  let page = "";
  if (before !== null) {
    page = `AND timestamp <= ? AND (timestamp < ? OR seq < ${integer(before.seq)})`;
    where.values.push(timeValue(before.timestampMs), timeValue(before.timestampMs));
  }
  const sql = `SELECT seq, e.id, user_id, s.type, category, timestamp, received_at, session_id,
      session_hash, source, properties, amount
    FROM events e JOIN series s ON s.id = e.series_id WHERE ${where.sql} ${page}
    ORDER BY timestamp DESC, seq DESC LIMIT ${integer(query.limit)}`;
  const events: StoredEvent[] = [];
  await readStream(connection, sql, where.values, (chunk) => events.push(...storedEvents(chunk)));
  return events;
}

export async function readUserTotals(
  connection: Connection,
  user: Omit<UserEventsQuery, "limit" | "before">,
): Promise<UserTotals | null> {
  const where = userFilter(user, user.userHash);
  const sql = `SELECT count(*), count(DISTINCT session_hash), min(timestamp), max(timestamp)
    FROM events e JOIN series s ON s.id = e.series_id WHERE ${where.sql}`;
  let totals: UserTotals | null = null;
  await readStream(connection, sql, where.values, (chunk) => {
    const [events] = chunk.int64(0), [sessions] = chunk.int64(1);
    const [firstSeenMs] = chunk.int64(2), [lastSeenMs] = chunk.int64(3);
    if (events > 0) totals = { events, sessions, firstSeenMs, lastSeenMs };
  });
  return totals;
}

/** The rows of one user of one project in a time range; the hash narrows them down first. */
function userFilter(
  user: { project: string; userId: string; fromMs: number; toMs: number },
  userHash: readonly [low: number, high: number] | undefined,
): { sql: string; values: Value[] } {
  const sql = "user_id = ? AND s.project = ? AND timestamp >= ? AND timestamp < ?";
  const values = [
    textValue(user.userId),
    textValue(user.project),
    timeValue(user.fromMs),
    timeValue(user.toMs),
  ];
  if (userHash === undefined) return { sql, values };
  return { sql: `user_hash = ? AND ${sql}`, values: [pairValue(...userHash), ...values] };
}

function storedEvents(chunk: ChunkReader): StoredEvent[] {
  const seq = chunk.int64(0), ids = chunk.strings(1), users = chunk.strings(2);
  const types = chunk.strings(3), category = chunk.uint8(4), timestampMs = chunk.int64(5);
  const receivedAtMs = chunk.int64(6), sessions = chunk.strings(7), hashes = chunk.pairs(8);
  const sources = chunk.strings(9), properties = chunk.strings(10), amounts = chunk.float64(11);
  return Array.from({ length: chunk.count }, (_, i) => ({
    seq: seq[i],
    id: ids[i]!,
    userId: users[i]!,
    type: types[i] ?? "",
    category: category[i],
    timestampMs: timestampMs[i],
    receivedAtMs: receivedAtMs[i],
    sessionId: sessions[i] ?? hex16(hashes[2 * i], hashes[2 * i + 1]),
    source: sources[i],
    properties: properties[i] ?? "{}",
    amount: Number.isNaN(amounts[i]) ? null : amounts[i],
  }));
}

/** A uint64 as 16 lower-case hex digits. */
function hex16(low: number, high: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
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

/** Bounds may be infinite or fractions: time is whole ms within what a TIMESTAMP_MS holds. */
function timeValue(ms: number): Value {
  return timestampValue(Math.min(TIME_MAX_MS, Math.max(0, ms)));
}

function inSeries(series: readonly number[] | null): string {
  if (series === null) return "";
  return series.length === 0 ? "AND false" : `AND series_id IN (${series.map(integer).join()})`;
}

/** A number as it may stand in SQL. */
function integer(value: number): string {
  return String(
    BigInt(Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))),
  );
}
