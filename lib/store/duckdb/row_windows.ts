/**
 * Windows of rows (lib/store/row_window.ts) as lines of text, made by DuckDB itself, and as Parquet
 * files. Measured on 1 M events of 270 bytes, one core: 2.6 s as lines in windows of 4,096 rows, 1.6 s
 * as Parquet in windows of 30,720.
 *
 * What a window holds in memory is bounded: it ends early where properties are so long that they are
 * kept as parts (long_properties.ts).
 */
import { EXPORT_BLOCK_BYTES, WINDOW_LONG_BYTES_MAX } from "../../config/export_limits.ts";
import { CATEGORY_NAMES } from "../../event/event.ts";
import type { EventColumn, RowField } from "../../query/event_columns.ts";
import type {
  CopiedRows,
  CopyWindow,
  LineForm,
  LineWindow,
  RowLines,
  RowWindow,
} from "../row_window.ts";
import { isOutOfMemory } from "./duckdb_error.ts";
import { sizeOf } from "./duckdb_file.ts";
import { needsProperties } from "./event_source.ts";
import { filterSql, readTypeNames } from "./filter_sql.ts";
import type { Connection, Value } from "./native.ts";
import { OF_JSON } from "./property_sql.ts";
import { readStream, textValue } from "./read_stream.ts";
import { rangeSql } from "./row_scan.ts";
import { PART_BYTES_MAX } from "./schema.ts";

/** A window of so few rows is not made smaller when it does not fit into memory. */
const COPY_ROWS_LEAST = 256;

const CATEGORY = `CASE category ${
  CATEGORY_NAMES.map((name, number) => `WHEN ${number} THEN '${name}'`).join(" ")
} END`;

/** Each column as a value of its type (column_types.ts). */
const FIELD_SQL: Readonly<Record<EventColumn, string>> = {
  id: "id",
  user_id: "user_id",
  session_id: "coalesce(session_id, format('{:016x}', session_hash))",
  type: "type_name",
  category: CATEGORY,
  timestamp: "timestamp::TIMESTAMP",
  received_at: "received_at::TIMESTAMP",
  source: "source",
  amount: "amount",
  properties: "coalesce(properties, '{}')::JSON",
};

/** From here on a number of ms is not taken for seconds (TIMESTAMP_SECONDS_BELOW). */
const MS_FROM = 100_000_000_000;

const RFC_3339 = "'%Y-%m-%dT%H:%M:%S.%gZ'";

/** An event as `POST /events/batch` takes it, properties last. */
const NDJSON_LINE = `concat(
  '{"id":', to_json(id), ',"user_id":', to_json(user_id), ',"event_type":', to_json(type_name),
  ',"category":"', ${CATEGORY}, '","timestamp":', CASE WHEN epoch_ms(timestamp) >= ${MS_FROM}
    THEN epoch_ms(timestamp)::VARCHAR ELSE '"' || strftime(timestamp, ${RFC_3339}) || '"' END,
  ',"session_id":', to_json(${FIELD_SQL.session_id}),
  CASE WHEN source IS NULL THEN '' ELSE concat(',"source":', to_json(source)) END,
  CASE WHEN amount IS NULL THEN '' ELSE concat(',"amount":', amount::VARCHAR) END,
  ',"properties":', coalesce(properties, '{}'), '}', chr(10))`;

/** Where the rows of a partition end: every committed row has a smaller number. */
export async function readRowsEnd(connection: Connection): Promise<number> {
  let end = 0;
  await readStream(connection, "SELECT next_seq FROM state", [], (chunk) => [end] = chunk.int64(0));
  return end;
}

/** The rows of a window as lines. */
export async function readLines(connection: Connection, window: LineWindow): Promise<RowLines> {
  const { form, columns } = window;
  const line = form === "ndjson" ? NDJSON_LINE : csvLine(columns);
  const bound: Value[] = [];
  const selection = await select(
    connection,
    window,
    `seq, ${line}`,
    needsText(form, window),
    bound,
  );
  const lines: Uint8Array[] = [];
  let bytes = 0, { toSeq: nextSeq } = selection;
  let isFull = false;
  // Without order the smaller side of the join would decide.
  await readStream(connection, `${selection.sql} ORDER BY seq`, bound, (chunk) => {
    if (isFull) return;
    const seqs = chunk.int64(0), texts = chunk.blobs(1);
    for (let i = 0; i < chunk.count; i++) {
      const text = texts[i]!;
      isFull = bytes > 0 && bytes + text.length > EXPORT_BLOCK_BYTES;
      if (isFull) {
        nextSeq = seqs[i];
        return;
      }
      bytes += text.length;
      lines.push(text);
    }
  });
  return { bytes: joined(lines, bytes), rows: lines.length, nextSeq };
}

/** Copies the rows of a window into a Parquet file. */
export async function copyRows(connection: Connection, copy: CopyWindow): Promise<CopiedRows> {
  const { columns, path, compression, ordered, keepsEmpty } = copy;
  const bound: Value[] = [];
  const values = columns.map((field) => `${valueSql(field)} AS ${quoted(field.as)}`);
  // Parquet has no file without columns: a count needs one.
  const list = values.length === 0 ? "true AS counted" : values.join();
  const selection = await select(connection, copy, list, needsText("csv", copy), bound);
  let rows = 0;
  const sql = `COPY (${selection.sql} ${ordered ? "ORDER BY seq" : ""}) TO '${
    path.replaceAll("'", "''")
  }'
    (FORMAT parquet, COMPRESSION ${compression})`;
  await readStream(connection, sql, bound, (chunk) => [rows] = chunk.int64(0));
  const { toSeq: nextSeq } = selection;
  if (rows > 0 || keepsEmpty) return { rows, bytes: sizeOf(path), nextSeq };
  Deno.removeSync(path);
  return { rows, bytes: 0, nextSeq };
}

interface Selection {
  readonly sql: string;
  readonly toSeq: number;
}

/** The rows of a window, in any order. */
async function select(
  connection: Connection,
  window: RowWindow,
  list: string,
  needsLong: boolean,
  bound: Value[],
): Promise<Selection> {
  const types = await readTypeNames(connection, window.project);
  const long = needsLong ? await longRows(connection, window) : { toSeq: window.toSeq, any: false };
  const seqs = `seq >= ${BigInt(window.fromSeq)} AND seq < ${BigInt(long.toSeq)}`;
  const range = rangeSql(window, types, bound);
  const filter = filterSql(window.filter, types);
  bound.push(...filter.values, textValue(window.project));
  const sql = `SELECT ${list} FROM
      (SELECT * FROM ${long.any ? wholeEvents(seqs) : "events"}
        WHERE ${seqs} AND ${range} AND ${filter.sql})
    JOIN (SELECT id AS type_id, type AS type_name FROM series
      WHERE project = ? AND type IS NOT NULL) ON type_id = series_id`;
  return { sql, toSeq: long.toSeq };
}

/** Whether any properties of a window are kept as parts, and where it ends when they are many. */
async function longRows(
  connection: Connection,
  { fromSeq, toSeq }: RowWindow,
): Promise<{ toSeq: number; any: boolean }> {
  const partsMax = Math.ceil(WINDOW_LONG_BYTES_MAX / PART_BYTES_MAX);
  const where = `seq >= ${BigInt(fromSeq)} AND seq < ${BigInt(toSeq)}`;
  let parts = 0, end = toSeq;
  const countSql = `SELECT count(*) FROM long_properties WHERE ${where}`;
  await readStream(connection, countSql, [], (chunk) => [parts] = chunk.int64(0));
  if (parts > partsMax) {
    const endSql = `SELECT seq FROM long_properties WHERE ${where}
      ORDER BY seq LIMIT 1 OFFSET ${partsMax}`;
    await readStream(connection, endSql, [], (chunk) => [end] = chunk.int64(0));
  }
  return { toSeq: Math.max(end, fromSeq + 1), any: parts > 0 };
}

/** The table `events` with the long properties of a window whole. */
function wholeEvents(seqs: string): string {
  return `(SELECT events.* REPLACE (CASE WHEN events.properties = '' THEN long.text
      ELSE events.properties END AS properties)
    FROM events LEFT JOIN (SELECT seq, string_agg(text, '' ORDER BY part) AS text
      FROM long_properties WHERE ${seqs} GROUP BY seq) long USING (seq))`;
}

/** Whether the properties are looked at. */
function needsText(form: LineForm, window: RowWindow & { columns: readonly RowField[] }): boolean {
  return form === "ndjson" || needsProperties(window.filter) ||
    window.columns.some((field) => field.kind === "property" || field.name === "properties");
}

function csvLine(columns: readonly RowField[]): string {
  return `concat(${columns.map(csvCell).join(", ',', ")}, chr(13), chr(10))`;
}

/** A cell: texts in quotes, so that an empty one is no missing one; nothing is missing. */
function csvCell(field: RowField): string {
  const value = valueSql(field);
  if (field.kind === "field") {
    if (field.name === "amount") return "amount::VARCHAR";
    if (field.name === "timestamp" || field.name === "received_at") {
      return `strftime(${field.name}, ${RFC_3339})`;
    }
  }
  return `'"' || replace(${value}::VARCHAR, '"', '""') || '"'`;
}

function valueSql(field: RowField): string {
  return field.kind === "field" ? FIELD_SQL[field.name] : OF_JSON.text(field.key);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Copies a window, or as many of its first rows as fit into memory: rows may be unusually long. */
export async function copyWhatFits(
  window: CopyWindow,
  copy: (window: CopyWindow) => Promise<CopiedRows>,
): Promise<CopiedRows> {
  for (let { toSeq } = window;; toSeq = Math.ceil((window.fromSeq + toSeq) / 2)) {
    try {
      return await copy({ ...window, toSeq });
    } catch (error) {
      if (!isOutOfMemory(error) || toSeq - window.fromSeq < COPY_ROWS_LEAST) throw error;
    }
  }
}
