/**
 * `rta import FILE`: sends the events of a CSV or NDJSON file to a platform (docs/IMPORT.md).
 *
 *     open file and mapping -> see that a platform answers -> run the import -> say what came of it
 */
import { join } from "node:path";
import { EVENTS_PER_BATCH_MAX, IMPORT_BATCH_DEFAULT } from "../../lib/config/limits.ts";
import { CheckpointFile } from "../../lib/import/checkpoint.ts";
import { ImportError } from "../../lib/import/import_error.ts";
import { type OpenedImport, openImport, type ReadOptions } from "../../lib/import/open_import.ts";
import { RefusedRows } from "../../lib/import/refused_rows.ts";
import { rehearseImport } from "../../lib/import/rehearse_import.ts";
import { type ImportOutcome, runImport } from "../../lib/import/run_import.ts";
import { EventSender, platformAddress } from "../../lib/import/send_events.ts";
import {
  type CommandIo,
  EXIT_DONE,
  EXIT_INTERRUPTED,
  EXIT_NOT_DONE,
  EXIT_SOME_REFUSED,
} from "./command_io.ts";
import { ProgressLine } from "./progress_line.ts";
import { groupedNumber } from "./text_table.ts";

const SECOND_MS = 1_000;
/** Events that a dry run shows. */
const shownEvents = 5;

/** What the command line says. */
export interface ImportCommandOptions extends ReadOptions {
  readonly file: string;
  /** Address of the ingestion port; default http://127.0.0.1:8081. */
  readonly url?: string;
  readonly apiKey?: string;
  /** Events in one request, 1 to 10,000; default 5,000. */
  readonly batch?: number;
  /** Folder of the progress of imports; default `imports` in RTA_DATA or ./data. */
  readonly state?: string;
  /** Where refused rows go; default FILE.rejected.ndjson. */
  readonly rejected?: string;
  /** Begins at the first row whatever was imported before. */
  readonly restart?: boolean;
  /** Reads and judges everything, sends nothing. */
  readonly dryRun?: boolean;
}

export const DEFAULT_INGESTION_URL = "http://127.0.0.1:8081";

/**
 * Imports a file.
 *
 * @returns EXIT_DONE, EXIT_SOME_REFUSED (rows of the file, in this run or an earlier one, were
 *   refused), EXIT_NOT_DONE or EXIT_INTERRUPTED
 */
export async function importCommand(
  options: ImportCommandOptions,
  io: CommandIo,
): Promise<number> {
  try {
    const opened = await openImport(options.file, options);
    describe(opened, io);
    return options.dryRun ? await rehearse(opened, io) : await importOpened(opened, options, io);
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof ImportError)) throw error;
    io.stderr.write(`rta import: ${error.message}\n`);
    return EXIT_NOT_DONE;
  }
}

async function importOpened(
  opened: OpenedImport,
  options: ImportCommandOptions,
  io: CommandIo,
): Promise<number> {
  const { file, apiKey } = options;
  const url = platformAddress(options.url ?? DEFAULT_INGESTION_URL);
  const batchEvents = checkBatch(options.batch ?? IMPORT_BATCH_DEFAULT);
  const rejected = options.rejected ?? `${file}.rejected.ndjson`;
  const { source, mappingText } = opened;
  const identity = { fingerprint: source.fingerprint, mapping: mappingText, url };
  const progress = new ProgressLine(io, "rows");
  const sender = new EventSender({
    url,
    apiKey,
    signal: io.signal,
    onRetry: (reason, waitMs) => {
      progress.end();
      io.stderr.write(`again in ${(waitMs / SECOND_MS).toFixed(1)} s: ${reason}\n`);
    },
  });
  await sender.probe();
  const startedAtMs = performance.now();
  try {
    const outcome = await runImport({
      opened,
      send: (body) => sender.send(body),
      checkpoints: new CheckpointFile(options.state ?? defaultStateFolder(), identity),
      about: { file, url, mapping: mappingText },
      refusedRows: (begins) => new RefusedRows(rejected, begins),
      batchEvents,
      restart: options.restart ?? false,
      signal: io.signal,
      onProgress: ({ rows, rowsBefore, refused, fileBytesRead }) => {
        const share = fileBytesRead / Math.max(1, source.fileBytes);
        progress.update({ share, count: rows, countNow: rows - rowsBefore, refused });
      },
    });
    progress.end();
    return conclude(outcome, file, rejected, performance.now() - startedAtMs, io);
  } finally {
    progress.end();
  }
}

/** Says what came of it. */
function conclude(
  outcome: ImportOutcome,
  file: string,
  rejected: string,
  tookMs: number,
  io: CommandIo,
): number {
  const { rows, refused, rowsBefore, finished, otherFile } = outcome;
  const say = (text: string) => io.stderr.write(`${text}\n`);
  const sent = rows - rowsBefore;
  if (otherFile) {
    say("what was imported before reads differently now, so the import began anew");
  }
  if (rowsBefore > 0) say(`${groupedNumber(rowsBefore)} rows were imported before`);
  const seconds = tookMs / SECOND_MS;
  const speed = seconds >= 1 ? `, ${groupedNumber(Math.round(sent / seconds))} rows/s` : "";
  if (sent > 0) say(`${groupedNumber(sent)} rows in ${seconds.toFixed(1)} s${speed}`);
  else if (finished) say(`nothing new in ${file}; --restart sends it again`);
  if (refused > 0) {
    say(`refused rows: ${groupedNumber(refused)}, kept with the reason in ${rejected}`);
  }
  if (!finished) {
    say("interrupted; the same command goes on from here");
    return EXIT_INTERRUPTED;
  }
  return refused > 0 ? EXIT_SOME_REFUSED : EXIT_DONE;
}

/** Reads everything, prints the first events to stdout and what would be refused to stderr. */
async function rehearse(opened: OpenedImport, io: CommandIo): Promise<number> {
  const rehearsal = await rehearseImport(opened, shownEvents, io.signal);
  const { rows, refused, refusals, firstEvents } = rehearsal;
  for (const event of firstEvents) io.stdout.write(`${event}\n`);
  io.stderr.write(
    `${groupedNumber(rows)} rows: ${groupedNumber(rows - refused)} events, ` +
      `${groupedNumber(refused)} would be refused; nothing was sent (--dry-run)\n`,
  );
  for (const group of refusals) {
    const where = group.field === "" ? "" : ` ${group.field}`;
    io.stderr.write(
      `  ${groupedNumber(group.rows)} x ${group.code}${where}: ${group.message} ` +
        `(first in row ${group.firstRow})\n`,
    );
  }
  return refused > 0 ? EXIT_SOME_REFUSED : EXIT_DONE;
}

/** How columns become events, and what is worth a warning. */
function describe({ source, mapping, format }: OpenedImport, io: CommandIo): void {
  const packed = source.gzip ? ", gzip" : "";
  const size = `${groupedNumber(source.fileBytes)} bytes`;
  io.stderr.write(`${source.path}: ${format.toUpperCase()}${packed}, ${size}\n`);
  if (mapping === null) return;
  io.stderr.write(`  ${mapping.description.join("\n  ")}\n`);
  if (!mapping.has("timestamp")) {
    io.stderr.write("  no column gives timestamp: events get the time of their arrival\n");
  }
}

function checkBatch(batch: number): number {
  if (Number.isSafeInteger(batch) && batch >= 1 && batch <= EVENTS_PER_BATCH_MAX) return batch;
  throw new ImportError(
    "RTA_IMPORT_SOURCE",
    `--batch takes a whole number from 1 to ${EVENTS_PER_BATCH_MAX}`,
  );
}

/** Beside the data that the imports went into, so that `make clean` forgets both together. */
function defaultStateFolder(): string {
  return join(Deno.env.get("RTA_DATA") || "./data", "imports");
}
