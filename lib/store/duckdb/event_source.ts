/**
 * Where a scan reads its events from. Properties that have columns of their own are put beside the
 * rows by their places (a positional join, which only walks both tables); rows after the last run of
 * a column are read from JSON:
 *
 *     seq        0 ............ fromSeq ............ toSeq ...... endSeq ......
 *                not of the     events | property_0  not of the   events, JSON
 *                time asked for                      time
 *
 * Both sides of the join have the same rows in the same order, that of `seq`, with the same bounds;
 * those prune row groups, as no condition above a positional join does.
 */

import { type Filter, propertyKeys, type Subject } from "../../query/filter/filter.ts";
import type { Connection } from "./native.ts";
import { OF_JSON, ofColumns, type PropertySql } from "./property_sql.ts";
import { integer, readStream } from "./read_stream.ts";

/** The table by itself. */
const EVENTS = "events";

/** A table to read from, and how its properties are read. */
export interface EventSource {
  readonly table: string;
  readonly properties: PropertySql;
  /** Whether rows come from more than the table itself. */
  readonly isJoined: boolean;
}

/** What is read: properties by these keys, of events in [fromMs, toMs). */
export interface SourceNeeds {
  readonly keys: ReadonlySet<string>;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Columns of all properties that a question needs. */
export interface KeptColumns {
  /** Names of their tables by key. */
  readonly tables: ReadonlyMap<string, string>;
  /** Rows [fromSeq, toSeq) are all those before `endSeq` that can be of the time asked for. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Rows from here on are in no run of some of them. */
  readonly endSeq: number;
}

/** Who knows which columns there are. */
export interface ColumnKeeper {
  /** null = one of the properties has none. */
  kept(needs: SourceNeeds): KeptColumns | null;
}

/** Whether properties have to be read for a filter. */
export function needsProperties(filter: Filter | null): boolean {
  return propertyKeys(filter).size > 0;
}

/** Keys of all properties that filters and subjects are about. */
export function keysOf(
  filters: readonly (Filter | null)[],
  subjects: readonly (Subject | null)[],
): Set<string> {
  const keys = new Set(filters.flatMap((filter) => [...propertyKeys(filter)]));
  for (const subject of subjects) if (subject?.kind === "property") keys.add(subject.key);
  return keys;
}

/** The source for what is read; columns are used where `keeper` has all of them. */
export async function eventSource(
  connection: Connection,
  needs: SourceNeeds,
  keeper: ColumnKeeper,
): Promise<EventSource> {
  if (needs.keys.size === 0) return { table: EVENTS, properties: OF_JSON, isJoined: false };
  const whole = await eventsWithProperties(connection);
  const kept = keeper.kept(needs);
  if (kept === null) return { table: whole, properties: OF_JSON, isJoined: whole !== EVENTS };
  const names = new Map([...needs.keys].map((key, i) => [key, `property_${i}`]));
  const properties = ofColumns((key) => names.get(key)!);
  return { table: besideColumns(whole, names, kept), properties, isJoined: true };
}

/**
 * The table to read events from when properties are read: `events`, with the long ones whole if
 * there are any.
 */
export async function eventsWithProperties(connection: Connection): Promise<string> {
  let hasLong = false;
  const sql = "SELECT 1::UTINYINT FROM long_properties LIMIT 1";
  await readStream(connection, sql, [], () => hasLong = true);
  if (!hasLong) return EVENTS;
  return `(SELECT events.* REPLACE (CASE WHEN events.properties = '' THEN long.text
      ELSE events.properties END AS properties)
    FROM events LEFT JOIN (SELECT seq, string_agg(text, '' ORDER BY part) AS text
      FROM long_properties GROUP BY seq) long USING (seq))`;
}

function besideColumns(
  whole: string,
  names: ReadonlyMap<string, string>,
  { tables, fromSeq, toSeq, endSeq }: KeptColumns,
): string {
  const bounds = `seq >= ${integer(fromSeq)} AND seq < ${integer(toSeq)}`;
  const columns = [...names].map(([key, name]) =>
    `POSITIONAL JOIN (SELECT json AS ${name} FROM ${tables.get(key)} WHERE ${bounds})`
  );
  const extracted = [...names].map(([key, name]) => `${OF_JSON.json(key)} AS ${name}`);
  return `(SELECT * FROM (SELECT * FROM ${EVENTS} WHERE ${bounds}) ${columns.join(" ")}
    UNION ALL SELECT *, ${extracted.join()} FROM ${whole} WHERE seq >= ${integer(endSeq)})`;
}
