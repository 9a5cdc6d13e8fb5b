/**
 * `rta query KIND`: puts a question to a running platform and shows the answer.
 *
 *     command line -> request -> answer -> tables, or the answer's own JSON or CSV, on stdout
 *
 * What qualifies an answer goes to stderr: notes, how far it is complete where it is not, and which
 * of its numbers are not exact. The JSON has all of that in itself, CSV in its headers.
 */
import { ImportError } from "../../lib/import/import_error.ts";
import { type CommandIo, EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "./command_io.ts";
import { clean } from "./dlq_text.ts";
import { type Json, QueryClient, QueryError } from "./query_client.ts";
import type { QueryKind, QueryOptions } from "./query_kind.ts";
import { tableText } from "./query_table.ts";

/** Asks and prints. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function queryCommand(
  kind: QueryKind,
  subject: string,
  options: QueryOptions,
  io: CommandIo,
): Promise<number> {
  return withQueryClient(options, io, async (client) => {
    const request = kind.request(options, Date.now(), subject);
    if (options.csv) {
      const { text, quality } = await client.askCsv(request);
      io.stdout.write(text);
      io.stderr.write(qualityText(quality));
      return EXIT_DONE;
    }
    const answer = await client.ask(request);
    if (options.json) {
      io.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      return EXIT_DONE;
    }
    io.stdout.write(kind.tables(answer, options).map(tableText).join("\n"));
    io.stderr.write(qualityText(answer));
    return EXIT_DONE;
  });
}

/** Lets `use` ask, and turns what is known to fail into a line. */
export async function withQueryClient(
  { url, apiKey, json, csv }: QueryOptions,
  io: CommandIo,
  use: (client: QueryClient) => Promise<number>,
  name = "rta query",
): Promise<number> {
  try {
    if (json && csv) throw new QueryError("--json or --csv, not both");
    const { signal } = io;
    const onRetry = (reason: string) => io.stderr.write(`again: ${clean(reason)}\n`);
    return await use(new QueryClient({ url: url ?? localGateway(), apiKey, signal, onRetry }));
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof QueryError) && !(error instanceof ImportError)) throw error;
    io.stderr.write(`${name}: ${clean(error.message)}\n`);
    return EXIT_NOT_DONE;
  }
}

/** What an answer says of itself, a line each; nothing where all is exact and complete. */
export function qualityText(answer: Json): string {
  const { notes, complete, complete_until: until, missing_partitions: missing, accuracy } = answer;
  const { next_page_token: token, next_sessions_page_token: sessionsToken } = answer;
  const lines = Array.isArray(notes) ? notes.map((note) => `note: ${note}`) : [];
  if (complete === false) {
    const without = Array.isArray(missing) ? `, without partitions ${missing.join(", ")}` : "";
    lines.push(`not complete: counted is what was received until ${until}${without}`);
  }
  const inexact = Object.entries(accuracy ?? {}).filter(([, how]) => how !== "exact");
  const byHow = Map.groupBy(inexact, ([, how]) => String(how));
  for (const [how, fields] of byHow) {
    lines.push(`${how}: ${fields.map(([field]) => field).join(", ")}`);
  }
  if (typeof token === "string" && token !== "") {
    lines.push(`there are more: --page-token ${token}`);
  }
  if (typeof sessionsToken === "string" && sessionsToken !== "") {
    lines.push(`there are more sessions: --sessions-page-token ${sessionsToken}`);
  }
  return lines.map((line) => `${clean(line)}\n`).join("");
}

function localGateway(): string {
  return `http://127.0.0.1:${Deno.env.get("RTA_GATEWAY_PORT") || 8080}`;
}
