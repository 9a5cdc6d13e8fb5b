/**
 * The file behind the dead letters: `dead_letters.sqlite`, in WAL mode, beside the files of the
 * store and apart from the log, so that it is never in the way of the log's commits.
 *
 *     letters   seq -> place, reason, times, payload     newest last; seq is never used again
 *     counts    project, reason -> letters, waiting
 *     totals    letters, waiting, bytes, forgotten       one row
 *     offsets   topic, partition -> next_offset          how far a topic of letters was read in
 *
 * `waiting` letters are those that were not replayed. `bytes` adds up `size`: what a letter takes
 * with its indexes, estimated. Counts and totals change in the transaction that changes letters.
 *
 * synchronous=FULL: a commit returns after the WAL is fsynced.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DeadLetterError, type DeadLetterErrorCode } from "./dead_letter_sink.ts";

const FILE_NAME = "dead_letters.sqlite";
/** Kept in SQLite's user_version; 0 = a new file. */
const FORMAT = 1;
/** How long a statement blocks its thread for another connection's lock, ms; callers wait on. */
const BUSY_TIMEOUT_MS = 10;
const CACHE_KIB = 2048;
const WAL_BYTES_KEPT = 16 * 1024 * 1024;
/** What a letter takes beside its texts and its payload: columns, indexes, half-full pages. */
export const LETTER_OVERHEAD_BYTES = 256;

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** The extended result code keeps the primary one in its low byte. */
const PRIMARY_CODE_MASK = 0xff;

const TABLES = `
  CREATE TABLE letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL, line INTEGER NOT NULL,
    project TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    time_ms REAL NOT NULL, received_at_ms REAL NOT NULL,
    replayed_at_ms REAL, event_id TEXT,
    size INTEGER NOT NULL, payload_bytes INTEGER NOT NULL, payload BLOB NOT NULL,
    UNIQUE (topic, partition, "offset", line));
  CREATE INDEX letters_by_time ON letters (time_ms);
  CREATE INDEX replayed_by_time ON letters (time_ms) WHERE replayed_at_ms IS NOT NULL;
  CREATE TABLE counts (
    project TEXT, reason TEXT, letters INTEGER NOT NULL, waiting INTEGER NOT NULL,
    PRIMARY KEY (project, reason)) WITHOUT ROWID;
  CREATE TABLE totals (
    letters INTEGER NOT NULL, waiting INTEGER NOT NULL,
    bytes INTEGER NOT NULL, forgotten INTEGER NOT NULL);
  INSERT INTO totals VALUES (0, 0, 0, 0);
  CREATE TABLE offsets (
    topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
  PRAGMA user_version = ${FORMAT};`;

/** Where the dead letters of a folder lie. */
export function deadLetterPath(folder: string): string {
  return join(folder, FILE_NAME);
}

/**
 * Opens the file and makes it where there is none; the folder too. Any number of threads and
 * processes may. Throws what SQLite throws: isBusy() tells whether to try again.
 */
export function openTables(folder: string): DatabaseSync {
  mkdirSync(folder, { recursive: true });
  const db = new DatabaseSync(deadLetterPath(folder), { timeout: BUSY_TIMEOUT_MS });
  try {
    // auto_vacuum only takes effect on an empty file, before WAL is on.
    db.exec(`
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA mmap_size = 0;`);
    if (formatOf(db) === 0) {
      inTransaction(db, () => {
        // Another opener may have made them since.
        if (formatOf(db) === 0) db.exec(TABLES);
      });
    }
    const format = formatOf(db);
    if (format === FORMAT) return db;
    throw new DeadLetterError(
      "RTA_DEAD_LETTERS_UNAVAILABLE",
      `format ${format} of ${deadLetterPath(folder)} is not known here`,
    );
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Runs `work` in one transaction: all of it is durable afterwards, or none of it happened. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      if (db.isTransaction) db.exec("ROLLBACK");
    } catch {
      // SQLite rolls back by itself after the failures that make ROLLBACK fail; the failure that
      // led here is the one to report.
    }
    throw error;
  }
}

/** Whether another connection is in the way for the moment. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED ||
    (code < 0 && error instanceof Error && /database (table )?is locked/i.test(error.message));
}

/** `error`, thrown while `doing`, as a DeadLetterError with it as the cause. */
export function toDeadLetterError(error: unknown, doing: string): DeadLetterError {
  if (error instanceof DeadLetterError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DeadLetterError(codeOf(error, reason), `${doing}: ${reason}`, { cause: error });
}

function codeOf(error: unknown, reason: string): DeadLetterErrorCode {
  const code = primaryCode(error);
  // Opening and exec() give the message alone, without a result code.
  if (code === SQLITE_FULL || /disk is full|no space left/i.test(reason)) {
    return "RTA_DEAD_LETTERS_FULL";
  }
  const isBroken = code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
  return isBroken || /malformed|not a database/i.test(reason)
    ? "RTA_DEAD_LETTERS_CORRUPT"
    : "RTA_DEAD_LETTERS_UNAVAILABLE";
}

function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & PRIMARY_CODE_MASK : -1;
}

function formatOf(db: DatabaseSync): number {
  return db.prepare("PRAGMA user_version").get()?.user_version as number;
}
