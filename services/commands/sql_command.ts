/** `rta sql`: one SELECT over all events of a running platform, shown as a table, CSV or JSON. */
import type { CommandIo } from "./command_io.ts";
import { EXIT_DONE } from "./command_io.ts";
import { clean } from "./dlq_text.ts";
import { timeArgument } from "./query_arguments.ts";
import { QueryError } from "./query_client.ts";
import { qualityText, withQueryClient } from "./query_command.ts";
import type { QueryOptions } from "./query_kind.ts";
import { textTable } from "./text_table.ts";

export interface SqlOptions extends QueryOptions {
  readonly allowMissing?: boolean;
}

/** Longest text of one cell that is shown to people, characters. */
const CELL_CHARS_MAX = 100;
const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL)/;

/** Asks and prints. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function sqlCommand(sql: string, options: SqlOptions, io: CommandIo): Promise<number> {
  return withQueryClient(options, io, async (client) => {
    const { from, to, timeout, allowMissing, csv, json } = options;
    if (sql.trim() === "") throw new QueryError('give a statement: rta sql "SELECT …"');
    const nowMs = Date.now();
    const body = {
      sql,
      time_range: {
        start: from === undefined ? undefined : timeArgument(from, "--from", nowMs),
        end: to === undefined ? undefined : timeArgument(to, "--to", nowMs),
      },
      format: csv ? "csv" : "json",
      timeout_seconds: timeout,
      allow_missing: allowMissing,
    };
    const request = { path: "/v1/sql", body };
    if (csv) {
      const { text, quality } = await client.askCsv(request);
      io.stdout.write(text);
      io.stderr.write(qualityText(quality));
      return EXIT_DONE;
    }
    const answer = await client.ask(request);
    io.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : tableOf(answer));
    if (!json) io.stderr.write(qualityText(answer));
    return EXIT_DONE;
  }, "rta sql");
}

function tableOf(answer: Readonly<Record<string, unknown>>): string {
  const columns = answer.columns as readonly { name: string; type: string }[];
  const rows = answer.rows as readonly (readonly unknown[])[];
  const titles = columns.map(({ name, type }) => ({
    title: clean(name),
    right: NUMBERS.test(type),
  }));
  const count = rows.length === 1 ? "1 row" : `${rows.length} rows`;
  return `${textTable(titles, rows.map((row) => row.map(cellText)))}\n  ${count}\n`;
}

function cellText(value: unknown): string {
  if (value === null) return "-";
  const text = clean(typeof value === "string" ? value : JSON.stringify(value));
  return text.length <= CELL_CHARS_MAX ? text : `${text.slice(0, CELL_CHARS_MAX - 1)}…`;
}
