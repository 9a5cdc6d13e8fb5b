import assert from "node:assert/strict";
import fc from "fast-check";
import { TopValues } from "../sketch/top_values.ts";
import { LIVE_TOP_COUNTERS, LIVE_WINDOW_SECONDS_MAX } from "../config/limits.ts";
import { LiveTops } from "./live_tops.ts";

const START = 1_700_000_000;
/** Seconds since the one before, and the values in it. */
const seconds = fc.array(
  fc.tuple(
    fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 900 })),
    fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }),
  ),
  { maxLength: 60 },
);

Deno.test("LiveTops.window() has the values of its seconds, by the grain of its length", () => {
  fc.assert(fc.property(
    seconds,
    fc.integer({ min: 1, max: LIVE_WINDOW_SECONDS_MAX }),
    (seconds, length) => {
      const tops = new LiveTops();
      const added: [second: number, value: string][] = [];
      let second = START;
      for (const [rest, values] of seconds) {
        second += rest;
        const top = new TopValues(LIVE_TOP_COUNTERS);
        for (const value of values) {
          top.add(value);
          added.push([second, value]);
        }
        tops.add(second, { values: top, without: 1, cut: 0 });
      }
      const from = second - length + 1;
      const window = tops.window(from, second);
      const width = length <= 60 ? 1 : length <= 600 ? 10 : 60;
      assert.equal(window.fromSecond, Math.floor(from / width) * width);
      const counts = new Map<string, number>();
      for (const [at, value] of added) {
        if (at >= window.fromSecond) counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      const largest = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
      assert.deepEqual(window.values.top(9), largest);
      assert.equal(window.values.errorMax, 0);
    },
  ));
});

Deno.test("LiveTops.window() refuses more than an hour", () => {
  assert.throws(() => new LiveTops().window(START, START + LIVE_WINDOW_SECONDS_MAX), RangeError);
});
