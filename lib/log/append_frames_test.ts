import assert from "node:assert/strict";
import fc from "fast-check";
import {
  APPEND_HEADER_BYTES,
  AppendHeader,
  encodeAck,
  encodeNack,
  isThrough,
  nextSequence,
  readAck,
  readAppendHeader,
  readNack,
  writeAppendHeader,
} from "./append_frames.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });

Deno.test("readAppendHeader() gives what writeAppendHeader() was given", () => {
  const header = new AppendHeader();
  fc.assert(
    fc.property(
      fc.record({ sequence: u32, partition: u32, events: u32, receivedAtMs: fc.double() }),
      fc.string({ unit: "grapheme" }),
      (fields, name) => {
        const project = new TextEncoder().encode(name);
        const payload = new Uint8Array(APPEND_HEADER_BYTES + project.length + 3).fill(0xff);
        const { sequence, partition, events, receivedAtMs } = fields;
        const end = writeAppendHeader(payload, sequence, partition, events, receivedAtMs, project);
        assert.equal(end, payload.length - 3);
        readAppendHeader(payload, header);
        const { originStart, originEnd, ...read } = header;
        assert.deepEqual(read, { ...fields });
        assert.equal(originEnd, end);
        assert.equal(new TextDecoder().decode(payload.slice(originStart, originEnd)), name);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("readAck() and readNack() give what was encoded, from shared memory too", () => {
  fc.assert(
    fc.property(u32, u32, (from, through) => {
      assert.equal(readAck(encodeAck(through)), through);
      const nack = encodeNack(from, through, "RTA_LOG_FULL");
      const shared = new Uint8Array(new SharedArrayBuffer(nack.length));
      shared.set(nack);
      const expected = { fromSequence: from, throughSequence: through, code: "RTA_LOG_FULL" };
      assert.deepEqual(readNack(shared), expected);
    }),
    { numRuns: 200 },
  );
});

Deno.test("isThrough() holds around the wrap when fewer than 2^31 frames are between", () => {
  fc.assert(
    fc.property(u32, fc.integer({ min: 0, max: 0x7fffffff }), (sequence, ahead) => {
      assert.ok(isThrough(sequence, (sequence + ahead) >>> 0));
      assert.ok(!isThrough(nextSequence((sequence + ahead) >>> 0), (sequence + ahead) >>> 0));
      if (ahead > 0) assert.ok(!isThrough((sequence + ahead) >>> 0, sequence));
    }),
    { numRuns: 500 },
  );
  assert.equal(nextSequence(0xffffffff), 0);
});
