/**
 * The table of figures in docs/BENCHMARKS.md, between two markers. A bench of some cases replaces
 * their rows and keeps the others, as long as they come from the same machine; each row names the
 * commit and the day it was measured.
 */
import type { BenchRow } from "./bench_study.ts";

const BEGIN = "<!-- figures: written by make bench -->";
const END = "<!-- end of figures -->";
const HEAD = ["figure", "measured", "beside it", "ratio", "must reach", "reached", "measured at"];
const noBar = "-";

/** Where and when a bench ran. */
export interface BenchOrigin {
  readonly commit: string;
  /** Day, YYYY-MM-DD. */
  readonly date: string;
  readonly machine: string;
  /** How many runs the medians are of. */
  readonly runs: number;
}

/** The table as text for a terminal, one row in a few lines. */
export function terminalTable(rows: readonly BenchRow[]): string {
  return rows.map((row) => {
    const verdict = row.met === null ? "      " : row.met ? "  ok  " : " MISS ";
    const lines = [`${verdict} ${row.name}`, `         ${row.figure}`];
    if (row.beside !== "") lines.push(`         beside: ${row.beside}`);
    const bar = row.bar === "" ? "" : `  (must reach ${row.bar})`;
    if (row.ratio !== "" || bar !== "") lines.push(`         ratio ${row.ratio || noBar}${bar}`);
    return lines.join("\n");
  }).join("\n");
}

/** The document with these rows in place of its own of the same names. Throws without markers. */
export function withRows(
  document: string,
  rows: readonly BenchRow[],
  origin: BenchOrigin,
): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document lacks "${BEGIN}" or "${END}"`);
  const old = document.slice(begin + BEGIN.length, end);
  const machine = `Machine: ${origin.machine}. Medians of ${origin.runs} interleaved runs, in ` +
    `parentheses the lowest and the highest.`;
  const kept = sameLine(old, machine) ? tableRows(old) : [];
  const added = rows.map((row) => [row.name, tableRow(row, origin)] as const);
  const merged = new Map([...kept, ...added]);
  const body = [tableLine(HEAD), tableLine(HEAD.map(() => "---")), ...merged.values()].join("\n");
  return `${document.slice(0, begin)}${BEGIN}\n\n${machine}\n\n${body}\n\n${document.slice(end)}`;
}

/** Whether the line stands in the text, however its words are wrapped. */
function sameLine(text: string, line: string): boolean {
  return text.replace(/\s+/g, " ").includes(line);
}

/** Rows of the table by their names. */
function tableRows(text: string): (readonly [string, string])[] {
  const lines = text.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  return lines.map((line) => [line.split(" | ")[0].slice(2).trim(), line]);
}

function tableRow(row: BenchRow, { commit, date }: BenchOrigin): string {
  const reached = row.met === null ? noBar : row.met ? "yes" : "**no**";
  const cells = [row.name, row.figure, row.beside, row.ratio, row.bar];
  return tableLine([...cells.map((cell) => cell || noBar), reached, `${commit}, ${date}`]);
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
