/**
 * The reads of one user, and the search for users.
 *
 * A user is found by the 64-bit hash wherever it is known, which is how users are told apart in all
 * other numbers too: to compare the ids as well would unpack the texts of every block that is read
 * (measured on 1.2 M rows, a user with 330,000 of them: 118 ms against 18 ms).
 */

import type {
  SessionIdsQuery,
  SessionPartsQuery,
  StoredEvent,
  UserEventsQuery,
} from "../event_store.ts";
import type { FoundUser, UserSearch } from "../../query/user/user_search.ts";
import { PART_MS, type SessionPartChunk } from "../../query/user/session_part.ts";
import { derivedSessionId, type SeqRange } from "../../query/user/session_table.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import { eventsWithProperties, needsProperties } from "./event_source.ts";
import { filterSql, ofSeries, type TypeNames } from "./filter_sql.ts";
import { readLongProperties } from "./long_properties.ts";
import type { Connection, Value } from "./native.ts";
import { integer, pairText, readFew, readStream, textValue, timestampText } from "./read_stream.ts";
import { joinRanges } from "./join_ranges.ts";
import { SESSIONS_CATALOG } from "./schema.ts";
import { type KeptParts, transactionSql } from "./session_parts.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A page of events of fewer sessions is found as soon by one read as by two. */
const APART_SESSIONS = 8;

/** The same of sessions with fewer rows between the first and the last. */
const APART_ROWS = 122_880;

/**
 * Reads a page of a user's events by `read`, where they lie far apart by two of them at a time, for
 * DuckDB works on each by a thread of its own.
 */
export async function readUserEventsApart(
  query: UserEventsQuery,
  read: (query: UserEventsQuery) => Promise<StoredEvent[]>,
): Promise<StoredEvent[]> {
  const near = query.near?.toSorted((a, b) => a.fromSeq - b.fromSeq) ?? [];
  if (near.length < APART_SESSIONS || near.at(-1)!.fromSeq - near[0].fromSeq < APART_ROWS) {
    return await read(query);
  }
  const middle = near[near.length >> 1].fromSeq;
  // Ranges may overlap, and no row is to come twice.
  const before = near.map((range) => ({ ...range, toSeq: Math.min(range.toSeq, middle) }));
  const after = near.map((range) => ({ ...range, fromSeq: Math.max(range.fromSeq, middle) }));
  const halves = await Promise.all([before, after].map((ranges) => {
    return read({ ...query, near: ranges.filter(({ fromSeq, toSeq }) => fromSeq < toSeq) });
  }));
  return newestOf(halves.flat(), query);
}

/**
 * One page of a user's events, newest first.
 *
 * @param toSeq the end of the committed rows
 */
export async function readUserEvents(
  connection: Connection,
  query: UserEventsQuery,
  toSeq: number,
  types: TypeNames,
): Promise<StoredEvent[]> {
  const { userHash, limit, filter = null, near } = query;
  const where: string[] = [];
  const values: Value[] = [];
  if (userHash === undefined) {
    where.push("user_id = ?", ofSeries(types));
    values.push(textValue(query.userId));
  } else where.push(`user_hash = ${pairText(...userHash)}`);
  // Each condition of each range costs as much as a few rows do.
  if (near === undefined) where.push(timesSql(query));
  if (filter !== null) {
    const { sql, values: bound } = filterSql(filter, types);
    where.push(sql);
    values.push(...bound);
  }
  const table = needsProperties(filter) ? await eventsWithProperties(connection) : "events";
  const sessionIdOf = query.sessionIdOf ?? null;
  const select = `SELECT seq, id, series_id, category, timestamp, received_at,
      session_hash, source, properties, amount ${sessionIdOf === null ? ", session_id" : ""}
    FROM ${table} WHERE ${where.join(" AND ")}`;
  // With neither a join nor a subquery, DuckDB goes through the row groups from the newest on and
  // stops early (measured on 4.7 M rows, a user with 236,000 of them: 2 ms against 530 ms). Ordering
  // costs as much as reading a few rows, though.
  const order = near === undefined
    ? `ORDER BY timestamp DESC, seq DESC LIMIT ${integer(limit)}`
    : "";
  const ranges = near === undefined ? [{ fromSeq: 0, toSeq }] : joinRanges(near);
  const read: Writable<StoredEvent>[] = [];
  await readRanges(connection, select, values, ranges, order, (chunk) => {
    read.push(...storedEvents(chunk, query, types));
  });
  const events = near === undefined ? read : newestOf(read, query);
  const long = events.filter((event) => event.properties === "");
  if (long.length > 0) {
    const texts = await readLongProperties(connection, long.map((event) => event.seq));
    for (const event of long) event.properties = texts.get(event.seq)!;
  }
  return events;
}

/** Conditions of the page's times. */
function timesSql({ fromMs, toMs, before }: UserEventsQuery): string {
  const range = `timestamp >= ${timestampText(fromMs)} AND timestamp < ${timestampText(toMs)}`;
  if (before === null) return range;
  const time = timestampText(before.timestampMs);
  return `${range} AND timestamp <= ${time}
    AND (timestamp < ${time} OR seq < ${integer(before.seq)})`;
}

/** Those of some events that are on the page. */
function newestOf<Event extends StoredEvent>(
  events: readonly Event[],
  { fromMs, toMs, toSeq = Infinity, before, limit }: UserEventsQuery,
): Event[] {
  return events.filter(({ timestampMs, seq }) =>
    timestampMs >= fromMs && timestampMs < toMs && seq < toSeq &&
    (before === null || timestampMs < before.timestampMs ||
      (timestampMs === before.timestampMs && seq < before.seq))
  ).sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq).slice(0, limit);
}

/** Rows of one user between places and times. */
interface RowBounds extends SeqRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Calls `onParts` for the parts of a user's sessions: those that are kept, and of the rows at the
 * ends that no run or no whole hour has, each by itself.
 *
 * @param kept what is in parts that are kept
 */
export async function readSessionParts(
  connection: Connection,
  { userHash, fromSeq, toSeq, fromMs, toMs }: SessionPartsQuery,
  kept: KeptParts,
  types: TypeNames,
  onParts: (parts: SessionPartChunk) => void,
): Promise<void> {
  const runs = within(fromSeq, Math.min(toSeq, kept.nextSeq), kept.runRows);
  const hours = within(fromMs, toMs, PART_MS);
  const rowsOf = (bounds: readonly RowBounds[]) => rowPartsSql(userHash, bounds, types);
  const selects: string[] = [];
  if (runs === null || hours === null) selects.push(...rowsOf([{ fromSeq, toSeq, fromMs, toMs }]));
  else {
    const [firstSeq, endSeq] = runs, [firstMs, endMs] = hours;
    // What is before the parts in the log comes before them: that is the order of equal times.
    selects.push(
      ...rowsOf([{ fromSeq, toSeq: firstSeq, fromMs, toMs }]),
      `SELECT session_hash, min_seq, max_seq, first_at, last_at, first_series, last_series,
        events, transactions, revenue, session_id
      FROM ${SESSIONS_CATALOG}.session_parts WHERE user_hash = ${pairText(...userHash)}
        AND min_seq >= ${integer(firstSeq)} AND max_seq < ${integer(endSeq)}
        AND first_at >= ${timestampText(firstMs)} AND last_at < ${timestampText(endMs)}`,
      ...rowsOf([
        { fromSeq: firstSeq, toSeq: endSeq, fromMs, toMs: firstMs },
        { fromSeq: firstSeq, toSeq: endSeq, fromMs: endMs, toMs },
        { fromSeq: endSeq, toSeq, fromMs, toMs },
      ]),
    );
  }
  if (selects.length === 0) return;
  await readFew(connection, selects.join(" UNION ALL "), (chunk) => onParts(partsOf(chunk, types)));
}

/** The widest range of whole steps within a range; null = there is none. */
function within(from: number, to: number, step: number): [from: number, to: number] | null {
  const first = Math.ceil(from / step) * step, end = Math.floor(to / step) * step;
  return first < end ? [first, end] : null;
}

/** What gives each row as a part of its own; nothing for bounds without rows. */
function rowPartsSql(
  userHash: readonly [low: number, high: number],
  bounds: readonly RowBounds[],
  types: TypeNames,
): string[] {
  const { isTransaction, revenue } = transactionSql(types);
  return bounds.flatMap(({ fromSeq, toSeq, fromMs, toMs }) => {
    if (fromSeq >= toSeq || fromMs >= toMs) return [];
    return `SELECT session_hash, seq, seq, timestamp, timestamp, series_id, series_id, 1::INTEGER,
        ${isTransaction}::INTEGER, (${revenue})::DOUBLE, session_id
      FROM events WHERE user_hash = ${pairText(...userHash)}
        AND timestamp >= ${timestampText(fromMs)} AND timestamp < ${timestampText(toMs)}
        AND seq >= ${integer(fromSeq)} AND seq < ${integer(toSeq)}`;
  });
}

function partsOf(chunk: ChunkReader, types: TypeNames): SessionPartChunk {
  return {
    count: chunk.count,
    sessionHash: chunk.pairs(0),
    minSeq: chunk.int64(1),
    maxSeq: chunk.int64(2),
    firstMs: chunk.int64(3),
    lastMs: chunk.int64(4),
    firstSeries: chunk.int32(5),
    lastSeries: chunk.int32(6),
    events: chunk.int32(7),
    transactions: chunk.int32(8),
    revenue: chunk.float64(9),
    sessionId: chunk.textReader(10),
    types,
  };
}

/** By places of rows: the session id that the client gave with them; null = none. */
export async function readSessionIds(
  connection: Connection,
  { userHash, seqs }: SessionIdsQuery,
  kept: KeptParts,
): Promise<Map<number, string | null>> {
  const user = pairText(...userHash);
  const missing = new Set(seqs), ids = new Map<number, string | null>();
  const note = (chunk: ChunkReader) => {
    const places = chunk.int64(0), textOf = chunk.textReader(1);
    places.forEach((seq, row) => {
      if (missing.delete(seq)) ids.set(seq, textOf(row));
    });
  };
  const span = spanOf(seqs.filter((seq) => seq < kept.nextSeq));
  if (span !== null) {
    const sql =
      `SELECT min_seq, session_id FROM ${SESSIONS_CATALOG}.session_parts WHERE user_hash = ${user}
      AND min_seq >= ${integer(span.fromSeq)} AND min_seq < ${integer(span.toSeq)}`;
    await readFew(connection, sql, note);
  }
  const select = `SELECT seq, session_id FROM events WHERE user_hash = ${user}`;
  const ranges = joinRanges([...missing].map((seq) => ({ fromSeq: seq, toSeq: seq + 1 })));
  await readRanges(connection, select, [], ranges, "", note);
  return ids;
}

function spanOf(seqs: readonly number[]): SeqRange | null {
  if (seqs.length === 0) return null;
  let from = Infinity, to = -Infinity;
  for (const seq of seqs) {
    from = Math.min(from, seq);
    to = Math.max(to, seq);
  }
  return { fromSeq: from, toSeq: to + 1 };
}

/** The first users whose ids begin with a prefix and come after another id, by their bytes. */
export async function readUsers(
  connection: Connection,
  { prefix, after, limit }: UserSearch,
  types: TypeNames,
): Promise<FoundUser[]> {
  const where = [ofSeries(types)];
  const values: Value[] = [];
  if (prefix !== "") {
    where.push("starts_with(user_id, ?)");
    values.push(textValue(prefix));
  }
  if (after !== null) {
    where.push("user_id > ?");
    values.push(textValue(after));
  }
  // To group by the hash takes half as long as by the text, and holds none of the texts twice.
  const sql = `SELECT first(user_id) AS id, count(*), min(timestamp), max(timestamp) FROM events
    WHERE ${where.join(" AND ")} GROUP BY user_hash ORDER BY id LIMIT ${integer(limit)}`;
  const found: FoundUser[] = [];
  await readStream(connection, sql, values, (chunk) => {
    const users = chunk.strings(0), events = chunk.int64(1);
    const firstSeenMs = chunk.int64(2), lastSeenMs = chunk.int64(3);
    users.forEach((userId, i) => {
      found.push({
        userId: userId!,
        events: events[i],
        firstSeenMs: firstSeenMs[i],
        lastSeenMs: lastSeenMs[i],
      });
    });
  });
  return found;
}

/**
 * Runs a SELECT, which ends in its conditions, over ranges of rows. A union of them is faster than
 * one condition with OR, which would be worked out for each row.
 */
async function readRanges(
  connection: Connection,
  select: string,
  values: readonly Value[],
  ranges: readonly SeqRange[],
  order: string,
  onChunk: (chunk: ChunkReader) => void,
): Promise<void> {
  if (ranges.length === 0) return;
  const parts = ranges.map(({ fromSeq, toSeq }) => (
    `${select} AND seq >= ${integer(fromSeq)} AND seq < ${integer(toSeq)}`
  ));
  const sql = parts.join(" UNION ALL ");
  if (values.length === 0 && order === "") await readFew(connection, sql, onChunk);
  else await readStream(connection, `${sql} ${order}`, ranges.flatMap(() => values), onChunk);
}

function storedEvents(
  chunk: ChunkReader,
  { userId, sessionIdOf }: UserEventsQuery,
  typeOf: TypeNames,
): StoredEvent[] {
  const seq = chunk.int64(0), ids = chunk.strings(1);
  const series = chunk.int32(2), category = chunk.uint8(3), timestampMs = chunk.int64(4);
  const receivedAtMs = chunk.int64(5), hashes = chunk.pairs(6);
  const sources = chunk.strings(7), properties = chunk.strings(8), amounts = chunk.float64(9);
  const sessions = sessionIdOf === undefined ? chunk.strings(10) : null;
  return Array.from({ length: chunk.count }, (_, i) => {
    const sessionHash = [hashes[2 * i], hashes[2 * i + 1]] as const;
    const sessionId = sessions === null ? sessionIdOf!(sessionHash) : sessions[i];
    return {
      seq: seq[i],
      id: ids[i]!,
      userId,
      type: typeOf.get(series[i])!,
      category: category[i],
      timestampMs: timestampMs[i],
      receivedAtMs: receivedAtMs[i],
      sessionId: sessionId ?? derivedSessionId(...sessionHash),
      sessionHash,
      source: sources[i],
      properties: properties[i] ?? "{}",
      amount: Number.isNaN(amounts[i]) ? null : amounts[i],
    };
  });
}
