/** Record batches: what the writer makes, the reader reads; kafkajs is the oracle for both. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { RecordBatch } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import decodeBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import Decoder from "kafkajs/src/protocol/decoder.js";
import { LogError } from "../event_log.ts";
import { registerCodecs } from "./codecs.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  CONTROL_FLAG,
  CRC_AT,
  MAGIC_AT,
  TRANSACTION_FLAG,
} from "./record_batch.ts";
import { crc32c } from "./crc32c.ts";
import { type AbortedTransaction, endOfBatches, RecordBatchReader } from "./record_batch_reader.ts";
import { RecordBatchWriter, stampBatch } from "./record_batch_writer.ts";
import { encodeHeaders } from "./record_headers.ts";
import { readInt16, writeInt16, writeInt32, writeInt64 } from "./wire_bytes.ts";

registerCodecs();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Plain {
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string;
}

const plain = fc.record({
  timestampMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  key: fc.option(fc.string({ unit: "binary", maxLength: 70 })),
  value: fc.string({ unit: "binary", maxLength: 300 }),
});
const plains = fc.array(plain, { minLength: 1, maxLength: 20 });
const compression = fc.constantFrom("none" as const, "gzip" as const, "zstd" as const);
const headers = encodeHeaders("project", 12.5, "json", 1);

function written(
  records: readonly Plain[],
  packedBy: "none" | "gzip" | "zstd" = "none",
  baseOffset = 0,
  producerId = 7,
): Uint8Array {
  const writer = new RecordBatchWriter(100_000);
  writer.reset(100_000);
  for (const { timestampMs, key, value } of records) {
    const source = encoder.encode(key ?? "");
    const bytes = encoder.encode(value);
    const start = key === null ? -1 : 0;
    writer.add(timestampMs, { source, start, end: source.length }, bytes, 0, bytes.length, headers);
  }
  const batch = writer.seal(packedBy).slice();
  stampBatch(batch, { id: producerId, epoch: 3 }, 41);
  writeInt64(batch, BASE_OFFSET_AT, baseOffset);
  return batch;
}

/** What kafkajs's decoder gives. */
interface KafkajsBatch {
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastOffsetDelta: number;
  readonly maxTimestamp: string;
  readonly records: readonly {
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer;
    readonly headers: Readonly<Record<string, Buffer>>;
  }[];
}

interface Read extends Plain {
  readonly offset: number;
}

function readAll(
  bytes: Uint8Array,
  fromOffset = 0,
  aborted: readonly AbortedTransaction[] = [],
): { records: Read[]; passedOffset: number } {
  const reader = new RecordBatchReader("partition 0 of t");
  reader.push({ bytes: bytes.slice(), aborted });
  const text = (start: number, end: number) =>
    start < 0 ? null : decoder.decode(reader.bytes.slice(start, end));
  const records: Read[] = [];
  while (reader.next(fromOffset)) {
    records.push({
      offset: reader.offset,
      timestampMs: reader.timestampMs,
      key: text(reader.keyStart, reader.keyEnd),
      value: text(reader.valueStart, reader.valueEnd)!,
    });
  }
  assert.equal(reader.setBytes, 0);
  return { records, passedOffset: reader.passedOffset };
}

function asRead(records: readonly Plain[], baseOffset: number): Read[] {
  return records.map((record, index) => ({ offset: baseOffset + index, ...record }));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("RecordBatchReader.next() reads what RecordBatchWriter.seal() made", () => {
  fc.assert(fc.property(plains, plains, compression, fc.nat(40), (first, second, packed, from) => {
    const bytes = joined(
      written(first, packed, 0),
      written(second, packed, first.length),
    );
    const all = asRead([...first, ...second], 0);
    const { records, passedOffset } = readAll(bytes, from);
    assert.deepEqual(records, all.filter(({ offset }) => offset >= from));
    assert.equal(passedOffset, all.length);
    assert.equal(endOfBatches(bytes), all.length);
  }));
});

Deno.test("RecordBatchWriter.seal() makes what kafkajs reads", async () => {
  await fc.assert(fc.asyncProperty(plains, compression, async (records, packed) => {
    const batch: KafkajsBatch = await decodeBatch(
      new Decoder(Buffer.from(written(records, packed))),
    );
    assert.equal(Number(batch.producerId), 7);
    assert.equal(batch.producerEpoch, 3);
    assert.equal(batch.firstSequence, 41);
    assert.equal(batch.lastOffsetDelta, records.length - 1);
    const newest = Math.max(...records.map(({ timestampMs }) => timestampMs));
    assert.equal(Number(batch.maxTimestamp), newest);
    const seen = batch.records.map((record) => ({
      timestampMs: Number(record.timestamp),
      key: record.key === null ? null : record.key.toString(),
      value: record.value.toString(),
      headers: Object.entries(record.headers).map(([name, value]) => `${name}=${value}`),
    }));
    const told = ["project=project", "received_at=12.5", "format=json"];
    // Lone surrogates become U+FFFD when they are encoded.
    const wanted = records.map((record) => ({
      ...record,
      key: record.key?.toWellFormed() ?? null,
      value: record.value.toWellFormed(),
      headers: told,
    }));
    assert.deepEqual(seen, wanted);
  }));
});

Deno.test("RecordBatchReader.next() reads what kafkajs makes", async () => {
  await fc.assert(fc.asyncProperty(plains, fc.boolean(), async (records, packed) => {
    const firstTimestamp = records[0].timestampMs;
    const made = records.map(({ timestampMs, key, value }, offsetDelta) =>
      Record({ offsetDelta, timestampDelta: timestampMs - firstTimestamp, key, value })
    );
    const batch = await RecordBatch({
      compression: packed ? 1 : 0,
      firstTimestamp,
      maxTimestamp: firstTimestamp,
      lastOffsetDelta: records.length - 1,
      records: made,
    });
    assert.deepEqual(readAll(new Uint8Array(batch.buffer)).records, asRead(records, 0));
  }));
});

const some: readonly Plain[] = [
  { timestampMs: 1_700_000_000_000, key: "k", value: "a" },
  { timestampMs: 1_700_000_000_001, key: null, value: "" },
];

function marked(batch: Uint8Array, flags: number): Uint8Array {
  writeInt16(batch, ATTRIBUTES_AT, readInt16(batch, ATTRIBUTES_AT) | flags);
  writeInt32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT, batch.length));
  return batch;
}

Deno.test("RecordBatchReader.next() leaves out aborted transactions and control batches", () => {
  const data = (producer: number, base: number) =>
    marked(written(some, "none", base, producer), TRANSACTION_FLAG);
  const ends = (producer: number, base: number) =>
    marked(written(some.slice(1), "none", base, producer), TRANSACTION_FLAG | CONTROL_FLAG);
  // Producer 1 aborts its first transaction and commits its second, 2 commits, 3 has none.
  const bytes = joined(
    data(1, 0),
    data(2, 2),
    ends(1, 4),
    data(1, 5),
    written(some, "none", 7, 3),
    ends(2, 9),
    ends(1, 10),
  );
  const aborted = [{ producerId: 1, firstOffset: 0 }];
  const { records, passedOffset } = readAll(bytes, 0, aborted);
  assert.deepEqual(records.map(({ offset }) => offset), [2, 3, 5, 6, 7, 8]);
  assert.equal(passedOffset, 11);
  // A fetch that begins within the aborted transaction is told of it as well.
  assert.deepEqual(readAll(bytes, 1, aborted).records.map(({ offset }) => offset)[0], 2);
});

Deno.test("RecordBatchReader.next() reads on when a fetch ended within a batch", () => {
  const whole = joined(written(some, "none", 10), written(some, "none", 12));
  const cut = whole.slice(0, whole.length - 1);
  assert.equal(endOfBatches(cut), 12);
  assert.deepEqual(readAll(cut).records.map(({ offset }) => offset), [10, 11]);
  assert.equal(endOfBatches(whole.slice(0, 11)), -1);
});

Deno.test("RecordBatchReader.next() refuses damaged batches and old formats", () => {
  const good = written(some, "gzip");
  for (const at of [CRC_AT, ATTRIBUTES_AT, good.length - 1]) {
    const bad = good.slice();
    bad[at] ^= 0x40;
    assert.throws(() => readAll(bad), withCode("RTA_LOG_CORRUPT"));
  }
  const old = good.slice();
  old[MAGIC_AT] = 1;
  assert.throws(() => readAll(old), withCode("RTA_LOG_UNAVAILABLE"));
});

Deno.test("RecordBatchReader.next() refuses a record that ends beyond its batch", () => {
  const batch = written([{ timestampMs: 1, key: null, value: "abc" }]);
  batch[61] += 2; // the record's length, a varint
  writeInt32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT, batch.length));
  assert.throws(() => readAll(batch), withCode("RTA_LOG_CORRUPT"));
});

Deno.test("RecordBatchWriter.hasRoomFor() keeps times of one batch close together", () => {
  const writer = new RecordBatchWriter(1000);
  writer.reset(1000);
  const none = { source: new Uint8Array(0), start: -1, end: -1 };
  assert.ok(writer.hasRoomFor(100, 2 ** 31));
  writer.add(1000, none, new Uint8Array(3), 0, 3, headers);
  assert.ok(writer.hasRoomFor(100, 2000));
  assert.ok(!writer.hasRoomFor(100, 2 ** 31));
  assert.ok(!writer.hasRoomFor(1000, 2000));
  writer.reset(200);
  assert.ok(!writer.hasRoomFor(150, 2000));
});

function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof LogError && error.code === code;
}
