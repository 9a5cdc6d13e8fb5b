/**
 * The reads of one user, and the search for users.
 *
 * A user is found by the 64-bit hash wherever it is known, which is how users are told apart in all
 * other numbers too: to compare the ids as well would unpack the texts of every block that is read
 * (measured on 1.2 M rows, a user with 330,000 of them: 118 ms against 18 ms).
 */

import type { StoredEvent, UserEventsQuery, UserRowsQuery } from "../event_store.ts";
import type { FoundUser, UserSearch } from "../../query/user/user_search.ts";
import { derivedSessionId } from "../../query/user/session_table.ts";
import type { UserRowChunk } from "../../query/user/user_row.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import {
  eventsWithProperties,
  filterSql,
  needsProperties,
  ofSeries,
  timeValue,
  type TypeNames,
} from "./filter_sql.ts";
import { readLongProperties } from "./long_properties.ts";
import type { Connection, Value } from "./native.ts";
import type { SeqRange } from "./user_blocks.ts";
import { integer, pairValue, readStream, textValue } from "./read_stream.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One page of a user's events in some ranges of rows, newest first. */
export async function readUserEvents(
  connection: Connection,
  query: UserEventsQuery,
  ranges: readonly SeqRange[],
  types: TypeNames,
): Promise<StoredEvent[]> {
  const { userHash, before, filter = null } = query;
  const where: string[] = [];
  const values: Value[] = [];
  if (userHash === undefined) {
    where.push("user_id = ?", ofSeries(types));
    values.push(textValue(query.userId));
  } else {
    where.push("user_hash = ?");
    values.push(pairValue(...userHash));
  }
  where.push("timestamp >= ? AND timestamp < ?");
  values.push(timeValue(query.fromMs), timeValue(query.toMs));
  if (before !== null) {
    where.push(`timestamp <= ? AND (timestamp < ? OR seq < ${integer(before.seq)})`);
    values.push(timeValue(before.timestampMs), timeValue(before.timestampMs));
  }
  if (filter !== null) {
    const { sql, values: bound } = filterSql(filter, types);
    where.push(sql);
    values.push(...bound);
  }
  const table = needsProperties(filter) ? await eventsWithProperties(connection) : "events";
  const select = `SELECT seq, id, series_id, category, timestamp, received_at, session_id,
      session_hash, source, properties, amount
    FROM ${table} WHERE ${where.join(" AND ")}`;
  // With neither a join nor a subquery, DuckDB goes through the row groups from the newest on and
  // stops early (measured on 4.7 M rows, a user with 236,000 of them: 2 ms against 530 ms). Ordering
  // costs as much as reading a few rows, though.
  const order = query.isNarrow
    ? ""
    : `ORDER BY timestamp DESC, seq DESC LIMIT ${integer(query.limit)}`;
  const events: Writable<StoredEvent>[] = [];
  await readRanges(connection, select, values, ranges, order, (chunk) => {
    events.push(...storedEvents(chunk, query.userId, types));
  });
  if (query.isNarrow) {
    events.sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq);
    events.splice(query.limit);
  }
  const long = events.filter((event) => event.properties === "");
  if (long.length > 0) {
    const texts = await readLongProperties(connection, long.map((event) => event.seq));
    for (const event of long) event.properties = texts.get(event.seq)!;
  }
  return events;
}

/** Calls `onRows` for the rows of one user in some ranges of rows, chunk by chunk. */
export async function readUserRows(
  connection: Connection,
  { userHash, fromMs, toMs }: UserRowsQuery,
  ranges: readonly SeqRange[],
  types: TypeNames,
  onRows: (rows: UserRowChunk) => void,
): Promise<void> {
  const select = `SELECT seq, series_id, category, timestamp, session_hash, session_id, amount
    FROM events WHERE user_hash = ? AND timestamp >= ? AND timestamp < ?`;
  const values = [pairValue(...userHash), timeValue(fromMs), timeValue(toMs)];
  await readRanges(connection, select, values, ranges, "", (chunk) => {
    onRows({
      count: chunk.count,
      seq: chunk.int64(0),
      series: chunk.int32(1),
      category: chunk.uint8(2),
      timestampMs: chunk.int64(3),
      sessionHash: chunk.pairs(4),
      sessionIdOf: chunk.textReader(5),
      amount: chunk.float64(6),
      types,
    });
  });
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
  const sql = `${parts.join(" UNION ALL ")} ${order}`;
  await readStream(connection, sql, ranges.flatMap(() => values), onChunk);
}

function storedEvents(chunk: ChunkReader, userId: string, typeOf: TypeNames): StoredEvent[] {
  const seq = chunk.int64(0), ids = chunk.strings(1);
  const series = chunk.int32(2), category = chunk.uint8(3), timestampMs = chunk.int64(4);
  const receivedAtMs = chunk.int64(5), sessions = chunk.strings(6), hashes = chunk.pairs(7);
  const sources = chunk.strings(8), properties = chunk.strings(9), amounts = chunk.float64(10);
  return Array.from({ length: chunk.count }, (_, i) => ({
    seq: seq[i],
    id: ids[i]!,
    userId,
    type: typeOf.get(series[i])!,
    category: category[i],
    timestampMs: timestampMs[i],
    receivedAtMs: receivedAtMs[i],
    sessionId: sessions[i] ?? derivedSessionId(hashes[2 * i], hashes[2 * i + 1]),
    source: sources[i],
    properties: properties[i] ?? "{}",
    amount: Number.isNaN(amounts[i]) ? null : amounts[i],
  }));
}
