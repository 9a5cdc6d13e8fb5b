/** Answers as tables for people: aligned, with grouped digits, percentages and spans of time. */
import { clean } from "./dlq_text.ts";
import { groupedNumber, percent, textTable } from "./text_table.ts";

/** How a column's values are shown to people. */
export type CellKind = "text" | "number" | "percent" | "seconds";

/** One column of an answer. */
export interface AnswerColumn {
  readonly title: string;
  /** Default: text. */
  readonly kind?: CellKind;
}

/** A value; null = there is none. A share from 0 to 1 where the column is one of percentages. */
export type AnswerCell = string | number | null;

/** One table of an answer. */
export interface AnswerTable {
  /** Stands above it; null = nothing does. */
  readonly title: string | null;
  readonly columns: readonly AnswerColumn[];
  readonly rows: readonly (readonly AnswerCell[])[];
}

/** A table for people. */
export function tableText({ title, columns, rows }: AnswerTable): string {
  const head = title === null ? "" : `${clean(title)}\n\n`;
  if (rows.length === 0) return `${head}  nothing\n`;
  const cells = rows.map((row) => row.map((cell, index) => shown(cell, columns[index].kind)));
  const titles = columns.map(({ title, kind = "text" }) => {
    return { title: clean(title), right: kind !== "text" };
  });
  return head + textTable(titles, cells);
}

/** `3.2 s`, `12 min`, `5.1 h`, `2.3 d`: of a span in seconds, three digits or so. */
export function spanText(seconds: number): string {
  for (const [unit, size] of SPANS) {
    if (seconds >= size) return `${digits(seconds / size)} ${unit}`;
  }
  return `${digits(seconds)} s`;
}

/** Seconds of a Duration as the API writes it, such as `0.003s`; null = there is none. */
export function secondsOf(duration: unknown): number | null {
  const match = /^(-?\d+(?:\.\d+)?)s$/.exec(String(duration));
  return match === null ? null : Number(match[1]);
}

const SPANS = [["d", 86_400], ["h", 3_600], ["min", 60]] as const;

function digits(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function shown(cell: AnswerCell, kind: CellKind = "text"): string {
  if (cell === null) return "-";
  if (typeof cell === "string") return clean(cell);
  switch (kind) {
    case "percent":
      return percent(cell);
    case "seconds":
      return spanText(cell);
    case "number":
      return groupedNumber(cell);
    case "text":
      return String(cell);
  }
}
