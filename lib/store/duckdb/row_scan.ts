/** Scans of rows: filters, masks and the columns named, streamed chunk by chunk. */

import { CATEGORY_NAMES } from "../../event/event.ts";
import type { Filter, Subject } from "../../query/filter/filter.ts";
import { propertyKeys } from "../../query/filter/filter.ts";
import { StoreError } from "../event_store.ts";
import type { KeyQuery, RowColumn, RowScan, ScannedRows } from "../event_store.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import {
  type BoundSql,
  eventsWithProperties,
  filterSql,
  ofSeries,
  propertyJson,
  propertyText,
  readTypeNames,
  subjectText,
  timeValue,
  type TypeNames,
} from "./filter_sql.ts";
import type { Connection, Value } from "./native.ts";
import { readStream } from "./read_stream.ts";

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
  const types = await readTypeNames(connection, scan.project);
  if (types.size === 0) return;
  const { columns, matches, values } = scan;
  const selected: string[] = ["series_id", ...columns.map((column) => COLUMN_SQL[column])];
  const bound: Value[] = [];
  const masks = matches.map((filter) => filterSql(filter, types));
  if (masks.length > 0) selected.push(maskSql(masks, bound));
  selected.push(...values.map((subject) => scannedValueSql(subject, scan.valuesOf, types, bound)));
  const where = [rangeSql(scan, types, bound), ...onlySql(scan, masks, types, bound)];
  const sql = `SELECT ${selected.join()} FROM ${await tableOf(connection, scan)}
    WHERE ${where.join(" AND ")}`;
  await readStream(connection, sql, bound, (chunk) => onRows(readRows(chunk, scan, types)));
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
): string {
  bound.push(timeValue(range.fromMs), timeValue(range.toMs));
  return `timestamp >= ? AND timestamp < ? AND ${ofSeries(types)}`;
}

function tableOf(connection: Connection, scan: RowScan): Promise<string> | string {
  const filters = [scan.filter, ...scan.matches, scan.valuesOf ?? null];
  const needsProperties = filters.some((filter) => propertyKeys(filter).size > 0) ||
    scan.values.some((subject) => subject.kind === "property");
  return needsProperties ? eventsWithProperties(connection) : "events";
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

function scannedValueSql(
  subject: Subject,
  valuesOf: Filter | undefined,
  types: TypeNames,
  bound: Value[],
): string {
  if (subject.kind !== "property" || valuesOf === undefined) return valueSql(subject);
  const { sql, values } = filterSql(valuesOf, types);
  bound.push(...values);
  return `CASE WHEN ${sql} THEN ${valueSql(subject)} END`;
}

/** The column of a subject's value, as `readTexts` or a TextDictionary reads it. */
export function valueSql(subject: Subject): string {
  if (subject.kind === "property") return `${propertyJson(subject.key)}::VARCHAR`;
  switch (subject.name) {
    case "type":
      return "series_id";
    case "category":
      return "category";
    case "timestamp":
    case "received_at":
      return subject.name;
    case "amount":
      return "amount";
    default:
      return subjectText(subject);
  }
}

function readRows(chunk: ChunkReader, scan: RowScan, types: TypeNames): ScannedRows {
  const { columns, matches, values } = scan;
  const at = (column: RowColumn) => 1 + columns.indexOf(column);
  const has = (column: RowColumn) => columns.includes(column);
  const first = 1 + columns.length + (matches.length > 0 ? 1 : 0);
  return {
    count: chunk.count,
    types,
    series: chunk.int32(0),
    seq: has("seq") ? chunk.int64(at("seq")) : null,
    userHash: has("user_hash") ? chunk.pairs(at("user_hash")) : null,
    sessionHash: has("session_hash") ? chunk.pairs(at("session_hash")) : null,
    timestampMs: has("timestamp") ? chunk.int64(at("timestamp")) : null,
    amount: has("amount") ? chunk.float64(at("amount")) : null,
    match: matches.length > 0 ? chunk.int32(1 + columns.length) : null,
    values: values.map((subject, i) => readTexts(chunk, first + i, subject, types)),
  };
}

/** The text view of a subject, row by row. */
function readTexts(
  chunk: ChunkReader,
  column: number,
  subject: Subject,
  types: TypeNames,
): (string | null)[] {
  if (subject.kind === "property") return chunk.strings(column).map(textOfJson);
  switch (subject.name) {
    case "type":
      return Array.from(chunk.int32(column), (id) => types.get(id)!);
    case "category":
      return Array.from(chunk.uint8(column), (number) => CATEGORY_NAMES[number]);
    case "timestamp":
    case "received_at":
      return Array.from(chunk.int64(column), String);
    case "amount":
      return Array.from(chunk.float64(column), (each) => Number.isNaN(each) ? null : String(each));
    default:
      return chunk.strings(column);
  }
}

/** The text view of a property from its JSON: numbers as JavaScript writes them. */
export function textOfJson(json: string | null): string | null {
  if (json === null || json === "null") return null;
  if (json.startsWith('"')) return JSON.parse(json);
  return json === "true" || json === "false" ? json : String(Number(json));
}
