/**
 * Builds one record batch straight from lines: no object per record, every byte copied once. The
 * layout is that of record_batch.ts.
 *
 * The producer's id, epoch and sequence are stamped last, and can be stamped anew: the same batch is
 * sent again under another producer id when the old one was given up.
 */
import assert from "node:assert/strict";
import { crc32c } from "./crc32c.ts";
import { codecNumber, type Compression, pack } from "./codecs.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_PREFIX_BYTES,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  MAGIC,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORDS_AT,
} from "./record_batch.ts";
import { varintBytes, writeInt16, writeInt32, writeInt64, writeVarint } from "./wire_bytes.ts";

/** Who produces: a broker's answer to InitProducerId. */
export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

/** The bytes `source[start, end)`. */
export interface RecordKey {
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Most bytes that a record adds to its key, value and headers: five varints and the attributes. */
const RECORD_OVERHEAD_BYTES_MAX = 5 * 5 + 1;
/** Times of one batch lie closer together than this, ms: their differences are written in 32 bits. */
const TIME_SPAN_MS_MAX = 2 ** 30;

/** One batch at a time; the bytes of the last one are valid until reset(). */
export class RecordBatchWriter {
  /** Records of the batch that is being built. */
  records = 0;
  readonly #bytes: Uint8Array;
  #limit: number;
  #at = BATCH_HEADER_BYTES;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;

  /** @param bytesMax no batch gets longer, packed or not */
  constructor(bytesMax: number) {
    this.#bytes = new Uint8Array(bytesMax);
    this.#limit = bytesMax;
  }

  /** Begins a new batch of at most `bytesMax`, and never more than the writer was made for. */
  reset(bytesMax: number): void {
    this.records = 0;
    this.#at = BATCH_HEADER_BYTES;
    this.#limit = Math.min(bytesMax, this.#bytes.length);
  }

  /** Whether a record of that time (ms), key, value and headers together of `bytes`, surely fits. */
  hasRoomFor(bytes: number, timestampMs: number): boolean {
    if (bytes > this.room) return false;
    return this.records === 0 || Math.abs(timestampMs - this.#baseTimestampMs) < TIME_SPAN_MS_MAX;
  }

  /** Bytes of key, value and headers that one more record may have. */
  get room(): number {
    return this.#limit - this.#at - RECORD_OVERHEAD_BYTES_MAX;
  }

  /**
   * Adds a record: its value is `source[start, end)`, its headers as encodeHeaders() gives them, its
   * time in whole ms. A key that starts at -1 is null.
   */
  add(
    timestampMs: number,
    key: RecordKey,
    source: Uint8Array,
    start: number,
    end: number,
    headers: Uint8Array,
  ): void {
    if (this.records === 0) this.#baseTimestampMs = this.#maxTimestampMs = timestampMs;
    else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const keyLength = key.start < 0 ? -1 : key.end - key.start;
    const length = end - start;
    const timestampDelta = timestampMs - this.#baseTimestampMs;
    const bodyBytes = 1 + varintBytes(timestampDelta) + varintBytes(this.records) +
      varintBytes(keyLength) + Math.max(0, keyLength) + varintBytes(length) + length +
      headers.length;
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#at, bodyBytes);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, this.records);
    at = writeVarint(bytes, at, keyLength);
    for (let i = 0; i < keyLength; i++) bytes[at++] = key.source[key.start + i];
    at = writeVarint(bytes, at, length);
    bytes.set(source.subarray(start, end), at);
    at += length;
    bytes.set(headers, at);
    this.#at = at + headers.length;
    this.records++;
  }

  /** Ends the batch: packs it and fills its header in. stampBatch() is still to be called. */
  seal(compression: Compression): Uint8Array {
    assert.ok(this.records > 0, "a batch has records");
    const records = this.#bytes.subarray(BATCH_HEADER_BYTES, this.#at);
    const packed = pack(compression, records);
    // Bytes that do not pack are sent as they are: never longer than the batch's limit.
    const plain = packed.length >= records.length;
    const end = BATCH_HEADER_BYTES + (plain ? records.length : packed.length);
    const header = this.#bytes;
    if (!plain) header.set(packed, BATCH_HEADER_BYTES);
    writeInt64(header, BASE_OFFSET_AT, 0);
    writeInt32(header, BATCH_LENGTH_AT, end - BATCH_PREFIX_BYTES);
    writeInt32(header, LEADER_EPOCH_AT, -1);
    header[MAGIC_AT] = MAGIC;
    writeInt16(header, ATTRIBUTES_AT, plain ? 0 : codecNumber(compression));
    writeInt32(header, LAST_OFFSET_DELTA_AT, this.records - 1);
    writeInt64(header, BASE_TIMESTAMP_AT, this.#baseTimestampMs);
    writeInt64(header, MAX_TIMESTAMP_AT, this.#maxTimestampMs);
    writeInt32(header, RECORDS_AT, this.records);
    return header.subarray(0, end);
  }
}

/** Says who sends the batch, and its place among all that this producer sends to the partition. */
export function stampBatch(batch: Uint8Array, producer: ProducerIdentity, sequence: number): void {
  writeInt64(batch, PRODUCER_ID_AT, producer.id);
  writeInt16(batch, PRODUCER_EPOCH_AT, producer.epoch);
  writeInt32(batch, BASE_SEQUENCE_AT, sequence);
  writeInt32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT, batch.length));
}
