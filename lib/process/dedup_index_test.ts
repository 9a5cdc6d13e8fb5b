import assert from "node:assert/strict";
import fc from "fast-check";
import { DedupIndex } from "./dedup_index.ts";

const ROOMY = 1 << 24;

/** A hash of a small number, spread over both words. */
function hashOf(n: number): [number, number] {
  return [Math.imul(n + 1, 0x9e3779b1) >>> 0, Math.imul(n + 7, 0x85ebca6b) >>> 0];
}

Deno.test("add() equals a map of times when ids come again within and after the window", () => {
  const step = fc.record({ id: fc.nat(60), advanceMs: fc.nat(20_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const index = new DedupIndex(60, ROOMY);
      const model = new Map<number, number>();
      let nowMs = 1_700_000_000_000;
      for (const { id, advanceMs } of steps) {
        nowMs += advanceMs;
        const second = Math.floor(nowMs / 1000);
        const seen = model.get(id);
        const expected = seen === undefined || second - seen > 60;
        if (expected) model.set(id, second);
        assert.equal(index.add(...hashOf(id), nowMs), expected);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("add() stays right when the table grows over a million ids", () => {
  const index = new DedupIndex(3600, ROOMY * 4);
  const ids = 1_000_000;
  for (let id = 0; id < ids; id++) assert.ok(index.add(...hashOf(id), 1_700_000_000_000 + id));
  for (let id = 0; id < ids; id += 97) {
    assert.equal(index.add(...hashOf(id), 1_700_000_000_000 + ids), false);
  }
  assert.equal(index.evicted, 0);
});

Deno.test("add() forgets expired ids before it asks for more memory", () => {
  const index = new DedupIndex(10, ROOMY);
  for (let id = 0; id < 500_000; id++) index.add(...hashOf(id), 1_700_000_000_000 + id * 20);
  // 10 s at one id per 20 ms are 500 live ids: the table need never have grown by much.
  assert.ok(index.byteSize <= 64 * 1024, `${index.byteSize} bytes`);
  assert.equal(index.evicted, 0);
});

Deno.test("add() forgets the oldest and counts them when the memory cap is reached", () => {
  const cap = 1 << 16;
  const index = new DedupIndex(3600, cap);
  const ids = 20_000;
  for (let id = 0; id < ids; id++) index.add(...hashOf(id), 1_700_000_000_000 + id * 100);
  assert.ok(index.byteSize <= cap);
  assert.ok(index.evicted > 0);
  const last = 1_700_000_000_000 + ids * 100;
  assert.equal(index.add(...hashOf(ids - 1), last), false, "the newest id is still known");
  assert.equal(index.add(...hashOf(0), last), true, "the oldest id was forgotten");
});
