/**
 * The EventLog port: the durable, partitioned, ordered log between ingest and the shards.
 *
 * A record is one or more events (NDJSON lines, each ended by "\n"), all of one project and one
 * partition. Offsets are opaque to callers but for their order: `nextOffset` of one record is where
 * to read on, and the place to resume at.
 *
 * What an offset counts is the log's own affair. The embedded log counts events, without holes: the
 * record after one that ends at `nextOffset` has that very offset. On Kafka an offset is that of a
 * Kafka record, which may hold one event or many, and offsets may be skipped (control records,
 * aborted transactions, compaction, retention): the next record's offset is `nextOffset` OR MORE.
 * linePlace() says where one line stands.
 *
 * Contract (held by tests/contract/event_log_contract.ts over every adapter):
 * - batches of one append may be joined to one record, but never of different traces; its
 *   receivedAtMs is then the newest of theirs;
 * - append resolves only once every batch is durable (fsync / acks=all); it rejects with a
 *   LogError whose code is stable, and then nothing or only some of the batches are in the log;
 * - records of one partition are read in the order they were appended, none left out;
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
  /** Of the request that the lines came with (W3C); missing or null = it was of no trace. */
  readonly traceparent?: string | null;
  /** How many lines `value` holds, at least 1. */
  readonly events: number;
  /** UTF-8 NDJSON, one canonical event a line, each line ended by 0x0a. */
  readonly value: Uint8Array;
}

/** A record as a reader sees it; it may be several of the log's own records in one. */
export interface LogRecord {
  readonly partition: number;
  readonly offset: number;
  /** Where to read on: beyond `offset`, and beyond all lines of this record. */
  readonly nextOffset: number;
  /** How many lines `value` holds; 1 with format "json". */
  readonly events: number;
  readonly project: string;
  /** When the platform took the events in; of a foreign record, the time that it bears itself. */
  readonly receivedAtMs: number;
  /** Of the request that all its events came with (W3C); missing = of none, or of foreign form. */
  readonly traceparent?: string;
  readonly value: Uint8Array;
  /**
   * "ndjson": lines, each one event and ended by 0x0a. "json": ONE value, that may go over several
   * lines and may lack the newline at its end, or be no JSON at all, or have no bytes. Default:
   * "ndjson".
   */
  readonly format?: "ndjson" | "json";
  /**
   * Written by somebody else than our ingest: nothing was checked, events may lack an id and a
   * timestamp. Default: false.
   */
  readonly foreign?: boolean;
  /**
   * Where the lines stand. Absent: line i at `offset` + i. "shared": all in the one record of the
   * log at `offset`. An array: line i at lineOffsets[i], offsets being skipped in between.
   */
  readonly lineOffsets?: "shared" | readonly number[];
}

/** Where one line of a record stands in the log. */
export interface LinePlace {
  readonly offset: number;
  /** Which line of the log's record at that offset, from 0; 0 where each line has its own offset. */
  readonly line: number;
}

/** The place of line `index` of `record`: names the event for good, however records were joined. */
export function linePlace(record: LogRecord, index: number): LinePlace {
  const { offset, lineOffsets } = record;
  if (lineOffsets === undefined) return { offset: offset + index, line: 0 };
  if (lineOffsets === "shared") return { offset, line: index };
  return { offset: lineOffsets[index], line: 0 };
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
  /** How many partitions the log has; on Kafka it may grow while reading. */
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
   * resolves what waits. A pending wait alone does not keep a thread's event loop alive; connections
   * to a log's server do.
   */
  token(): number;
  appended(token: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * A reader whose partitions are dealt out by the log: one member of a consumer group.
 *
 * Which partitions are its own is told by generations. A partition is read only after
 * startPartition(), at the place that the caller knows, and from then on through all generations
 * until stopPartition(): the caller stops those that a generation leaves out. read() of a partition
 * that was not started gives nothing.
 */
export interface AssignedLogReader extends EventLogReader {
  /** Bytes that were fetched and not read yet, all partitions together. */
  readonly bufferedBytes: number;
  /** Whether the log answers, as far as is known: false from the first failure on until it does. */
  readonly connected: boolean;
  /** Started partitions that are not fetched for now, because too much waits to be read. */
  readonly pausedPartitions: readonly number[];
  /**
   * Joins the group; from now on `onAssignment` is called with each generation's partitions, in
   * ascending order, also with none. Resolves once the first generation was told. Rejects with
   * RTA_LOG_UNAVAILABLE when closed before; until then it goes on trying.
   */
  join(onAssignment: (partitions: readonly number[]) => void): Promise<void>;
  /** Begins to deliver this partition's records from `offset`; starting anew moves the place. */
  startPartition(partition: number, offset: number): void;
  /** Forgets this partition: what is buffered of it, and its place. */
  stopPartition(partition: number): void;
  /**
   * Tells the log how far the store is, by partition; for lag tools only, nothing is ever read back.
   * Failures are logged, never thrown.
   */
  reportStored(offsets: ReadonlyMap<number, number>): Promise<void>;
}

/** Stable codes of a log that cannot do its work. */
export type LogErrorCode =
  | "RTA_LOG_UNAVAILABLE"
  | "RTA_LOG_FULL"
  | "RTA_LOG_CORRUPT"
  | "RTA_LOG_PARTITIONS_CHANGED";

/** More about a LogError. */
export interface LogErrorOptions extends ErrorOptions {
  /** See LogError.failedBatches. */
  readonly failedBatches?: readonly number[];
}

/** An operating failure of the log. */
export class LogError extends Error {
  /**
   * Of a failed append: the indexes of the batches that are not in the log, or only in part, all
   * others being durable. Null where any of them may be in the log or not.
   */
  readonly failedBatches: readonly number[] | null;

  constructor(readonly code: LogErrorCode, message: string, options?: LogErrorOptions) {
    super(message, options);
    this.name = "LogError";
    this.failedBatches = options?.failedBatches ?? null;
  }
}
