import assert from "node:assert/strict";
import fc from "fast-check";
import { bucketAt, tilesOf } from "./plan_tiles.ts";
import { LEVEL_WIDTHS_MS } from "./tile_range.ts";

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2026, 2, 1);

/** Ascending bounds: steps of whole hours, minutes, days and odd ms, in any order. */
const boundsMs = fc.tuple(
  fc.oneof(fc.constant(0), fc.nat(HOUR_MS), fc.nat(100).map((minutes) => minutes * 60_000)),
  fc.array(
    fc.oneof(fc.constantFrom(60_000, HOUR_MS, 24 * HOUR_MS, 0, 30_000), fc.nat(3 * 24 * HOUR_MS)),
    { maxLength: 12 },
  ),
).map(([offset, widths]) => {
  let at = T0 + offset;
  return Float64Array.from([at, ...widths.map((width) => at += width)]);
});

Deno.test("tilesOf() covers every bucket exactly once when bounds are random", () => {
  fc.assert(
    fc.property(boundsMs, (bounds) => {
      const { tiles, edges } = tilesOf(bounds);
      const parts = edges.map(({ bucket, fromMs, toMs }) => ({ bucket, fromMs, toMs }));
      for (const { level, from, to, bucket, step } of tiles) {
        const widthMs = LEVEL_WIDTHS_MS[level];
        for (let at = from; at < to; at++) {
          parts.push({
            bucket: bucket + step * (at - from),
            fromMs: at * widthMs,
            toMs: (at + 1) * widthMs,
          });
        }
      }
      for (let bucket = 0; bucket + 1 < bounds.length; bucket++) {
        let at = bounds[bucket];
        const own = parts.filter((part) => part.bucket === bucket)
          .sort((a, b) => a.fromMs - b.fromMs);
        for (const { fromMs, toMs } of own) {
          assert.equal(fromMs, at);
          at = toMs;
        }
        assert.equal(at, bounds[bucket + 1]);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("tilesOf() makes one strip of the hours when they are a month of them", () => {
  const bounds = Float64Array.from({ length: 721 }, (_, hour) => T0 + hour * HOUR_MS);
  const from = T0 / HOUR_MS;
  assert.deepEqual(tilesOf(bounds).tiles, [{ level: 1, from, to: from + 720, bucket: 0, step: 1 }]);
});

Deno.test("bucketAt() finds the bucket when the time is inside, else nothing", () => {
  const bounds = Float64Array.of(10, 20, 20, 35);
  const found = [9, 10, 19, 20, 34, 35].map((time) => bucketAt(bounds, time));
  assert.deepEqual(found, [-1, 0, 0, 2, 2, -1]);
  assert.equal(bucketAt(new Float64Array(0), 5), -1);
});
