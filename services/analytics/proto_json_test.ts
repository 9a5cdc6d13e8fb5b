import assert from "node:assert/strict";
import fc from "fast-check";
import { timestampJson } from "./proto_json.ts";

const DAY_MS = 86_400_000;

Deno.test("timestampJson() writes what toISOString() does, without a fraction that is zero", () => {
  const time = fc.oneof(
    fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
    fc.integer({ min: -DAY_MS, max: 3 * DAY_MS }),
    fc.nat(40_000).map((seconds) => seconds * 1000),
  );
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 5 }), (times) => {
      for (const ms of times) {
        assert.equal(timestampJson(ms), new Date(ms).toISOString().replace(".000Z", "Z"));
      }
    }),
    { numRuns: 300 },
  );
  assert.throws(() => timestampJson(NaN), RangeError);
});
