/**
 * The producing side of the embedded log: one append is one transaction, fsynced by its commit.
 *
 * A failed append leaves nothing behind (the transaction is rolled back) and the writer can go on:
 * the next append tries again from the same offsets. Everything here blocks the thread, which is
 * why it lives in the writer worker.
 */
// deno-lint-ignore-file require-await -- the port is asynchronous, SQLite is not
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  LOG_CHECKPOINT_BYTES,
  LOG_SHRINK_PAGES_MAX,
  LOG_TRIM_BYTES_MAX,
  LOG_TRIM_RECORDS_MAX,
  LOG_WAL_BYTES_MAX,
} from "../../config/limits.ts";
import type { AppendBatch, EventLogWriter } from "../event_log.ts";
import { partitionNumbers } from "../partition_numbers.ts";
import { BatchJoiner } from "./join_batches.ts";
import { logPath, openForWriting, PAGE_BYTES, recordTable } from "./log_file.ts";
import { LogSignal } from "./log_signal.ts";
import { toLogError } from "./sqlite_error.ts";

export interface SqliteLogWriterOptions {
  /** The data folder; made when missing. */
  readonly folder: string;
  readonly partitions: number;
  /** From createLogSignal(partitions); shared with the readers of this process. */
  readonly signal: SharedArrayBuffer;
  /** The file never grows beyond this: appends then fail with RTA_LOG_FULL. Default: no limit. */
  readonly fileBytesMax?: number;
}

/** Growth of the WAL after which its size is looked at, bytes. */
const WAL_GROWTH_BYTES = LOG_CHECKPOINT_BYTES / 4;

/** Pages that a record may rewrite beside its own bytes: leaf, parents, the head of the file. */
const RECORD_PAGES = 4;

/** A record's columns that trimming looks at. */
interface RecordEdge {
  readonly next: number;
  readonly received_at: number;
  readonly bytes: number;
}

/**
 * Opens the log in `folder`, and makes it where there is none. One writer a folder: a second one's
 * appends fail, they never overwrite.
 * @throws LogError RTA_LOG_PARTITIONS_CHANGED, RTA_LOG_CORRUPT, RTA_LOG_UNAVAILABLE, RTA_LOG_FULL.
 */
export async function openSqliteLogWriter(
  options: SqliteLogWriterOptions,
): Promise<EventLogWriter> {
  const signal = new LogSignal(options.signal);
  assert.equal(signal.partitions, options.partitions, "the signal is of another log");
  const db = openForWriting(options.folder, options.partitions);
  try {
    return new SqliteLogWriter(db, signal, options);
  } catch (error) {
    db.close();
    throw toLogError(error, "cannot read the log");
  }
}

class SqliteLogWriter implements EventLogWriter {
  readonly partitions: number;
  readonly #db: DatabaseSync;
  readonly #signal: LogSignal;
  readonly #joiner: BatchJoiner;
  readonly #walPath: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #inserts: StatementSync[];
  /** Where the next record of each partition stands, as committed. */
  readonly #nextOffsets: number[];
  /** The same, with what the running transaction has added. */
  readonly #pendingOffsets: number[];
  /** The partition that the next trim() begins with. */
  #trimNext = 0;
  /** The WAL is emptied by force from this size on. */
  #walBytesLimit = LOG_WAL_BYTES_MAX;
  /** By how much it can have grown since its size was last looked at, bytes. */
  #walGrowthBytes = 0;

  constructor(db: DatabaseSync, signal: LogSignal, options: SqliteLogWriterOptions) {
    this.partitions = options.partitions;
    this.#db = db;
    this.#signal = signal;
    this.#joiner = new BatchJoiner(options.partitions);
    this.#walPath = `${logPath(options.folder)}-wal`;
    if (options.fileBytesMax !== undefined) {
      db.exec(`PRAGMA max_page_count = ${Math.floor(options.fileBytesMax / PAGE_BYTES)}`);
    }
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    const all = partitionNumbers(options.partitions);
    this.#inserts = all.map((partition) =>
      db.prepare(`INSERT INTO ${recordTable(partition)} VALUES (?, ?, ?, ?, ?, ?)`)
    );
    this.#nextOffsets = all.map((partition) => storedNextOffset(db, partition));
    this.#pendingOffsets = [...this.#nextOffsets];
    this.#publish();
  }

  async append(batches: readonly AppendBatch[]): Promise<void> {
    if (batches.length === 0) return;
    this.#transaction("cannot append to the log", () => {
      this.#joiner.forEachRecord(batches, (record) => {
        const { partition, events, project, receivedAtMs, value, traceparent = null } = record;
        const offset = this.#pendingOffsets[partition];
        this.#inserts[partition].run(offset, events, project, receivedAtMs, value, traceparent);
        this.#walGrowthBytes += value.length + RECORD_PAGES * PAGE_BYTES;
        this.#pendingOffsets[partition] = offset + events;
      });
    });
    this.#publish();
    this.#boundWal();
  }

  highWater(partition: number): number {
    return this.#nextOffsets[partition];
  }

  async trim(storedOffsets: readonly number[], receivedBeforeMs: number): Promise<number> {
    assert.equal(storedOffsets.length, this.partitions, "one stored offset per partition");
    // One partition a call, in turn: an append that comes now waits for no more than that.
    for (let tried = 0; tried < this.partitions; tried++) {
      const partition = this.#trimNext;
      this.#trimNext = (partition + 1) % this.partitions;
      const trimmed = this.#trimPartition(partition, storedOffsets[partition], receivedBeforeMs);
      if (trimmed > 0) return trimmed;
    }
    this.#shrink();
    return 0;
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  /** Runs `work` in one transaction: all of it is durable afterwards, or none of it happened. */
  #transaction(doing: string, work: () => void): void {
    try {
      this.#begin.run();
      work();
      this.#commit.run();
    } catch (error) {
      this.#rollBack();
      for (let i = 0; i < this.partitions; i++) this.#pendingOffsets[i] = this.#nextOffsets[i];
      if (error instanceof assert.AssertionError) throw error;
      throw toLogError(error, doing);
    }
    for (let i = 0; i < this.partitions; i++) this.#nextOffsets[i] = this.#pendingOffsets[i];
  }

  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch {
      // SQLite rolls back by itself after the failures that make ROLLBACK fail; the failure that
      // led here is the one to report.
    }
  }

  #publish(): void {
    for (let partition = 0; partition < this.partitions; partition++) {
      this.#signal.publish(partition, this.#nextOffsets[partition]);
    }
    this.#signal.announce();
  }

  /**
   * SQLite's own checkpoints start the WAL anew only in a moment without readers, which under
   * steady reading may never come; this one waits for such a moment, reads being short.
   */
  #boundWal(): void {
    // Its size is asked of the file system, which costs a tenth of a small commit: not every time.
    if (this.#walGrowthBytes < WAL_GROWTH_BYTES) return;
    this.#walGrowthBytes = 0;
    const bytes = statSync(this.#walPath, { throwIfNoEntry: false })?.size ?? 0;
    if (bytes <= this.#walBytesLimit) return;
    const result = this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    this.#walBytesLimit = result?.busy === 0 ? LOG_WAL_BYTES_MAX : bytes + LOG_CHECKPOINT_BYTES;
  }

  #trimPartition(partition: number, storedOffset: number, receivedBeforeMs: number): number {
    const table = recordTable(partition);
    let count = 0;
    this.#transaction("cannot trim the log", () => {
      const edges = this.#db.prepare(
        `SELECT "offset" + events AS next, received_at, length(value) AS bytes FROM ${table}
         ORDER BY "offset" LIMIT ${LOG_TRIM_RECORDS_MAX}`,
      );
      let cut = 0;
      let bytesLeft = LOG_TRIM_BYTES_MAX;
      for (const edge of edges.iterate() as Iterable<unknown>) {
        const { next, received_at: receivedAtMs, bytes } = edge as RecordEdge;
        if (next > storedOffset || receivedAtMs >= receivedBeforeMs || bytesLeft <= 0) break;
        cut = next;
        bytesLeft -= bytes;
        count++;
      }
      if (count === 0) return;
      this.#db.prepare(`DELETE FROM ${table} WHERE "offset" < ?`).run(cut);
      this.#db.prepare("UPDATE partitions SET trimmed_to = ? WHERE partition = ?")
        .run(cut, partition);
    });
    return count;
  }

  /**
   * Gives a few MiB back when more than half of the file is free and nothing was left to trim: a
   * log that was long behind does not keep the disk for ever, one that is trimmed as it grows reuses
   * its own pages, and no append waits long for either (measured: 10-30 ms for 4 MiB).
   */
  #shrink(): void {
    const free = pragmaNumber(this.#db, "freelist_count");
    if (free < LOG_SHRINK_PAGES_MAX || 2 * free < pragmaNumber(this.#db, "page_count")) return;
    this.#transaction("cannot shrink the log", () => {
      // all(), because each step of this statement moves one page, and exec() takes one step.
      this.#db.prepare(`PRAGMA incremental_vacuum(${LOG_SHRINK_PAGES_MAX})`).all();
    });
  }
}

/** End of the last record, or of what was trimmed when none is left. */
function storedNextOffset(db: DatabaseSync, partition: number): number {
  const last = db.prepare(
    `SELECT "offset" + events AS next FROM ${recordTable(partition)}
     ORDER BY "offset" DESC LIMIT 1`,
  ).get();
  if (last !== undefined) return last.next as number;
  const row = db.prepare("SELECT trimmed_to FROM partitions WHERE partition = ?").get(partition);
  return row?.trimmed_to as number;
}

function pragmaNumber(db: DatabaseSync, name: string): number {
  return db.prepare(`PRAGMA ${name}`).get()?.[name] as number;
}
