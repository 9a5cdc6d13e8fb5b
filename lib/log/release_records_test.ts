import assert from "node:assert/strict";
import type { LogRecord } from "./event_log.ts";
import { releaseRecords } from "./release_records.ts";

function record(value: Uint8Array): LogRecord {
  return {
    partition: 0,
    offset: 0,
    nextOffset: 1,
    events: 1,
    project: "p",
    receivedAtMs: 1,
    value,
  };
}

Deno.test("releaseRecords() detaches values that have their buffer to themselves", () => {
  const records = [record(new Uint8Array(100)), record(new Uint8Array(0))];
  releaseRecords(records);
  releaseRecords(records);
  assert.equal(records[0].value.length, 0);
});

Deno.test("releaseRecords() leaves values alone when they are part of a larger buffer", () => {
  const buffer = new Uint8Array(100).fill(7);
  const shared = new Uint8Array(new SharedArrayBuffer(10)).fill(7);
  releaseRecords([record(buffer.subarray(0, 50)), record(shared)]);
  assert.equal(buffer[99], 7);
  assert.equal(shared[9], 7);
});
