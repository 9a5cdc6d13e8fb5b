/**
 * Answers as CSV beside JSON: which of them a request wants, and the answer made of rows. What an
 * answer says of itself beside its rows (how far it is complete) goes into headers, since CSV has no
 * place for it:
 *
 *     rta-complete-until, rta-complete, rta-missing-partitions, rta-time-range
 */

import type { Context } from "hono";
import { csvRow } from "../../lib/csv/csv_row.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import type { QualityJson, SeriesJson, SummaryJson, TimeRangeJson } from "./answer_json.ts";

export const CSV_CONTENT_TYPE = "text/csv; charset=utf-8; header=present";

export type AnswerFormat = "json" | "csv";

const JSON_TYPES = new Set(["application/json", "application/*", "*/*"]);

/** What a request wants: by its parameter `format`, else by its header `accept`; JSON if by neither. */
export function answerFormat(context: Context, format: string | null): AnswerFormat {
  if (format === "json" || format === "csv") return format;
  if (format !== null) throw invalidParameter("format", "format must be json or csv");
  return wantsCsv(context.req.header("accept") ?? "") ? "csv" : "json";
}

/** Whether a header `accept` (RFC 9110, 12.5.1) prefers text/csv to JSON. */
export function wantsCsv(accept: string): boolean {
  let csv = 0, json = 0;
  for (const range of accept.split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = q === undefined ? 1 : Number(q.slice(2)) || 0;
    if (type === "text/csv") csv = Math.max(csv, weight);
    else if (JSON_TYPES.has(type)) json = Math.max(json, weight);
  }
  return csv > 0 && csv >= json;
}

/** Cells of one row; null is an empty cell. */
export type CsvCells = readonly (string | number | boolean | null)[];

/** An answer as CSV: a header, then rows. */
export function csvAnswer(
  header: readonly string[],
  rows: Iterable<CsvCells>,
  headers: Record<string, string>,
): Response {
  let text = csvRow(header);
  for (const row of rows) text += csvRow(row.map((cell) => cell === null ? "" : String(cell)));
  return new Response(text, { headers: { ...headers, "content-type": CSV_CONTENT_TYPE } });
}

/** What an answer says of itself, as headers. */
export function qualityHeaders(
  quality: Omit<QualityJson, "accuracy">,
  range: TimeRangeJson | null,
): Record<string, string> {
  const { complete_until: until, complete, missing_partitions: missing } = quality;
  return {
    "rta-complete-until": until,
    "rta-complete": String(complete),
    ...(missing === undefined ? {} : { "rta-missing-partitions": missing.join(",") }),
    ...(range === null ? {} : { "rta-time-range": `${range.start}/${range.end}` }),
  };
}

/** A summary, one number a row: its name, of what, its value and what else is known of it. */
export function summaryCsv(answer: SummaryJson): Response {
  const rows: CsvCells[] = [
    ["total_events", null, answer.total_events, null, null],
    ["unique_users", null, answer.unique_users, null, null],
    ["sessions", null, answer.sessions, null, null],
    ...Object.entries(answer.events_by_type).map(([type, events]): CsvCells => {
      return ["events_by_type", type, events, null, null];
    }),
    ...answer.top_metrics.map(({ name, value, unit, change_percentage: change }): CsvCells => {
      return ["top_metrics", name, value, unit, change];
    }),
  ];
  const header = ["field", "name", "value", "unit", "change_percentage"];
  return csvAnswer(header, rows, qualityHeaders(answer, answer.metadata.time_range));
}

/** A series, one point a row: its time, its labels, its value. */
export function seriesCsv(answer: SeriesJson): Response {
  const labels = [...new Set(answer.series.flatMap((point) => Object.keys(point.labels)))];
  const rows = answer.series.map((point): CsvCells => [
    point.timestamp,
    ...labels.map((label) => point.labels[label] ?? null),
    point.value,
  ]);
  const header = ["timestamp", ...labels, "value"];
  return csvAnswer(header, rows, qualityHeaders(answer, answer.metadata.time_range));
}
