/**
 * An import from the first byte to the last answer. Reads top to bottom as what happens:
 *
 *     find the place in the file -> read rows -> gather a batch -> send it -> note what was refused
 *     -> note the new place
 *
 * While one batch is under way the next one is read, and no more: rows stay in order, and memory
 * holds two batches whatever the size of the file. Refused rows are on disk before the place moves
 * past them, and the place never moves past a row without an answer.
 */
import { IMPORT_CHECKPOINT_MS } from "../config/limits.ts";
import { type Checkpoint, type CheckpointFile, hexDigest } from "./checkpoint.ts";
import { ImportBatch, type RefusedRow } from "./import_batch.ts";
import type { OpenedImport } from "./open_import.ts";
import type { RefusedRows } from "./refused_rows.ts";
import type { Refusal } from "./send_events.ts";
import type { SourceRow } from "./source_row.ts";
import { UnpackedReader } from "./unpacked_reader.ts";

/** What an import needs. */
export interface ImportJob {
  readonly opened: OpenedImport;
  /** Sends one body; see EventSender. */
  readonly send: (body: Uint8Array<ArrayBuffer>) => Promise<readonly Refusal[]>;
  readonly checkpoints: CheckpointFile;
  /** What the checkpoint says beside the place, for people. */
  readonly about: Record<string, unknown>;
  /** File for the refused rows. `begins`: whether the import begins anew. */
  readonly refusedRows: (begins: boolean) => RefusedRows;
  /** Rows in one request. */
  readonly batchEvents: number;
  /** Whether to pay no heed to what was imported before. */
  readonly restart: boolean;
  /** Stops the import after the batch under way. */
  readonly signal?: AbortSignal;
  /** Called after each answer. */
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** How far an import is. */
export interface ImportProgress {
  /** Rows answered for, those of earlier runs too. */
  readonly rows: number;
  /** How many of them were refused. */
  readonly refused: number;
  /** Rows answered for by earlier runs. */
  readonly rowsBefore: number;
  /** Bytes of the file, as it lies on disk, read so far. */
  readonly fileBytesRead: number;
}

/** How an import ended. */
export interface ImportOutcome extends ImportProgress {
  /** False: it was stopped by the signal, and can go on from where it is. */
  readonly finished: boolean;
  /** Whether a checkpoint was there that did not fit the file any more. */
  readonly otherFile: boolean;
}

/**
 * Runs an import to its end, or until the signal.
 *
 * @throws ImportError when the file can't be read further or the platform can't be had; what was
 *   answered until then is noted
 */
export async function runImport(job: ImportJob): Promise<ImportOutcome> {
  const saved = job.restart ? null : job.checkpoints.load();
  const { reader, place } = await findPlace(job.opened, saved);
  const run = new ImportRun(job, reader, place);
  try {
    const finished = await run.sendAll();
    return { ...run.progress, finished, otherFile: saved !== null && place === null };
  } finally {
    run.save();
    await reader.close();
  }
}

/** A reader at the checkpoint's place, or at the first row where the checkpoint does not fit. */
async function findPlace(
  opened: OpenedImport,
  saved: Checkpoint | null,
): Promise<{ reader: UnpackedReader; place: Checkpoint | null }> {
  if (saved !== null) {
    const reader = new UnpackedReader(opened.source);
    if (await reader.skip(saved.bytes) === saved.sha256) return { reader, place: saved };
    await reader.close();
  }
  const reader = new UnpackedReader(opened.source);
  await reader.skip(opened.start.bytes);
  return { reader, place: null };
}

class ImportRun {
  readonly #job: ImportJob;
  readonly #reader: UnpackedReader;
  readonly #before: Checkpoint | null;
  readonly #refusedRows: RefusedRows;
  #rows: number;
  #refused: number;
  #bytes: number;
  #openRow: string | null;
  #isSaved = true;
  #savedAtMs = 0;

  constructor(job: ImportJob, reader: UnpackedReader, place: Checkpoint | null) {
    this.#job = job;
    this.#reader = reader;
    this.#before = place;
    this.#refusedRows = job.refusedRows(place === null);
    this.#rows = place?.rows ?? 0;
    this.#refused = place?.refused ?? 0;
    this.#bytes = place?.bytes ?? job.opened.start.bytes;
    this.#openRow = place?.openRow ?? null;
  }

  get progress(): ImportProgress {
    return {
      rows: this.#rows,
      refused: this.#refused,
      rowsBefore: this.#before?.rows ?? 0,
      fileBytesRead: this.#reader.fileBytesRead,
    };
  }

  /** Sends what is left of the file; false when the signal came first. */
  async sendAll(): Promise<boolean> {
    const { signal } = this.#job;
    let underWay: Promise<void> = Promise.resolve();
    let failure: unknown = null;
    try {
      for await (const batch of this.#batches()) {
        await underWay;
        if (signal?.aborted) break;
        underWay = this.#send(batch);
        // Awaited at the next batch; until then a failure must not count as nobody's.
        underWay.catch(() => {});
      }
    } catch (error) {
      failure = error;
    }
    try {
      await underWay;
    } catch (error) {
      failure ??= error;
    }
    if (signal?.aborted && (failure === null || failure === signal.reason)) return false;
    if (failure !== null) throw failure;
    return true;
  }

  /** Notes the place, unless it is noted already. */
  save(): void {
    if (this.#isSaved) return;
    this.#job.checkpoints.save({
      rows: this.#rows,
      refused: this.#refused,
      bytes: this.#bytes,
      sha256: this.#reader.digest(),
      openRow: this.#openRow,
    }, this.#job.about);
    this.#isSaved = true;
    this.#savedAtMs = performance.now();
  }

  async *#batches(): AsyncGenerator<ImportBatch, void, void> {
    const { batchEvents, signal } = this.#job;
    let batch = new ImportBatch(batchEvents);
    let failure: unknown = null;
    try {
      for await (const rows of this.#newRows()) {
        for (const row of rows) {
          batch.add(row);
          if (!batch.isFull) continue;
          yield batch;
          batch = new ImportBatch(batchEvents);
        }
        if (signal?.aborted) return;
      }
    } catch (error) {
      failure = error;
    }
    // The rows before the place where reading failed are worth sending as well.
    if (batch.rows > 0) yield batch;
    if (failure !== null) throw failure;
  }

  /** The rows after the place; the open row there is left out if it still reads the same. */
  async *#newRows(): AsyncGenerator<SourceRow[], void, void> {
    const { opened } = this.#job;
    const openRow = this.#openRow;
    const start = { bytes: this.#bytes, rows: this.#rows - (openRow === null ? 0 : 1) };
    let isFirst = openRow !== null;
    for await (const rows of opened.rows(this.#reader.chunks(), start)) {
      if (!isFirst || rows.length === 0) {
        yield rows;
        continue;
      }
      isFirst = false;
      yield digestOf(rows[0].event) === openRow ? rows.slice(1) : rows;
    }
  }

  async #send(batch: ImportBatch): Promise<void> {
    const refusals = batch.events === 0 ? [] : await this.#job.send(batch.body);
    const refused: RefusedRow[] = refusals.map((refusal) => {
      const { code, field, message } = refusal;
      return { ...batch.rowOf(refusal.index), code, field, message };
    });
    const all = [...batch.faults, ...refused].sort((a, b) => a.row - b.row);
    this.#refusedRows.add(all);
    this.#rows = batch.lastRow;
    this.#refused += all.length;
    if (batch.end >= 0) {
      this.#bytes = batch.end;
      this.#openRow = null;
    }
    if (batch.openRow !== null) this.#openRow = digestOf(batch.openRow.event);
    this.#reader.release(this.#bytes);
    this.#isSaved = false;
    if (performance.now() - this.#savedAtMs >= IMPORT_CHECKPOINT_MS) this.save();
    this.#job.onProgress?.(this.progress);
  }
}

function digestOf(event: string | Uint8Array): string {
  return hexDigest(typeof event === "string" ? new TextEncoder().encode(event) : event);
}
