/**
 * The file behind the embedded log: `log.sqlite` in the data folder, in WAL mode.
 *
 *     meta        key -> value         format, partitions: fixed when the file is made
 *     partitions  partition -> trimmed_to     offset below which records were forgotten
 *     records_0   "offset" -> events, project, received_at, value, traceparent
 *     records_1   ...                  one table per partition
 *
 * `offset` is the number of the record's first event in its partition, so differences of offsets
 * count events. A table per partition makes every insert an append at the end of a B-tree by
 * rowid: measured, twice the rate of one table keyed by (partition, offset), whose inserts fall
 * between the partitions and split pages.
 *
 * synchronous=FULL: a commit returns after the WAL is fsynced, and only then do readers see it.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LOG_CHECKPOINT_BYTES, LOG_WAL_BYTES_MAX } from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { toLogError } from "./sqlite_error.ts";

const FILE_NAME = "log.sqlite";
const FORMAT = 2;
/** Without `traceparent`; brought up to date when it is opened for writing. */
const FORMAT_UNTRACED = 1;
/** 8 KiB: 1.4 times the bulk rate of 4 KiB; larger pages cost small commits more than they give. */
export const PAGE_BYTES = 8192;
const CACHE_KIB = 2048;
/** How long a statement waits for another connection's lock, ms. */
const BUSY_TIMEOUT_MS = 250;

/** Where the log of a data folder lies. */
export function logPath(folder: string): string {
  return join(folder, FILE_NAME);
}

/** The table of one partition. */
export function recordTable(partition: number): string {
  return `records_${partition}`;
}

/**
 * Opens the log for writing and makes it where there is none.
 * @throws LogError RTA_LOG_PARTITIONS_CHANGED when it was made with another number of partitions.
 */
export function openForWriting(folder: string, partitions: number): DatabaseSync {
  return opened(folder, () => {
    mkdirSync(folder, { recursive: true });
    const db = new DatabaseSync(logPath(folder), { timeout: BUSY_TIMEOUT_MS });
    return closedOnFailure(db, () => {
      // page_size and auto_vacuum only take effect on an empty file, before WAL is on.
      db.exec(`
        PRAGMA page_size = ${PAGE_BYTES};
        PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = ${LOG_CHECKPOINT_BYTES / PAGE_BYTES};
        PRAGMA journal_size_limit = ${LOG_WAL_BYTES_MAX};
        PRAGMA cache_size = -${CACHE_KIB};
        PRAGMA mmap_size = 0;`);
      makeTables(db, partitions);
      const made = readPartitions(db);
      if (made !== partitions) throw partitionsChanged(folder, made, partitions);
      addTraces(db, partitions);
    });
  });
}

/** Opens an existing log read-only. */
export function openForReading(folder: string): { db: DatabaseSync; partitions: number } {
  let partitions = 0;
  const db = opened(folder, () => {
    const db = new DatabaseSync(logPath(folder), { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    return closedOnFailure(db, () => {
      db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA mmap_size = 0;`);
      partitions = readPartitions(db);
    });
  });
  return { db, partitions };
}

/** With how many partitions the log of the folder was made; null when there is none yet. */
export function madePartitions(folder: string): number | null {
  if (!existsSync(logPath(folder))) return null;
  const { db, partitions } = openForReading(folder);
  db.close();
  return partitions;
}

function opened(folder: string, open: () => DatabaseSync): DatabaseSync {
  try {
    return open();
  } catch (error) {
    throw toLogError(error, `cannot open the log ${logPath(folder)}`);
  }
}

function closedOnFailure(db: DatabaseSync, prepare: () => void): DatabaseSync {
  try {
    prepare();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function makeTables(db: DatabaseSync, partitions: number): void {
  if (hasTables(db)) return;
  const statements = [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    `INSERT INTO meta VALUES ('format', ${FORMAT}), ('partitions', ${partitions})`,
    "CREATE TABLE partitions (partition INTEGER PRIMARY KEY, trimmed_to INTEGER NOT NULL)",
  ];
  for (let partition = 0; partition < partitions; partition++) {
    statements.push(`INSERT INTO partitions VALUES (${partition}, 0)`);
    statements.push(`CREATE TABLE ${recordTable(partition)} (
      "offset" INTEGER PRIMARY KEY, events INTEGER NOT NULL, project TEXT NOT NULL,
      received_at REAL NOT NULL, value BLOB NOT NULL, traceparent TEXT)`);
  }
  db.exec(`BEGIN IMMEDIATE; ${statements.join(";")}; COMMIT;`);
}

/** Brings a file of the format before up to date. */
function addTraces(db: DatabaseSync, partitions: number): void {
  if (formatOf(db) === FORMAT) return;
  const statements = [`UPDATE meta SET value = ${FORMAT} WHERE key = 'format'`];
  for (let partition = 0; partition < partitions; partition++) {
    statements.push(`ALTER TABLE ${recordTable(partition)} ADD COLUMN traceparent TEXT`);
  }
  db.exec(`BEGIN IMMEDIATE; ${statements.join(";")}; COMMIT;`);
}

function hasTables(db: DatabaseSync): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'meta'").get() !== undefined;
}

function readPartitions(db: DatabaseSync): number {
  const format = formatOf(db);
  if (format !== FORMAT && format !== FORMAT_UNTRACED) {
    throw new LogError("RTA_LOG_UNAVAILABLE", `format ${format} of the log is not known here`);
  }
  return metaOf(db, "partitions");
}

function formatOf(db: DatabaseSync): number {
  return metaOf(db, "format");
}

function metaOf(db: DatabaseSync, key: string): number {
  return db.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.value as number;
}

function partitionsChanged(folder: string, made: number, asked: number): LogError {
  return new LogError(
    "RTA_LOG_PARTITIONS_CHANGED",
    `the log ${logPath(folder)} was made with ${made} partitions and cannot be opened with ` +
      `${asked}: set the number back to ${made}, or start with a new data folder`,
  );
}
