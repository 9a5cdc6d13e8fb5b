import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeProgress, encodeProgress, type Progress } from "./progress_frame.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const counts = fc.array(fc.tuple(fc.string({ unit: "binary" }), u32), { maxLength: 8 })
  .map((entries) => new Map(entries));
const progress: fc.Arbitrary<Progress> = fc.record({
  partition: u32,
  processed: u32,
  duplicates: u32,
  evicted: u32,
  highWater: offset,
  appliedOffset: offset,
  storedOffset: offset,
  watermarkMs: offset,
  lastReceivedAtMs: offset,
  commitMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  committedRows: u32,
  types: counts,
  refusals: counts,
  deadLetters: counts,
});

Deno.test("decodeProgress() gives back what encodeProgress() was given", () => {
  fc.assert(
    fc.property(progress, (sent) => {
      assert.deepEqual(decodeProgress(encodeProgress(sent)), { ...sent });
    }),
    { numRuns: 300 },
  );
});
