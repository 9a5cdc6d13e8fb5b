/** Batches of an append as record batches, read back by what readers use. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KAFKA_BATCH_BYTES_MAX } from "../../config/limits.ts";
import { type AppendBatch, type LogRecord } from "../event_log.ts";
import { AppendPlan, type RecordForm, type SealedBatch } from "./append_plan.ts";
import { PartitionBuffer } from "./partition_buffer.ts";
import { BASE_OFFSET_AT, BATCH_LENGTH_AT } from "./record_batch.ts";
import { RecordBatchReader } from "./record_batch_reader.ts";
import { stampBatch } from "./record_batch_writer.ts";
import { readInt32, writeInt64 } from "./wire_bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function item(project: string, receivedAtMs: number, lines: readonly string[]): AppendBatch {
  const value = encoder.encode(lines.map((line) => `${line}\n`).join(""));
  return { partition: 0, project, receivedAtMs, events: lines.length, value };
}

/** A sealed batch as it lies in the log at `offset`. */
function logged(batch: SealedBatch, offset: number): Uint8Array {
  assert.equal(readInt32(batch.bytes, BATCH_LENGTH_AT) + 12, batch.bytes.length);
  stampBatch(batch.bytes, { id: 1, epoch: 0 }, 0);
  const bytes = batch.bytes.slice();
  writeInt64(bytes, BASE_OFFSET_AT, offset);
  return bytes;
}

/** All record batches of a plan, as a reader sees them. */
function readBack(plan: AppendPlan): { records: LogRecord[]; batches: number } {
  const buffer = new PartitionBuffer("t", 0, 0, { projectDefault: "-", join: true });
  let offset = 0;
  let batches = 0;
  for (let batch = plan.next(); batch !== null; batch = plan.next()) {
    assert.ok(batch.bytes.length <= KAFKA_BATCH_BYTES_MAX);
    buffer.add({ bytes: logged(batch, offset), aborted: [] }, offset += batch.records);
    batches++;
  }
  const records: LogRecord[] = [];
  for (let more = buffer.read(1 << 20); more.length > 0; more = buffer.read(1 << 20)) {
    records.push(...more);
  }
  return { records, batches };
}

function linesOf(records: readonly LogRecord[]): string[] {
  return records.flatMap(({ project, receivedAtMs, value }) =>
    decoder.decode(value).split("\n").slice(0, -1).map((line) =>
      `${project} ${receivedAtMs} ${line}`
    )
  );
}

const forms: readonly RecordForm[] = [
  { records: "single", compression: "none" },
  { records: "single", compression: "zstd" },
  { records: "batched", compression: "none" },
  { records: "batched", compression: "gzip" },
];
const form = fc.constantFrom(...forms);

Deno.test("AppendPlan.next() plans every line once, in order", () => {
  const line = fc.oneof(fc.nat(99).map(String), fc.nat(60_000).map((bytes) => "x".repeat(bytes)))
    .map((text) => text || "empty");
  const items = fc.array(
    fc.record({
      project: fc.constantFrom("p", "q"),
      ms: fc.nat(3),
      lines: fc.array(line, { minLength: 1, maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(form, items, (form, plan) => {
      const batches = plan.map(({ project, ms, lines }) => item(project, ms, lines));
      const appendPlan = new AppendPlan(0, form);
      // Twice, since a plan is begun anew for each append.
      for (let round = 0; round < 2; round++) {
        appendPlan.begin(batches);
        const { records } = readBack(appendPlan);
        assert.deepEqual(linesOf(records), expectedLines(batches));
        const events = records.reduce((sum, record) => sum + record.events, 0);
        assert.equal(events, batches.reduce((sum, batch) => sum + batch.events, 0));
      }
    }),
    { numRuns: 60 },
  );
});

/** Neighbours of one project have the newest of their times. */
function expectedLines(batches: readonly AppendBatch[]): string[] {
  return batches.flatMap(({ project, value }, index) => {
    let from = index;
    while (from > 0 && batches[from - 1].project === project) from--;
    let to = index;
    while (to < batches.length - 1 && batches[to + 1].project === project) to++;
    const newest = Math.max(...batches.slice(from, to + 1).map((each) => each.receivedAtMs));
    return decoder.decode(value).split("\n").slice(0, -1).map((each) =>
      `${project} ${newest} ${each}`
    );
  });
}

Deno.test("AppendPlan.next() keys single records by their users", () => {
  const plan = new AppendPlan(0, { records: "single", compression: "none" });
  plan.begin([item("p", 1, ['{"user_id":"a"}', '{"id":1,"user_id":"b\\"c"}', "none"])]);
  const reader = new RecordBatchReader("t");
  reader.push({ bytes: logged(plan.next()!, 0), aborted: [] });
  const keys: (string | null)[] = [];
  while (reader.next(0)) {
    const { bytes, keyStart, keyEnd } = reader;
    keys.push(keyStart < 0 ? null : decoder.decode(bytes.slice(keyStart, keyEnd)));
  }
  assert.deepEqual(keys, ["a", 'b"c', null]);
});

Deno.test("AppendPlan.next() fills batches up to their limit", () => {
  for (const form of forms.filter(({ compression }) => compression === "none")) {
    const plan = new AppendPlan(0, form);
    plan.begin([item("p", 1, new Array(30_000).fill("x".repeat(99)))]);
    const { batches } = readBack(plan);
    assert.equal(batches, form.records === "batched" ? 4 : 5, form.records);
  }
});

Deno.test("AppendPlan.shrink() plans the same events in smaller batches", () => {
  for (const form of forms) {
    const plan = new AppendPlan(0, form);
    const batches = [
      item("p", 1, ["a", "b".repeat(30_000), "c"]),
      item("q", 1, ["d".repeat(40_000), "e"]),
      item("p", 1, ["f", "g".repeat(50_000)]),
    ];
    const bytesMax = 60_000;
    plan.begin(batches);
    const buffer = new PartitionBuffer("t", 0, 0, { projectDefault: "-", join: true });
    let offset = 0;
    for (let batch = plan.next(); batch !== null; batch = plan.next()) {
      if (batch.bytes.length > bytesMax) assert.deepEqual(plan.shrink(batch), []);
      else buffer.add({ bytes: logged(batch, offset), aborted: [] }, offset += batch.records);
    }
    assert.deepEqual(linesOf(buffer.read(1 << 20)), expectedLines(batches));
  }
});

Deno.test("AppendPlan.shrink() gives up the item of an event that is too large by itself", () => {
  for (const form of forms.filter(({ compression }) => compression === "none")) {
    const plan = new AppendPlan(0, form);
    const items = [
      item("p", 1, ["a"]),
      item("p", 1, ["b", "x".repeat(60_000)]),
      item("p", 1, ["c"]),
    ];
    plan.begin(items);
    const buffer = new PartitionBuffer("t", 0, 0, { projectDefault: "-", join: true });
    const given: number[] = [];
    let offset = 0;
    for (let batch = plan.next(); batch !== null; batch = plan.next()) {
      if (batch.bytes.length > 50_000) given.push(...plan.shrink(batch));
      else buffer.add({ bytes: logged(batch, offset), aborted: [] }, offset += batch.records);
    }
    assert.deepEqual(given, [1]);
    assert.deepEqual(linesOf(buffer.read(1 << 20)), ["p 1 a", "p 1 b", "p 1 c"]);
  }
});

Deno.test("AppendPlan.giveUp() goes on behind the items that the batch touched", () => {
  const plan = new AppendPlan(0, { records: "single", compression: "none" });
  const long = "x".repeat(60_000);
  plan.begin([item("p", 1, ["a"]), item("p", 1, new Array(30).fill(long)), item("p", 1, ["z"])]);
  assert.deepEqual(plan.giveUp(plan.next()!), [0, 1]);
  assert.equal(plan.next()!.events, 1);
  assert.equal(plan.next(), null);
});
