/** Scans of rows: filters, masks and the columns named, streamed chunk by chunk. */

import type { Filter } from "../../query/filter/filter.ts";
import { StoreError } from "../event_store.ts";
import type { KeyQuery, RowColumn, RowLabel, RowScan, ScannedRows } from "../event_store.ts";
import { fitsBlocks, scanBlocks } from "./block_scan.ts";
import { readChunksInPlace } from "./chunks_in_place.ts";
import type { EventBlocks } from "./event_blocks.ts";
import { type ColumnKeeper, eventSource, eventsWithProperties, keysOf } from "./event_source.ts";
import {
  aroundSeries,
  type BoundSql,
  filterSql,
  ofSeries,
  readTypeNames,
  timeValue,
  type TypeNames,
} from "./filter_sql.ts";
import type { Connection, Value } from "./native.ts";
import { OF_JSON, type PropertySql } from "./property_sql.ts";
import { integer, readStream } from "./read_stream.ts";
import { picksRows, RowReader } from "./row_reader.ts";
import { valueSql } from "./subject_texts.ts";
import { masksByType, typesWithBits } from "./type_masks.ts";

const COLUMN_SQL: Readonly<Record<RowColumn, string>> = {
  seq: "seq",
  user_hash: "user_hash",
  session_hash: "session_hash",
  timestamp: "timestamp",
  amount: "amount",
};

/** Keys of the properties that a scan reads. */
export function scannedKeys({ filter, matches, values, label }: RowScan): Set<string> {
  return keysOf([filter, ...matches, label?.of ?? null], [...values, label?.subject ?? null]);
}

/** What there is of rows in files beside them. */
export interface ScanSides {
  readonly columns: ColumnKeeper;
  readonly blocks: EventBlocks;
}

/** Calls `onRows` for each chunk of the rows that the scan names. */
export async function scanRows(
  connection: Connection,
  scan: RowScan,
  { columns, blocks }: ScanSides,
  onRows: (rows: ScannedRows) => void,
  signal: AbortSignal,
): Promise<void> {
  const all = await readTypeNames(connection, scan.project);
  const bits = masksByType(scan.matches, all);
  const types = bits === null || scan.keepsUnmatched ? all : typesWithBits(bits, all);
  if (types.size === 0) return;
  const picks = bits !== null && picksRows(scan);
  const fromSeq = bits !== null && fitsBlocks(scan)
    ? await scanBlocks(blocks, scan, { bits, types: all }, onRows, signal)
    : 0;
  const source = await eventSource(connection, { ...scan, keys: scannedKeys(scan) }, columns);
  const { table, properties, isJoined } = source;
  const bound: Value[] = [];
  const selected = ["series_id", ...scan.columns.map((column) => COLUMN_SQL[column])];
  const sqlOf = (filter: Filter | null) => filterSql(filter, types, properties);
  const masks = bits === null ? scan.matches.map(sqlOf) : [];
  if (masks.length > 0) selected.push(maskSql(masks, bound));
  if (scan.checksOrder) selected.push("seq");
  selected.push(...scan.values.map((subject) => valueSql(subject, properties)));
  if (scan.label !== undefined) selected.push(labelSql(scan.label, sqlOf, properties, bound));
  const where = [
    rangeSql(scan, types, bound, picks ? aroundSeries(types) : undefined),
    ...onlySql(scan, masks, sqlOf, bound),
    ...fromSeq === 0 ? [] : [`seq >= ${integer(fromSeq)}`],
  ];
  const rest = `FROM ${table} WHERE ${where.join(" AND ")}`;
  const reader = new RowReader(scan, { bits, picks, types: all, isJoined });
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
      WHERE ${where} AND ${OF_JSON.text(key)} IS NOT NULL LIMIT 1`;
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

type SqlOf = (filter: Filter | null) => BoundSql;

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
  sqlOf: SqlOf,
  bound: Value[],
): string[] {
  const only: string[] = [];
  if (scan.filter !== null) {
    const { sql, values } = sqlOf(scan.filter);
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
function labelSql(
  { subject, of }: RowLabel,
  sqlOf: SqlOf,
  properties: PropertySql,
  bound: Value[],
): string {
  const value = valueSql(subject, properties);
  // Other columns cost nothing to read.
  if (subject.kind !== "property") return value;
  const { sql, values } = sqlOf(of);
  bound.push(...values);
  return `CASE WHEN ${sql} THEN ${value} END`;
}
