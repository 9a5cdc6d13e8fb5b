/**
 * `rta export`: all events of a range that match, into a file or to stdout.
 *
 * A file is written under another name (`NAME.part`) and gets its own when it is whole; what is cut off
 * is removed. Without `--from` the range begins with the first event.
 */
import type { CommandIo } from "./command_io.ts";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "./command_io.ts";
import { clean } from "./dlq_text.ts";
import { QueryError } from "./query_client.ts";
import { withQueryClient } from "./query_command.ts";
import { commonParameters, type QueryOptions } from "./query_kind.ts";
import { groupedNumber } from "./text_table.ts";

export interface ExportOptions extends QueryOptions {
  /** ndjson, csv or parquet; by the name of the file when missing, else ndjson. */
  readonly format?: string;
  /** Fields and properties, commas between them. */
  readonly columns?: string;
  /** The file; stdout when missing. */
  readonly out?: string;
  readonly allowMissing?: boolean;
}

const FORMAT_OF_NAME = /\.(ndjson|csv|parquet)$/i;
const MIB = 1024 * 1024;
/** What a missing range means here: an export of which nothing was said is one of everything. */
const EVER = { from: "1970-01-01T00:00:00Z", to: "9999-12-31T23:59:59Z" };

/** Exports. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function exportCommand(options: ExportOptions, io: CommandIo): Promise<number> {
  const { out, columns, allowMissing } = options;
  const format = options.format ?? FORMAT_OF_NAME.exec(out ?? "")?.[1].toLowerCase() ?? "ndjson";
  // Those belong to questions whose answers are tables.
  const { json: _json, csv: _csv, ...asked } = options;
  return withQueryClient(asked, io, async (client) => {
    if (format === "parquet" && out === undefined) {
      throw new QueryError("--format parquet needs a file: --out NAME.parquet");
    }
    const parameters = {
      ...commonParameters({ ...EVER, ...asked }, Date.now()),
      format,
      ...(columns === undefined ? {} : { columns }),
      ...(allowMissing ? { allow_missing: "true" } : {}),
    };
    const response = await client.open({ path: "/v1/export", parameters }, "*/*");
    const bytes = out === undefined
      ? await toStdout(response, io)
      : await toFile(response, out, io);
    if (bytes === null) return io.signal.aborted ? EXIT_INTERRUPTED : EXIT_NOT_DONE;
    io.stderr.write(`${groupedNumber(bytes / MIB)} MiB${out === undefined ? "" : ` in ${out}`}\n`);
    io.stderr.write(qualityLine(response.headers));
    return EXIT_DONE;
  }, "rta export");
}

/** Writes the body to stdout. Gives its bytes; null = it was cut off. */
async function toStdout(response: Response, io: CommandIo): Promise<number | null> {
  const decoder = new TextDecoder();
  let bytes = 0;
  try {
    for await (const chunk of response.body!) {
      bytes += chunk.length;
      io.stdout.write(decoder.decode(chunk, { stream: true }));
    }
    io.stdout.write(decoder.decode());
    return bytes;
  } catch (error) {
    cutOff(error, "what was written is not whole", io);
    return null;
  }
}

/** Writes the body to a file that is there only when it is whole. */
async function toFile(response: Response, path: string, io: CommandIo): Promise<number | null> {
  const part = `${path}.part`;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(part, { write: true, create: true, truncate: true });
  } catch (cause) {
    await response.body?.cancel();
    throw new QueryError(`${part} can't be written: ${messageOf(cause)}`, { cause });
  }
  try {
    let bytes = 0;
    for await (const chunk of response.body!) {
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      bytes += chunk.length;
    }
    await file.sync();
    file.close();
    await Deno.rename(part, path);
    return bytes;
  } catch (error) {
    try {
      file.close();
    } catch {
      // It was closed before it was to get its name.
    }
    await Deno.remove(part).catch(() => {});
    cutOff(error, `${path} was not written`, io);
    return null;
  }
}

function cutOff(error: unknown, what: string, io: CommandIo): void {
  const why = io.signal.aborted ? "interrupted" : messageOf(error);
  io.stderr.write(`rta export: the export was cut off (${clean(why)}); ${clean(what)}\n`);
}

/** How far the export is complete, where it is not. */
function qualityLine(headers: Headers): string {
  if (headers.get("rta-complete") !== "false") return "";
  const missing = headers.get("rta-missing-partitions");
  const without = missing === null ? "" : `, without partitions ${missing}`;
  return `not complete: what was received until ${headers.get("rta-complete-until")}${without}\n`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
