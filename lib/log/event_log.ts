/**
 * The EventLog port: the durable, partitioned, ordered log between ingest and the shards.
 *
 * A record is one or more events (NDJSON lines, each ended by "\n"), all of one project and one
 * partition. Offsets are opaque to callers but for their order: `nextOffset` of one record is where
 * the following record of that partition is found, and the place to resume at.
 *
 * Contract (held by tests/contract/event_log_contract.ts over every adapter):
 * - batches of one append may be joined to one record; its receivedAtMs is then the newest of theirs;
 * - append resolves only once every batch is durable (fsync / acks=all); it rejects with a
 *   LogError whose code is stable, and then nothing or only some of the batches are in the log;
 * - records of one partition are read in the order they were appended, without gaps;
 * - a read ends with the first record that brings it to maxBytes, so it is over by less than one
 *   record, and gives at least one record when there is one;
 * - reading can start at any offset that a record's `offset` or `nextOffset` named; where that part
 *   was trimmed, it starts at the oldest record kept, which the caller sees by its offset;
 * - reading from beyond the end rejects with RTA_LOG_CORRUPT: the log was replaced or lost records.
 */

/** One append: the lines of one project for one partition. */
export interface AppendBatch {
  readonly partition: number;
  readonly project: string;
  /** When the platform took the events in, ms since the epoch. */
  readonly receivedAtMs: number;
  /** How many lines `value` holds, at least 1. */
  readonly events: number;
  /** UTF-8 NDJSON, one canonical event a line, each line ended by 0x0a. */
  readonly value: Uint8Array;
}

/** A record as a reader sees it. */
export interface LogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;
  readonly events: number;
  readonly project: string;
  readonly receivedAtMs: number;
  readonly value: Uint8Array;
}

/** The producing side; one per process, owned by the writer worker. */
export interface EventLogWriter {
  readonly partitions: number;
  /** Appends the batches in order and resolves when all are durable. Throws LogError. */
  append(batches: readonly AppendBatch[]): Promise<void>;
  /** Next offset of a partition: where the next appended record will stand. */
  highWater(partition: number): number;
  /**
   * Forgets records that are stored and old: those wholly below `storedOffsets[partition]` and
   * received before `receivedBeforeMs`. Bounded work per call; returns how many records went.
   */
  trim(storedOffsets: readonly number[], receivedBeforeMs: number): Promise<number>;
  close(): Promise<void>;
}

/** The reading side; one per shard worker. */
export interface EventLogReader {
  readonly partitions: number;
  /**
   * Records of `partition` from `fromOffset` on, in order, about `maxBytes` of values at most. The
   * values are the caller's; give them back by releaseRecords() as soon as they are used up.
   */
  read(partition: number, fromOffset: number, maxBytes: number): Promise<LogRecord[]>;
  /** Next offset of a partition as far as known to this process: lag = highWater - stored. */
  highWater(partition: number): number;
  /**
   * A token for what has been appended so far; `appended(token)` resolves once more has been.
   * Take the token BEFORE reading, so that nothing slips between the read and the wait. close()
   * resolves what waits. A pending wait alone does not keep a thread's event loop alive.
   */
  token(): number;
  appended(token: number): Promise<void>;
  close(): Promise<void>;
}

/** Stable codes of a log that cannot do its work. */
export type LogErrorCode =
  | "RTA_LOG_UNAVAILABLE"
  | "RTA_LOG_FULL"
  | "RTA_LOG_CORRUPT"
  | "RTA_LOG_PARTITIONS_CHANGED";

/** An operating failure of the log. */
export class LogError extends Error {
  constructor(readonly code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LogError";
  }
}
