/** Kafka's records as records of the log: how they are joined, ended and counted. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { linePlace, LogError, type LogRecord } from "../event_log.ts";
import { PartitionBuffer } from "./partition_buffer.ts";
import { ATTRIBUTES_AT, BASE_OFFSET_AT, CONTROL_FLAG, CRC_AT } from "./record_batch.ts";
import { crc32c } from "./crc32c.ts";
import { RecordBatchWriter, stampBatch } from "./record_batch_writer.ts";
import { encodeHeaders } from "./record_headers.ts";
import { writeInt16, writeInt32, writeInt64 } from "./wire_bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_HEADERS = Uint8Array.of(0);
const NO_KEY = { source: new Uint8Array(0), start: -1, end: -1 };
const BYTES_ENOUGH = 1 << 20;

interface Plain {
  readonly value: string;
  readonly headers?: Uint8Array;
  readonly timestampMs?: number;
}

const ours = (project: string, receivedAtMs: number) =>
  encodeHeaders(project, receivedAtMs, "json", 1);

function batch(baseOffset: number, records: readonly Plain[], attributes = 0): Uint8Array {
  const writer = new RecordBatchWriter(1 << 20);
  writer.reset(1 << 20);
  for (const { value, headers = NO_HEADERS, timestampMs = 5 } of records) {
    const bytes = encoder.encode(value);
    writer.add(timestampMs, NO_KEY, bytes, 0, bytes.length, headers);
  }
  const bytes = writer.seal("none").slice();
  writeInt64(bytes, BASE_OFFSET_AT, baseOffset);
  writeInt16(bytes, ATTRIBUTES_AT, attributes);
  stampBatch(bytes, { id: -1, epoch: -1 }, -1);
  return bytes;
}

function bufferOf(sets: readonly Uint8Array[], end: number, join = true): PartitionBuffer {
  const buffer = new PartitionBuffer("t", 3, 0, { projectDefault: "default", join });
  for (const bytes of sets) buffer.add({ bytes, aborted: [] }, end);
  return buffer;
}

function plainly(records: readonly LogRecord[]) {
  return records.map(({ offset, nextOffset, events, value, format, foreign }) => ({
    at: [offset, nextOffset],
    events,
    text: decoder.decode(value),
    format,
    foreign,
  }));
}

Deno.test("read() joins single events of one origin", () => {
  const [p, q] = [ours("p", 1), ours("q", 1)];
  const buffer = bufferOf([
    batch(0, [{ value: "a", headers: p }, { value: "b", headers: p }]),
    batch(2, [{ value: "c", headers: p }, { value: "d", headers: q }]),
    batch(4, [{ value: "e", headers: ours("q", 2) }]),
  ], 5);
  const records = buffer.read(BYTES_ENOUGH);
  assert.deepEqual(
    records.map(({ project, receivedAtMs, value, offset, nextOffset, events }) => [
      project,
      receivedAtMs,
      decoder.decode(value),
      offset,
      nextOffset,
      events,
    ]),
    [["p", 1, "a\nb\nc\n", 0, 3, 3], ["q", 1, "d\n", 3, 4, 1], ["q", 2, "e\n", 4, 5, 1]],
  );
  assert.equal(buffer.highWater, 5);
  assert.ok(buffer.isEmpty);
});

Deno.test("read() joins foreign lines of one time, and takes the time that they bear", () => {
  const buffer = bufferOf([
    batch(0, [
      { value: "{}", timestampMs: 7 },
      { value: "[]", timestampMs: 7 },
      { value: "1", timestampMs: 8 },
    ]),
  ], 3);
  const records = buffer.read(BYTES_ENOUGH);
  assert.deepEqual(records.map(({ receivedAtMs }) => receivedAtMs), [7, 8]);
  assert.deepEqual(plainly(records), [
    { at: [0, 2], events: 2, text: "{}\n[]\n", format: "ndjson", foreign: true },
    { at: [2, 3], events: 1, text: "1\n", format: "ndjson", foreign: true },
  ]);
});

Deno.test("read() leaves values of several lines, and of none, as they are", () => {
  const pretty = '{\n  "id": "x"\n}';
  const buffer = bufferOf([
    batch(0, [{ value: "a" }, { value: pretty }, { value: "" }, { value: "\n" }, { value: "b" }]),
  ], 5);
  const alone = { events: 1, format: "json", foreign: true };
  assert.deepEqual(plainly(buffer.read(BYTES_ENOUGH)), [
    { at: [0, 1], events: 1, text: "a\n", format: "ndjson", foreign: true },
    { at: [1, 2], text: pretty, ...alone },
    { at: [2, 3], text: "", ...alone },
    { at: [3, 4], text: "\n", ...alone },
    { at: [4, 5], events: 1, text: "b\n", format: "ndjson", foreign: true },
  ]);
});

Deno.test("read() ends the last line of a record of many", () => {
  const lines = (events: number) => encodeHeaders("p", 1, "ndjson", events);
  const buffer = bufferOf([
    batch(0, [{ value: "a\nb\n", headers: lines(2) }, { value: "c\nd", headers: lines(2) }]),
  ], 2);
  const records = buffer.read(BYTES_ENOUGH);
  assert.deepEqual(plainly(records), [
    { at: [0, 1], events: 2, text: "a\nb\n", format: "ndjson", foreign: false },
    { at: [1, 2], events: 2, text: "c\nd\n", format: "ndjson", foreign: false },
  ]);
  assert.deepEqual(linePlace(records[1], 1), { offset: 1, line: 1 });
});

Deno.test("read() knows each line's offset where offsets are skipped", () => {
  const p = ours("p", 1);
  const one = (value: string) => [{ value, headers: p }];
  const buffer = bufferOf([
    batch(3, [...one("a"), ...one("b")]),
    batch(9, one("c")),
    batch(10, one("control"), CONTROL_FLAG),
  ], 11);
  const [record] = buffer.read(BYTES_ENOUGH);
  assert.deepEqual([record.offset, record.nextOffset], [3, 11]);
  assert.deepEqual([0, 1, 2].map((line) => linePlace(record, line).offset), [3, 4, 9]);
});

Deno.test("highWater does not count control records behind the last event", () => {
  const buffer = bufferOf([batch(0, [{ value: "a" }])], 2);
  assert.equal(buffer.highWater, 2);
  buffer.read(BYTES_ENOUGH);
  assert.equal(buffer.highWater, 2);
  buffer.add({ bytes: batch(1, [{ value: "end" }], CONTROL_FLAG), aborted: [] }, 2);
  assert.deepEqual(buffer.read(BYTES_ENOUGH), []);
  assert.equal(buffer.highWater, 1);
  assert.equal(buffer.fetchOffset, 2);
});

Deno.test("highWater is ahead of the place until the broker was heard", () => {
  const buffer = new PartitionBuffer("t", 0, 40, { projectDefault: "default", join: true });
  assert.equal(buffer.highWater, 41);
  buffer.add({ bytes: new Uint8Array(0), aborted: [] }, 40);
  assert.equal(buffer.highWater, 40);
});

Deno.test("read() gives one record for each of Kafka's when it does not join", () => {
  const values = ["a", "b\nc", "", "d\n"];
  const buffer = bufferOf([batch(0, values.map((value) => ({ value })))], 4, false);
  const records = buffer.read(BYTES_ENOUGH);
  assert.deepEqual(records.map(({ value }) => decoder.decode(value)), values);
  assert.deepEqual(records.map(({ nextOffset }) => nextOffset), [1, 2, 3, 4]);
});

Deno.test("read() gives what is whole before it tells of damage", () => {
  const bad = batch(2, [{ value: "x" }]);
  bad[bad.length - 1] ^= 1;
  const buffer = bufferOf([batch(0, [{ value: "a" }, { value: "b" }]), bad], 3);
  const records = buffer.read(BYTES_ENOUGH);
  assert.deepEqual(plainly(records).map(({ text, at }) => [text, at]), [["a\nb\n", [0, 2]]]);
  for (let again = 0; again < 2; again++) {
    assert.throws(
      () => buffer.read(BYTES_ENOUGH),
      (error) => error instanceof LogError && error.code === "RTA_LOG_CORRUPT",
    );
  }
  buffer.moveTo(1);
  buffer.add({ bytes: batch(0, [{ value: "a" }, { value: "b" }]), aborted: [] }, 3);
  assert.equal(buffer.read(BYTES_ENOUGH)[0].offset, 1);
});

Deno.test("read() gives the same events at the same places, however it is cut", () => {
  const value = fc.oneof(fc.constantFrom("a", "bb", "c\nd", ""), fc.string({ maxLength: 30 }));
  const origin = fc.constantFrom(NO_HEADERS, ours("p", 1), ours("p", 2), ours("q", 1));
  const records = fc.array(fc.record({ value, headers: origin, timestampMs: fc.nat(2) }), {
    minLength: 1,
    maxLength: 15,
  });
  const batches = fc.array(fc.tuple(records, fc.nat(2)), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(batches, fc.integer({ min: 1, max: 60 }), (plan, bytesMax) => {
    let offset = 0;
    const expected: string[] = [];
    const sets = plan.map(([own, skipped]) => {
      offset += skipped;
      own.forEach((record, i) => expected.push(`${offset + i} ${record.value}`));
      const bytes = batch(offset, own);
      offset += own.length;
      return bytes;
    });
    const buffer = bufferOf(sets, offset);
    const seen: string[] = [];
    for (let place = 0;;) {
      const read = buffer.read(bytesMax);
      if (read.length === 0) break;
      for (const record of read) {
        assert.ok(record.offset >= place && record.nextOffset > record.offset);
        place = record.nextOffset;
        seen.push(...eventsOf(record));
      }
    }
    assert.deepEqual(seen, expected);
    assert.equal(buffer.readOffset, offset);
    assert.equal(buffer.bytes, 0);
  }));
});

function eventsOf(record: LogRecord): string[] {
  const text = decoder.decode(record.value);
  if (record.format === "json") return [`${record.offset} ${text}`];
  const lines = text.split("\n").slice(0, -1);
  assert.equal(lines.length, record.events);
  return lines.map((line, index) => `${linePlace(record, index).offset} ${line}`);
}

Deno.test("the checksum of a test batch is right", () => {
  const bytes = batch(0, [{ value: "a" }]);
  const said = new DataView(bytes.buffer).getUint32(CRC_AT);
  assert.equal(said, crc32c(bytes, ATTRIBUTES_AT, bytes.length));
  writeInt32(bytes, CRC_AT, 0);
  assert.throws(() => bufferOf([bytes], 1).read(1), LogError);
});
