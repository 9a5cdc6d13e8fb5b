/**
 * One partition as a reader holds it: what was fetched and not read yet, where to fetch on, where to
 * read on. Records are taken apart only when they are read, so what waits takes the memory that it
 * took on the wire, packed or not.
 */
import { LogError, type LogRecord } from "../event_log.ts";
import { endOfBatches, RecordBatchReader, type RecordSet } from "./record_batch_reader.ts";
import { type JoinOptions, RecordJoiner } from "./record_joiner.ts";

export class PartitionBuffer {
  /** Where the next fetch is to begin. */
  fetchOffset: number;
  /** Where the next record is read: nextOffset of the last one. */
  readOffset: number;
  /** What keeps the partition from being read; thrown by read() once what was fetched is used up. */
  failure: LogError | null = null;
  readonly #reader: RecordBatchReader;
  readonly #joiner: RecordJoiner;
  /** Records before it were deleted, even if they still come along in a batch. */
  #oldestOffset = 0;
  /** The reader stands at a record that was not taken yet. */
  #atRecord = false;
  /** End of what a reader of committed records may see, as the broker said last; -1 = unknown. */
  endOffset = -1;

  constructor(topic: string, readonly partition: number, offset: number, options: JoinOptions) {
    this.#reader = new RecordBatchReader(`partition ${partition} of ${topic}`);
    this.#joiner = new RecordJoiner(partition, options);
    this.fetchOffset = this.readOffset = offset;
  }

  /** Fetched bytes that were not read to their end. */
  get bytes(): number {
    return this.#reader.setBytes;
  }

  /** Whether there is nothing to read before something is fetched. */
  get isEmpty(): boolean {
    return !this.#atRecord && this.#reader.setBytes === 0;
  }

  /** Forgets what was fetched, and goes on at `offset`. */
  moveTo(offset: number): void {
    this.#reader.clear(offset);
    this.#atRecord = false;
    this.failure = null;
    this.#oldestOffset = 0;
    this.fetchOffset = this.readOffset = offset;
  }

  /** Goes on at the oldest record that is kept; the place to read at stays where it was. */
  skipTo(oldestOffset: number): void {
    this.#oldestOffset = oldestOffset;
    this.fetchOffset = oldestOffset;
  }

  /** Takes what a fetch at `fetchOffset` brought, and moves that on. */
  add(set: RecordSet, endOffset: number): void {
    this.endOffset = endOffset;
    const end = endOfBatches(set.bytes);
    if (end <= this.fetchOffset) return;
    this.fetchOffset = end;
    // A copy, lest a little that waits here keeps the whole answer of all partitions in memory.
    this.#reader.push({ bytes: set.bytes.slice(), aborted: set.aborted });
  }

  /**
   * Where the partition ends. When all there is was read, that is where the reading stands, whatever
   * control records lie behind; when the broker has not said, at least one more record is supposed.
   */
  get highWater(): number {
    if (this.endOffset < 0) return Math.max(this.fetchOffset, this.readOffset + 1);
    const readAll = this.isEmpty && this.fetchOffset >= this.endOffset;
    return readAll ? this.readOffset : Math.max(this.endOffset, this.readOffset);
  }

  /** Records up to the one that brings their values to `bytesMax`. Throws `failure`. */
  read(bytesMax: number): LogRecord[] {
    const records: LogRecord[] = [];
    if (!this.#atRecord && this.#reader.setBytes > 0) this.#next();
    for (let bytes = 0; this.#atRecord && bytes < bytesMax;) {
      const record = this.#joiner.take(this.#reader, bytesMax - bytes, () => this.#next());
      this.readOffset = record.nextOffset;
      records.push(record);
      // Values without bytes count too, lest a run of them is read without end.
      bytes += Math.max(1, record.value.length);
    }
    if (records.length === 0 && this.failure !== null) throw this.failure;
    return records;
  }

  /** What cannot be read is told once all before it was. */
  #next(): boolean {
    this.#atRecord = false;
    try {
      const from = Math.max(this.readOffset, this.#oldestOffset);
      if (this.failure === null) this.#atRecord = this.#reader.next(from);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.failure = error;
    }
    return this.#atRecord;
  }
}
