/** Scans of rows: filters, masks and the columns named, streamed chunk by chunk. */

import { StoreError } from "../event_store.ts";
import type { KeyQuery, RowColumn, RowLabel, RowScan, ScannedRows } from "../event_store.ts";
import { readChunksInPlace } from "./chunks_in_place.ts";
import {
  aroundSeries,
  type BoundSql,
  eventsWithProperties,
  filterSql,
  needsProperties,
  ofSeries,
  propertyText,
  readTypeNames,
  timeValue,
  type TypeNames,
} from "./filter_sql.ts";
import type { Connection, Value } from "./native.ts";
import { readStream } from "./read_stream.ts";
import { picksRows, RowReader } from "./row_reader.ts";
import { valueSql } from "./subject_texts.ts";
import { masksByType, typesWithBits } from "./type_masks.ts";

/** The table by itself. */
const EVENTS = "events";

const COLUMN_SQL: Readonly<Record<RowColumn, string>> = {
  seq: "seq",
  user_hash: "user_hash",
  session_hash: "session_hash",
  timestamp: "timestamp",
  amount: "amount",
};

/** Calls `onRows` for each chunk of the rows that the scan names. */
export async function scanRows(
  connection: Connection,
  scan: RowScan,
  onRows: (rows: ScannedRows) => void,
): Promise<void> {
  const all = await readTypeNames(connection, scan.project);
  const bits = masksByType(scan.matches, all);
  const types = bits === null || scan.keepsUnmatched ? all : typesWithBits(bits, all);
  if (types.size === 0) return;
  const picks = bits !== null && picksRows(scan);
  const bound: Value[] = [];
  const selected = ["series_id", ...scan.columns.map((column) => COLUMN_SQL[column])];
  const masks = bits === null ? scan.matches.map((filter) => filterSql(filter, types)) : [];
  if (masks.length > 0) selected.push(maskSql(masks, bound));
  if (scan.checksOrder) selected.push("seq");
  selected.push(...scan.values.map(valueSql));
  if (scan.label !== undefined) selected.push(labelSql(scan.label, types, bound));
  const where = [
    rangeSql(scan, types, bound, picks ? aroundSeries(types) : undefined),
    ...onlySql(scan, masks, types, bound),
  ];
  const table = await tableOf(connection, scan);
  const rest = `FROM ${table} WHERE ${where.join(" AND ")}`;
  const reader = new RowReader(scan, { bits, picks, types: all, isJoined: table !== EVENTS });
  const sql = { columns: selected, rest, values: bound };
  await readChunksInPlace(connection, sql, (chunk) => onRows(reader.read(chunk)));
}

/** Of `keys`, those that a property of any event in the range has. */
export async function readKnownKeys(connection: Connection, query: KeyQuery): Promise<string[]> {
  const types = await readTypeNames(connection, query.project);
  const known: string[] = [];
  if (types.size === 0 || query.keys.length === 0) return known;
  const table = await eventsWithProperties(connection);
  for (const key of query.keys) {
    const bound: Value[] = [];
    const where = rangeSql(query, types, bound);
    const sql = `SELECT 1::UTINYINT FROM ${table}
      WHERE ${where} AND ${propertyText(key)} IS NOT NULL LIMIT 1`;
    await readStream(connection, sql, bound, () => known.push(key));
  }
  return known;
}

/** User ids of the rows with these numbers, in their order. Throws when one is not there. */
export async function readUserIds(
  connection: Connection,
  seqs: readonly number[],
): Promise<string[]> {
  const ids = new Map<number, string>();
  if (seqs.length === 0) return [];
  const sql = `SELECT seq, user_id FROM events WHERE seq IN (${seqs.map(Math.trunc).join()})`;
  await readStream(connection, sql, [], (chunk) => {
    const found = chunk.int64(0);
    chunk.strings(1).forEach((id, i) => ids.set(found[i], id!));
  });
  return seqs.map((seq) => {
    const id = ids.get(seq);
    if (id === undefined) throw new StoreError("RTA_STORE_CORRUPT", `row ${seq} is missing`);
    return id;
  });
}

/** Rows of a project in [fromMs, toMs). */
export function rangeSql(
  range: { readonly fromMs: number; readonly toMs: number },
  types: TypeNames,
  bound: Value[],
  series = ofSeries(types),
): string {
  bound.push(timeValue(range.fromMs), timeValue(range.toMs));
  return `timestamp >= ? AND timestamp < ? AND ${series}`;
}

function tableOf(connection: Connection, scan: RowScan): Promise<string> | string {
  const filters = [scan.filter, ...scan.matches, scan.label?.of ?? null];
  const subjects = [...scan.values, ...scan.label === undefined ? [] : [scan.label.subject]];
  const isNeeded = filters.some(needsProperties) ||
    subjects.some((subject) => subject.kind === "property");
  return isNeeded ? eventsWithProperties(connection) : EVENTS;
}

/** Bit i is set where filter i matches. */
function maskSql(masks: readonly BoundSql[], bound: Value[]): string {
  const bits = masks.map(({ sql, values }, bit) => {
    bound.push(...values);
    return `CASE WHEN ${sql} THEN ${2 ** bit} ELSE 0 END`;
  });
  return `(${bits.join(" + ")})::INTEGER`;
}

/** What else a row must be: of the filter, of any mask, of the users asked for. */
function onlySql(
  scan: RowScan,
  masks: readonly BoundSql[],
  types: TypeNames,
  bound: Value[],
): string[] {
  const only: string[] = [];
  if (scan.filter !== null) {
    const { sql, values } = filterSql(scan.filter, types);
    bound.push(...values);
    only.push(sql);
  }
  if (masks.length > 0 && !scan.keepsUnmatched) {
    only.push(`(${masks.map(({ sql }) => sql).join(" OR ")})`);
    for (const { values } of masks) bound.push(...values);
  }
  if (scan.userPart !== null) {
    const { index, of } = scan.userPart;
    only.push(`user_hash % ${Math.trunc(of)} = ${Math.trunc(index)}`);
  }
  return only;
}

/** The value that labels rows, of those only that the label is for. */
function labelSql({ subject, of }: RowLabel, types: TypeNames, bound: Value[]): string {
  const value = valueSql(subject);
  // Other columns cost nothing to read.
  if (subject.kind !== "property") return value;
  const { sql, values } = filterSql(of, types);
  bound.push(...values);
  return `CASE WHEN ${sql} THEN ${value} END`;
}
