/**
 * The reading side of the embedded log: a read-only connection of its own, which in WAL mode
 * neither waits for the writer nor holds it up. Every read is one short snapshot.
 */
// deno-lint-ignore-file require-await -- the port is asynchronous, SQLite is not
import assert from "node:assert/strict";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type EventLogReader, LogError, type LogRecord } from "../event_log.ts";
import { openForReading, recordTable } from "./log_file.ts";
import { LogSignal } from "./log_signal.ts";
import { toLogError } from "./sqlite_error.ts";

export interface SqliteLogReaderOptions {
  /** The data folder; its log must have been made by a writer before. */
  readonly folder: string;
  /** The writer's signal: for highWater() and for waiting. */
  readonly signal: SharedArrayBuffer;
}

interface RecordRow {
  readonly offset: number;
  readonly events: number;
  readonly project: string;
  readonly received_at: number;
  readonly value: Uint8Array;
  readonly traceparent: string | null;
}

/** What stands around an offset. */
interface Surroundings {
  readonly trimmed_to: number;
  /** Offset of the first record there or behind. */
  readonly first: number | null;
  /** Where the record before it ends. */
  readonly before: number | null;
  /** Where the last record of the partition ends. */
  readonly next: number | null;
}

/**
 * Opens the log in `folder` for reading.
 * @throws LogError RTA_LOG_UNAVAILABLE when there is none, RTA_LOG_PARTITIONS_CHANGED when the
 *   signal is of another number of partitions, RTA_LOG_CORRUPT.
 */
export async function openSqliteLogReader(
  options: SqliteLogReaderOptions,
): Promise<EventLogReader> {
  const signal = new LogSignal(options.signal);
  const { db, partitions } = openForReading(options.folder);
  try {
    if (signal.partitions !== partitions) {
      throw new LogError(
        "RTA_LOG_PARTITIONS_CHANGED",
        `the log has ${partitions} partitions, not ${signal.partitions}`,
      );
    }
    return new SqliteLogReader(db, signal);
  } catch (error) {
    db.close();
    throw toLogError(error, "cannot read the log");
  }
}

class SqliteLogReader implements EventLogReader {
  readonly partitions: number;
  readonly #db: DatabaseSync;
  readonly #signal: LogSignal;
  readonly #selects: StatementSync[] = [];
  #closed = false;

  constructor(db: DatabaseSync, signal: LogSignal) {
    this.partitions = signal.partitions;
    this.#db = db;
    this.#signal = signal;
    for (let partition = 0; partition < this.partitions; partition++) {
      this.#selects.push(db.prepare(
        `SELECT "offset", events, project, received_at, value, traceparent FROM ${
          recordTable(partition)
        }
         WHERE "offset" >= ? ORDER BY "offset"`,
      ));
    }
  }

  async read(partition: number, fromOffset: number, maxBytes: number): Promise<LogRecord[]> {
    assert.ok(partition >= 0 && partition < this.partitions, `no partition ${partition}`);
    assert.ok(Number.isSafeInteger(fromOffset) && fromOffset >= 0, `no offset ${fromOffset}`);
    try {
      const records = this.#select(partition, fromOffset, maxBytes);
      this.#assertStart(partition, fromOffset, records.at(0)?.offset);
      return records;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      throw toLogError(error, `cannot read partition ${partition} of the log`);
    }
  }

  highWater(partition: number): number {
    return this.#signal.highWater(partition);
  }

  token(): number {
    return this.#signal.token();
  }

  appended(token: number): Promise<void> {
    return this.#signal.announced(token, () => this.#closed);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.wake();
    this.#db.close();
  }

  #select(partition: number, fromOffset: number, maxBytes: number): LogRecord[] {
    const records: LogRecord[] = [];
    let bytes = 0;
    let expected = -1;
    // Leaving the loop early ends the statement, and with it the snapshot.
    for (const row of this.#selects[partition].iterate(fromOffset) as Iterable<unknown>) {
      const { offset, events, project, received_at: receivedAtMs, value } = row as RecordRow;
      const { traceparent } = row as RecordRow;
      if (expected !== -1 && offset !== expected) throw gap(partition, expected, offset);
      expected = offset + events;
      const nextOffset = expected;
      const record = { partition, offset, nextOffset, events, project, receivedAtMs, value };
      records.push(traceparent === null ? record : { ...record, traceparent });
      bytes += value.length;
      if (bytes >= maxBytes) break;
    }
    return records;
  }

  /**
   * Reading must begin where it was asked to, unless that part was trimmed. Looks again in ONE
   * statement, that is one snapshot: since the read, a record may have come to stand there.
   */
  #assertStart(partition: number, fromOffset: number, first: number | undefined): void {
    if (first === fromOffset || fromOffset === this.highWater(partition)) return;
    const now = this.#lookAround(partition, fromOffset);
    if (now.first === fromOffset) return;
    const next = now.next ?? now.trimmed_to;
    if (fromOffset > next) {
      throw new LogError(
        "RTA_LOG_CORRUPT",
        `partition ${partition} of the log ends at ${next}, before the offset ${fromOffset} ` +
          "that was read already: the log was replaced or has lost records",
      );
    }
    if (fromOffset === next || fromOffset < now.trimmed_to) return;
    if (now.before !== null && now.before > fromOffset) {
      throw new RangeError(`no record begins at offset ${fromOffset}`);
    }
    throw gap(partition, fromOffset, now.first ?? next);
  }

  #lookAround(partition: number, offset: number): Surroundings {
    const table = recordTable(partition);
    return this.#db.prepare(
      `SELECT trimmed_to,
         (SELECT "offset" FROM ${table} WHERE "offset" >= ?1 ORDER BY "offset" LIMIT 1) AS first,
         (SELECT "offset" + events FROM ${table} WHERE "offset" < ?1
            ORDER BY "offset" DESC LIMIT 1) AS before,
         (SELECT "offset" + events FROM ${table} ORDER BY "offset" DESC LIMIT 1) AS next
       FROM partitions WHERE partition = ?2`,
    ).get(offset, partition) as unknown as Surroundings;
  }
}

function gap(partition: number, expected: number, found: number): LogError {
  return new LogError(
    "RTA_LOG_CORRUPT",
    `partition ${partition} of the log has a gap: ${found} stands where ${expected} should`,
  );
}
