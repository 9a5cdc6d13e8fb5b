/**
 * Exports: all events of a range that match a filter, as NDJSON, CSV or Parquet, block by block.
 *
 *     where the rows end now -> window after window of each partition -> blocks of the body
 *
 * Events come by partition and in each in the order in which they were received; those of one user
 * are in one partition. All are of the moment of asking. Nothing is held between two blocks but the
 * number of the next row, so a body of any length costs a few MiB.
 */

import {
  EXPORT_BLOCK_BYTES,
  EXPORT_READ_MS_MAX,
  FILE_READ_BYTES,
  PARQUET_GROUP_BYTES,
  PARQUET_GROUP_ROWS,
  WINDOW_ROWS_MAX,
} from "../../lib/config/export_limits.ts";
import { csvRow } from "../../lib/csv/csv_row.ts";
import type { TemporaryFolder } from "../../lib/data_folder/temporary_folders.ts";
import { ParquetJoin, tailLength } from "../../lib/parquet/parquet_join.ts";
import { EVENT_FIELDS, type RowField } from "../../lib/query/event_columns.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { withPatience } from "./ask_rows.ts";
import { type Asked, askedNow, DEFAULT_RANGE_MS, type RequestedRange } from "./asked_range.ts";
import { type RowsNow, rowsNow, type WindowPorts, WindowSize } from "./read_windows.ts";

export const EXPORT_FORMATS = ["ndjson", "csv", "parquet"] as const;
export type ExportFormat = typeof EXPORT_FORMATS[number];

export interface ExportRequest {
  readonly project: string;
  readonly range: RequestedRange;
  readonly filter: Filter | null;
  readonly format: ExportFormat;
  /** Of CSV and Parquet, by name; null = all of an event. */
  readonly columns: readonly RowField[] | null;
  /** Whether partitions that do not run here may be left out. */
  readonly allowMissing: boolean;
}

/** What exports need from the process they run in. */
export interface ExportPorts extends WindowPorts {
  /** A folder for a file of one block; of Parquet only. */
  makeFolder(): Promise<TemporaryFolder>;
  /** Counts what was read. */
  onBlock(format: ExportFormat, rows: number, bytes: number): void;
}

export interface Export {
  readonly asked: Asked;
  readonly rows: RowsNow;
  /** The body. It ends early, by throwing, when the signal is aborted. */
  readonly blocks: AsyncGenerator<Uint8Array>;
}

/** Begins an export. Throws ProblemError (invalid_parameter, store_unavailable, rows_not_kept). */
export async function answerExport(
  request: ExportRequest,
  ports: ExportPorts,
  signal: AbortSignal,
): Promise<Export> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const rows = await read(signal, (each) => rowsNow(ports, request.allowMissing, each));
  const work = { request, asked, rows, ports, signal };
  const blocks = request.format === "parquet" ? parquetBlocks(work) : textBlocks(work);
  return { asked, rows, blocks };
}

interface Work {
  readonly request: ExportRequest;
  readonly asked: Asked;
  readonly rows: RowsNow;
  readonly ports: ExportPorts;
  readonly signal: AbortSignal;
}

async function* textBlocks(work: Work): AsyncGenerator<Uint8Array> {
  const { request, rows, ports, signal } = work;
  const columns = request.columns ?? EVENT_FIELDS;
  const form = request.format === "csv" ? "csv" : "ndjson";
  if (form === "csv") yield new TextEncoder().encode(csvRow(columns.map((column) => column.as)));
  const size = new WindowSize({ bytes: EXPORT_BLOCK_BYTES, rows: WINDOW_ROWS_MAX });
  for (const { partition, endSeq } of rows.ends) {
    for (let fromSeq = 0; fromSeq < endSeq;) {
      const toSeq = Math.min(endSeq, fromSeq + size.rows);
      const question = { kind: "row_lines", form, columns, fromSeq, toSeq } as const;
      const startedMs = performance.now();
      const lines = await read(signal, (each) => {
        return ports.askPartition(partition, { ...question, ...selectionOf(work) }, each);
      });
      const tookMs = performance.now() - startedMs;
      const bytes = lines.bytes.length;
      size.learn({ scanned: lines.nextSeq - fromSeq, rows: lines.rows, bytes, tookMs });
      fromSeq = lines.nextSeq;
      ports.onBlock(request.format, lines.rows, bytes);
      if (bytes > 0) yield lines.bytes;
    }
  }
}

async function* parquetBlocks(work: Work): AsyncGenerator<Uint8Array> {
  const { request, rows, ports } = work;
  await using folder = await ports.makeFolder();
  const path = `${folder.path}/rows.parquet`;
  const join = new ParquetJoin();
  yield join.head;
  const size = new WindowSize({ bytes: PARQUET_GROUP_BYTES, rows: PARQUET_GROUP_ROWS });
  let files = 0;
  const copy = (partition: number, fromSeq: number, toSeq: number, keepsEmpty: boolean) =>
    copyWindow(work, partition, { path, fromSeq, toSeq, keepsEmpty });
  for (const { partition, endSeq } of rows.ends) {
    for (let fromSeq = 0; fromSeq < endSeq;) {
      const toSeq = Math.min(endSeq, fromSeq + size.rows);
      const startedMs = performance.now();
      const copied = await copy(partition, fromSeq, toSeq, false);
      const tookMs = performance.now() - startedMs;
      size.learn({ ...copied, scanned: copied.nextSeq - fromSeq, tookMs });
      fromSeq = copied.nextSeq;
      ports.onBlock(request.format, copied.rows, copied.bytes);
      if (copied.bytes === 0) continue;
      files++;
      yield* bodyOf(path, join);
    }
  }
  if (files === 0) {
    // The columns must be told even so.
    await copy(rows.ends[0].partition, 0, 0, true);
    yield* bodyOf(path, join);
  }
  yield join.tail();
}

function copyWindow(
  work: Work,
  partition: number,
  window: { path: string; fromSeq: number; toSeq: number; keepsEmpty: boolean },
) {
  const columns = work.request.columns ?? EVENT_FIELDS;
  const form = { kind: "row_copy", columns, compression: "zstd", ordered: true } as const;
  const question = { ...form, ...window, ...selectionOf(work) };
  return read(work.signal, (each) => work.ports.askPartition(partition, question, each));
}

/** The row groups of a file, for the joined one; the file is removed. */
async function* bodyOf(path: string, join: ParquetJoin): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  // Nothing else needs its name: it is gone as soon as it is closed.
  await Deno.remove(path);
  const { size } = await file.stat();
  const last = await readAt(file, Math.max(0, size - LAST_BYTES), size);
  const tail = await readAt(file, Math.max(0, size - tailLength(last)), size);
  const { start, end } = join.add(size, tail);
  for (let at = start; at < end; at += FILE_READ_BYTES) {
    yield await readAt(file, at, Math.min(end, at + FILE_READ_BYTES));
  }
}

/** The end of a Parquet file that tells how long its footer is. */
const LAST_BYTES = 8;

async function readAt(file: Deno.FsFile, from: number, to: number): Promise<Uint8Array> {
  await file.seek(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(to - from);
  for (let have = 0; have < bytes.length;) {
    const read = await file.read(bytes.subarray(have));
    if (read === null) throw new Error("a temporary file is shorter than it was");
    have += read;
  }
  return bytes;
}

function selectionOf({ request, asked }: Work) {
  const { project, filter } = request;
  return { project, filter, fromMs: asked.startMs, toMs: asked.endMs };
}

/** One read: it may not take for ever, however long the whole takes. */
function read<T>(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withPatience({ timeoutMs: EXPORT_READ_MS_MAX, gone: signal }, ask);
}
