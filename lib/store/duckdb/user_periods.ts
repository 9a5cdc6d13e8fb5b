/**
 * In which periods users were active, aggregated by DuckDB: a row of 16 bytes for each user comes
 * out, whatever the number of events.
 *
 * The aggregate of all users at once is a hash table of some 60 bytes a user. Where there are more
 * users than USER_SLICE_USERS_MAX, they are read in slices by the remainder of their hash.
 */

import { USER_PERIODS_MAX, USER_SLICE_USERS_MAX } from "../../config/limits.ts";
import type { Filter } from "../../query/filter/filter.ts";
import type { UserPeriods, UserPeriodsQuery } from "../event_store.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import { type ColumnKeeper, eventSource, keysOf } from "./event_source.ts";
import { filterSql, ofSeries, readTypeNames, timeValue, type TypeNames } from "./filter_sql.ts";
import type { Connection, Value } from "./native.ts";
import type { PropertySql } from "./property_sql.ts";
import { readStream, textValue } from "./read_stream.ts";

/** How many times as many users there may be as the statistics say (measured: 1.5 times). */
const STATISTICS_OFF = 4;

/** One in so many hashes is counted to estimate how many users there are. */
const SAMPLED_OF = 64n;

/** A user's hash is taken to be below this in the sample. */
const SAMPLE_HASH_END = 2n ** 64n / SAMPLED_OF;

type Since = NonNullable<UserPeriodsQuery["since"]>;

/** Where a statement reads from, and what is bound to it. */
interface Place {
  readonly types: TypeNames;
  /** Whether the partition has rows of other projects. */
  readonly isShared: boolean;
  readonly table: string;
  readonly properties: PropertySql;
  /** The condition of the users' slice. */
  readonly part: string;
  readonly bound: Value[];
}

/** Keys of the properties that a query reads. */
export function periodKeys({ filter, since }: UserPeriodsQuery): Set<string> {
  return keysOf([filter, since?.filter ?? null], []);
}

/** Calls `onUsers` for each chunk of users. */
export async function readUserPeriods(
  connection: Connection,
  query: UserPeriodsQuery,
  columns: ColumnKeeper,
  onUsers: (users: UserPeriods) => void,
): Promise<void> {
  const periods = query.boundsMs.length - 1;
  if (periods > USER_PERIODS_MAX) throw new RangeError(`at most ${USER_PERIODS_MAX} periods`);
  const types = await readTypeNames(connection, query.project);
  if (types.size === 0 || periods < 1) return;
  const needs = { keys: periodKeys(query), ...rangeOf(query) };
  const { table, properties } = await eventSource(connection, needs, columns);
  const isShared = await hasOthers(connection, query.project);
  const whole = { types, isShared, table, properties, part: "true" };
  const slices = await sliceCount(connection, query, whole);
  for (let slice = 0; slice < slices; slice++) {
    const part = slices === 1 ? "true" : `user_hash % ${slices} = ${slice}`;
    const place: Place = { ...whole, part, bound: [] };
    const sql = query.since === null
      ? activeSql(query, place)
      : sinceSql(query, query.since, place);
    await readStream(connection, sql, place.bound, (chunk) => {
      onUsers(readUsers(chunk, query.since !== null));
    });
  }
}

/** Whether there are events of other projects; to tell them apart costs a third of the question. */
async function hasOthers(connection: Connection, project: string): Promise<boolean> {
  let others = false;
  const sql = "SELECT 1::UTINYINT FROM series WHERE project <> ? LIMIT 1";
  await readStream(connection, sql, [textValue(project)], () => others = true);
  return others;
}

/** How many slices keep each below USER_SLICE_USERS_MAX users, by a sample of them. */
async function sliceCount(
  connection: Connection,
  query: UserPeriodsQuery,
  whole: Omit<Place, "bound">,
): Promise<number> {
  if (await areSurelyFew(connection)) return 1;
  const place: Place = { ...whole, bound: [] };
  let sampled = 0;
  const sql = `SELECT count(DISTINCT user_hash)::DOUBLE FROM events
    WHERE user_hash < ${SAMPLE_HASH_END} AND ${rowsSql(rangeOf(query), null, place)}`;
  await readStream(connection, sql, place.bound, (chunk) => sampled = chunk.float64(0)[0]);
  return Math.max(1, Math.ceil(sampled * Number(SAMPLED_OF) / USER_SLICE_USERS_MAX));
}

/**
 * Whether DuckDB's own statistics rule out that slices are needed: a sample costs as much as a third
 * of the question. Their count of users is rough, and says nothing where there is none.
 */
async function areSurelyFew(connection: Connection): Promise<boolean> {
  let stats: string | null = null;
  const sql = "SELECT stats(user_hash) FROM events LIMIT 1";
  await readStream(connection, sql, [], (chunk) => [stats] = chunk.strings(0));
  const count = /Approx Unique: (\d+)/.exec(stats ?? "");
  return count !== null && Number(count[1]) * STATISTICS_OFF < USER_SLICE_USERS_MAX;
}

/** All that is looked at. */
function rangeOf({ boundsMs, since }: UserPeriodsQuery) {
  const fromMs = Math.min(boundsMs[0], since?.fromMs ?? boundsMs[0]);
  return { fromMs, toMs: boundsMs[boundsMs.length - 1] };
}

/** The condition of the rows to look at. */
function rowsSql(
  range: ReturnType<typeof rangeOf>,
  filter: Filter | null,
  { types, isShared, properties, part, bound }: Place,
): string {
  const { sql, values } = filterSql(filter, types, properties);
  bound.push(timeValue(range.fromMs), timeValue(range.toMs), ...values);
  const series = isShared ? ofSeries(types) : "true";
  return `timestamp >= ? AND timestamp < ? AND ${sql} AND ${part} AND ${series}`;
}

function activeSql(query: UserPeriodsQuery, place: Place): string {
  return `SELECT bit_or(${periodBit(query.boundsMs)}) FROM ${place.table}
    WHERE ${rowsSql(rangeOf(query), query.filter, place)} GROUP BY user_hash`;
}

/**
 * Where every first event makes its user active too, one pass tells all: what a user did before
 * that event can only lie in earlier periods, or in that of the event, where the user is active
 * anyhow. Otherwise activity is joined to the first events, and compared with them.
 */
function sinceSql(query: UserPeriodsQuery, since: Since, place: Place): string {
  const { boundsMs, filter } = query;
  const { types, table, properties, bound } = place;
  const [startMs, endMs] = [boundsMs[0], boundsMs[boundsMs.length - 1]];
  const isFirstInside = `first_at >= ${timeSql(startMs)}`;
  const anyInRange = filter === null && since.fromMs >= startMs;
  if (anyInRange || isSame(filter, since.filter)) {
    // Without a FILTER where all rows pass it: that would be half of the time.
    let first = "timestamp";
    if (!isSame(filter, since.filter)) {
      const { sql, values } = filterSql(since.filter, types, properties);
      bound.push(...values);
      first = `CASE WHEN ${sql} THEN timestamp END`;
    }
    const bit = since.fromMs >= startMs
      ? periodBit(boundsMs)
      : `CASE WHEN timestamp < ${timeSql(startMs)} THEN 0::UBIGINT ELSE ${periodBit(boundsMs)} END`;
    return `SELECT bit_or(${bit}), min(${first}) AS first_at FROM ${table}
      WHERE ${rowsSql(rangeOf(query), filter, place)}
      GROUP BY user_hash HAVING ${isFirstInside}`;
  }
  const firsts = rowsSql({ fromMs: since.fromMs, toMs: endMs }, since.filter, place);
  const active = rowsSql({ fromMs: startMs, toMs: endMs }, filter, place);
  return `WITH firsts AS MATERIALIZED (
      SELECT user_hash, min(timestamp) AS first_at FROM ${table} WHERE ${firsts}
      GROUP BY user_hash HAVING ${isFirstInside})
    SELECT coalesce(bit_or(bit), 0::UBIGINT), any_value(first_at) FROM firsts LEFT JOIN (
      SELECT user_hash, timestamp, ${periodBit(boundsMs)} AS bit FROM ${table}
      WHERE ${active}) active
    ON active.user_hash = firsts.user_hash AND timestamp >= first_at
    GROUP BY firsts.user_hash`;
}

/** Whether two filters are written alike. */
function isSame(a: Filter | null, b: Filter | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * The bit of the period that an event lies in: a binary search by CASE. Rows are nearly in order of
 * time, so all rows of a chunk mostly take the same branch, which costs DuckDB next to nothing.
 */
function periodBit(boundsMs: readonly number[]): string {
  const search = (from: number, to: number): string => {
    if (to - from === 1) return `${2n ** BigInt(from)}::UBIGINT`;
    const middle = (from + to) >> 1;
    const left = search(from, middle);
    return `CASE WHEN timestamp < ${timeSql(boundsMs[middle])} THEN ${left}
      ELSE ${search(middle, to)} END`;
  };
  return search(0, boundsMs.length - 1);
}

/** A time as a literal, which costs less to plan than a function of a number; takes ms. */
function timeSql(ms: number): string {
  return `TIMESTAMP_MS '${new Date(ms).toISOString().slice(0, -1).replace("T", " ")}'`;
}

function readUsers(chunk: ChunkReader, hasFirst: boolean): UserPeriods {
  return {
    count: chunk.count,
    active: chunk.pairs(0),
    firstMs: hasFirst ? chunk.int64(1) : null,
  };
}
