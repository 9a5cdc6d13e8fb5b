/**
 * Answers as CSV beside JSON: which of them a request wants, and the answer made of rows. Which rows
 * those are of each kind of answer: csv_tables.ts. What an answer says of itself beside its rows
 * goes into headers, since CSV has no place for it:
 *
 *     rta-complete-until, rta-complete, rta-missing-partitions, rta-time-range
 *     rta-accuracy                                     {"FIELD":"exact", ...}, JSON in ASCII
 *     rta-notes                                        ["...", ...], JSON in ASCII
 *     rta-next-page-token, rta-next-sessions-page-token
 *
 * People open CSV in spreadsheets, which run texts that begin like a formula, and most texts of an
 * answer come from whoever may send events. So such a text has an apostrophe put before it, and so
 * has one that begins with an apostrophe: taking one off always gives the text back. Numbers and
 * times are as they are.
 */

import type { Context } from "hono";
import { CSV_NOTES_CHARS_MAX } from "../../lib/config/limits.ts";
import { csvCell } from "../../lib/csv/csv_row.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import type { QualityJson, TimeRangeJson } from "./answer_json.ts";

export const CSV_CONTENT_TYPE = "text/csv; charset=utf-8; header=present";

export type AnswerFormat = "json" | "csv";

const JSON_TYPES = new Set(["application/json", "application/*", "*/*"]);

/** What spreadsheets take for the start of a formula, in full width too, and the apostrophe itself. */
const FORMULA_START = /^[=+\-@\t\r\n＝＋－＠']/;

/** What a request wants: by its parameter `format`, else by its header `accept`; JSON if by neither. */
export function answerFormat(context: Context, format: string | null): AnswerFormat {
  if (format === "json" || format === "csv") return format;
  if (format !== null) throw invalidParameter("format", "format must be json or csv");
  return wantsCsv(context.req.header("accept") ?? "") ? "csv" : "json";
}

/** The same where the question is a body: `format` stands in the query string all the same. */
export function postedFormat(context: Context): AnswerFormat {
  const sent = new URL(context.req.url).searchParams.getAll("format").filter((each) => each !== "");
  if (sent.length > 1) throw invalidParameter("format", "format must be given once");
  return answerFormat(context, sent[0] ?? null);
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

/** Cells of one row; null is an empty cell, an empty text is one in quotes. */
export type CsvCells = readonly (string | number | boolean | null)[];

/** The rows of an answer. */
export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: Iterable<CsvCells>;
}

/** An answer as CSV: a header, then rows. */
export function csvAnswer({ header, rows }: CsvTable, headers: Record<string, string>): Response {
  let text = rowText(header);
  for (const row of rows) text += rowText(row);
  return new Response(text, { headers: { ...headers, "content-type": CSV_CONTENT_TYPE } });
}

function rowText(cells: CsvCells): string {
  return `${cells.map(cellText).join(",")}\r\n`;
}

function cellText(cell: CsvCells[number]): string {
  if (cell === null) return "";
  if (typeof cell !== "string") return String(cell);
  if (cell === "") return '""';
  return csvCell(FORMULA_START.test(cell) ? `'${cell}` : cell);
}

/** What answers say of themselves, each as far as it has it. */
export interface AnswerQuality extends Omit<QualityJson, "accuracy"> {
  readonly accuracy?: QualityJson["accuracy"];
  readonly notes?: readonly string[];
  /** "" = the last page. */
  readonly next_page_token?: string;
  readonly next_sessions_page_token?: string;
}

/** What an answer says of itself, as headers; what is empty has none. */
export function qualityHeaders(
  quality: AnswerQuality,
  range: TimeRangeJson | null,
): Record<string, string> {
  const { complete_until: until, complete, missing_partitions: missing } = quality;
  const { accuracy = {}, notes = [] } = quality;
  const { next_page_token: next, next_sessions_page_token: nextSessions } = quality;
  return {
    "rta-complete-until": until,
    "rta-complete": String(complete),
    ...(missing === undefined ? {} : { "rta-missing-partitions": missing.join(",") }),
    ...(range === null ? {} : { "rta-time-range": `${range.start}/${range.end}` }),
    ...(Object.keys(accuracy).length === 0 ? {} : { "rta-accuracy": asciiJson(accuracy) }),
    ...(notes.length === 0 ? {} : { "rta-notes": notesText(notes) }),
    ...(next ? { "rta-next-page-token": next } : {}),
    ...(nextSessions ? { "rta-next-sessions-page-token": nextSessions } : {}),
  };
}

/** As many notes as headers have room for; where some are left out, the last one says so. */
function notesText(notes: readonly string[]): string {
  const text = asciiJson(notes);
  if (text.length <= CSV_NOTES_CHARS_MAX) return text;
  const shown: string[] = [];
  let chars = 0;
  for (const note of notes) {
    chars += asciiJson(note).length + 1;
    if (chars > CSV_NOTES_CHARS_MAX) break;
    shown.push(note);
  }
  const left = notes.length - shown.length;
  return asciiJson([...shown, `${left} more notes are in the same answer as JSON`]);
}

/** JSON that a header may hold: what is not ASCII is escaped. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
