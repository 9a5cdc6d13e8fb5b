/**
 * Walks what a fetch brought: batch by batch, and within a batch record by record, noting where key,
 * value and headers lie. No object is made per record. Batches of aborted transactions and control
 * batches are passed over, as readers of committed records must.
 */
import { crc32c } from "./crc32c.ts";
import { unpack } from "./codecs.ts";
import { LogError } from "../event_log.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_PREFIX_BYTES,
  BROKER_TIME_FLAG,
  CODEC_MASK,
  CONTROL_FLAG,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  MAGIC,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_ID_AT,
  RECORDS_AT,
  TRANSACTION_FLAG,
} from "./record_batch.ts";
import { readInt16, readInt32, readInt64 } from "./wire_bytes.ts";

/** A transaction that was given up: its records begin at that offset. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** The record set of one partition in one fetch. */
export interface RecordSet {
  readonly bytes: Uint8Array;
  /** In ascending order of their first offsets. */
  readonly aborted: readonly AbortedTransaction[];
}

/** Gives memory back at once: the collector comes late for what lies outside the heap. */
function release({ buffer, byteLength }: Uint8Array): void {
  const whole = byteLength === buffer.byteLength && byteLength > 0;
  if (whole && buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}

const NO_RECORDS: RecordSet = { bytes: new Uint8Array(0), aborted: [] };

/** The offset after the last whole batch of `bytes`; -1 when there is none. */
export function endOfBatches(bytes: Uint8Array): number {
  let end = -1;
  for (let at = 0; wholeBatchAt(bytes, at); at = batchEnd(bytes, at)) {
    end = readInt64(bytes, at + BASE_OFFSET_AT) + readInt32(bytes, at + LAST_OFFSET_DELTA_AT) + 1;
  }
  return end;
}

/**
 * Reads one record set after the other. The fields say where the current record lies; each next()
 * fills them again.
 */
export class RecordBatchReader {
  /** The bytes that the positions below are in. */
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  /** When the record says it was made, ms since the epoch; -1 = it says nothing. */
  timestampMs = 0;
  /** -1 = null. */
  keyStart = -1;
  keyEnd = -1;
  /** -1 = null. */
  valueStart = -1;
  valueEnd = -1;
  /** From the number of headers on. */
  headersStart = 0;
  headersEnd = 0;
  /** The offset after all that was passed, the current record included. */
  passedOffset = 0;
  /** Bytes of the sets that were not read to their end. */
  setBytes = 0;

  readonly #topic: string;
  readonly #waiting: RecordSet[] = [];
  #set: RecordSet = NO_RECORDS;
  #batchAt = 0;
  #abortedAt = 0;
  /** Producers whose current transaction was given up. */
  readonly #aborting = new Set<number>();
  /** Records of the current batch that are left. */
  #left = 0;
  #at = 0;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  /** The broker's timestamp for the whole batch, or -1. */
  #brokerTimeMs = -1;
  /** passedOffset once the current batch is through. */
  #batchEndOffset = 0;

  /** @param topic what errors name */
  constructor(topic: string) {
    this.#topic = topic;
  }

  /** Adds a set to be read when those before it are through; its bytes are given to the reader. */
  push(set: RecordSet): void {
    this.#waiting.push(set);
    this.setBytes += set.bytes.length;
  }

  /** Forgets all sets; the place is to be `offset`. */
  clear(offset: number): void {
    this.#waiting.length = 0;
    this.setBytes = 0;
    this.#left = 0;
    this.passedOffset = offset;
    this.#open(NO_RECORDS);
  }

  /**
   * Goes to the next record with an offset of at least `fromOffset`; false when there is none.
   * @throws LogError RTA_LOG_CORRUPT on damage, RTA_LOG_UNAVAILABLE on formats before Kafka 0.11.
   */
  next(fromOffset: number): boolean {
    for (;;) {
      while (this.#left > 0) {
        this.#readRecord();
        this.#left--;
        this.passedOffset = this.#left > 0 ? this.offset + 1 : this.#batchEndOffset;
        if (this.offset >= fromOffset) return true;
      }
      if (this.#openBatch(fromOffset)) continue;
      this.setBytes -= this.#set.bytes.length;
      release(this.#set.bytes);
      const set = this.#waiting.shift();
      this.#open(set ?? NO_RECORDS);
      if (set === undefined) return false;
    }
  }

  #open(set: RecordSet): void {
    this.#set = set;
    this.#batchAt = 0;
    this.#abortedAt = 0;
    this.#aborting.clear();
    this.bytes = set.bytes;
  }

  /** Goes to the next batch that has records to give. */
  #openBatch(fromOffset: number): boolean {
    const { bytes } = this.#set;
    while (wholeBatchAt(bytes, this.#batchAt)) {
      const at = this.#batchAt;
      if (bytes[at + MAGIC_AT] !== MAGIC) throw this.#oldFormat(bytes[at + MAGIC_AT]);
      this.#batchAt = batchEnd(bytes, at);
      this.#baseOffset = readInt64(bytes, at + BASE_OFFSET_AT);
      this.#batchEndOffset = this.#baseOffset + readInt32(bytes, at + LAST_OFFSET_DELTA_AT) + 1;
      const attributes = readInt16(bytes, at + ATTRIBUTES_AT);
      const given = this.#isCommitted(at, attributes) && this.#batchEndOffset > fromOffset;
      if (given) this.#enter(at, attributes);
      if (this.#left > 0) return true;
      this.passedOffset = this.#batchEndOffset;
    }
    return false;
  }

  #enter(at: number, attributes: number): void {
    const { bytes } = this.#set;
    const end = this.#batchAt;
    if (crc32c(bytes, at + ATTRIBUTES_AT, end) !== readInt32(bytes, at + CRC_AT) >>> 0) {
      throw this.#damaged("has a wrong checksum");
    }
    this.#left = readInt32(bytes, at + RECORDS_AT);
    this.#baseTimestampMs = readInt64(bytes, at + BASE_TIMESTAMP_AT);
    const brokerTime = (attributes & BROKER_TIME_FLAG) !== 0;
    this.#brokerTimeMs = brokerTime ? readInt64(bytes, at + MAX_TIMESTAMP_AT) : -1;
    const codec = attributes & CODEC_MASK;
    if (codec === 0) {
      this.bytes = end === bytes.length ? bytes : bytes.subarray(0, end);
      this.#at = at + BATCH_HEADER_BYTES;
    } else {
      this.bytes = unpack(codec, bytes.subarray(at + BATCH_HEADER_BYTES, end));
      this.#at = 0;
    }
  }

  /** Follows the transactions: false for records that were never committed, and for their ends. */
  #isCommitted(at: number, attributes: number): boolean {
    const { bytes, aborted } = this.#set;
    while (
      this.#abortedAt < aborted.length &&
      aborted[this.#abortedAt].firstOffset < this.#batchEndOffset
    ) {
      this.#aborting.add(aborted[this.#abortedAt++].producerId);
    }
    if ((attributes & TRANSACTION_FLAG) === 0) return (attributes & CONTROL_FLAG) === 0;
    const producerId = readInt64(bytes, at + PRODUCER_ID_AT);
    if ((attributes & CONTROL_FLAG) === 0) return !this.#aborting.has(producerId);
    // A transaction of that producer has ended, this way or that.
    this.#aborting.delete(producerId);
    return false;
  }

  #readRecord(): void {
    const bytes = this.bytes;
    const length = this.#varint();
    const end = this.#at + length;
    this.#at++; // attributes, unused
    const timestampDelta = this.#varint();
    this.timestampMs = this.#brokerTimeMs >= 0
      ? this.#brokerTimeMs
      : this.#baseTimestampMs + timestampDelta;
    this.offset = this.#baseOffset + this.#varint();
    const keyLength = this.#varint();
    this.keyStart = keyLength < 0 ? -1 : this.#at;
    if (keyLength > 0) this.#at += keyLength;
    this.keyEnd = keyLength < 0 ? -1 : this.#at;
    const valueLength = this.#varint();
    this.valueStart = valueLength < 0 ? -1 : this.#at;
    if (valueLength > 0) this.#at += valueLength;
    this.valueEnd = valueLength < 0 ? -1 : this.#at;
    this.headersStart = this.#at;
    this.headersEnd = end;
    if (!(this.headersStart < end && end <= bytes.length && length > 0)) {
      throw this.#damaged("holds a record that ends beyond it");
    }
    this.#at = end;
  }

  /** A zigzag varint of up to 64 bits. */
  #varint(): number {
    const bytes = this.bytes;
    let at = this.#at;
    let byte = bytes[at++];
    let value = byte & 0x7f;
    let unit = 128;
    while (byte >= 0x80) {
      byte = bytes[at++];
      value += (byte & 0x7f) * unit;
      unit *= 128;
    }
    this.#at = at;
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #damaged(how: string): LogError {
    const where = `the batch at offset ${this.#baseOffset} of ${this.#topic}`;
    return new LogError("RTA_LOG_CORRUPT", `${where} ${how}`);
  }

  #oldFormat(magic: number): LogError {
    const what = `${this.#topic} holds records of message format ${magic}`;
    return new LogError("RTA_LOG_UNAVAILABLE", `${what}; Kafka 0.11 and later write format 2`);
  }
}

/** A fetch may end in the middle of a batch. */
function wholeBatchAt(bytes: Uint8Array, at: number): boolean {
  return at + BATCH_PREFIX_BYTES <= bytes.length && batchEnd(bytes, at) <= bytes.length;
}

function batchEnd(bytes: Uint8Array, at: number): number {
  return at + BATCH_PREFIX_BYTES + Math.max(0, readInt32(bytes, at + BATCH_LENGTH_AT));
}
