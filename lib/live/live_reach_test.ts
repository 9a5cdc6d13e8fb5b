import assert from "node:assert/strict";
import { LIVE_SILENT_MS, LIVE_WINDOW_SECONDS_MAX } from "../config/limits.ts";
import { LiveReach } from "./live_reach.ts";

const S = 1_700_000_000;

function range(partition: number, from: number, to: number, completeUntilMs = (S + 1) * 1_000) {
  return { partition, from, to, completeUntilMs };
}

Deno.test("isHeardBy() counts the shards that told of a second or a later one", () => {
  const reach = new LiveReach();
  reach.tick(0, { second: S, ranges: [] });
  reach.tick(1, { second: S + 1, ranges: [] });
  assert.deepEqual([S, S + 1, S + 2].map((each) => reach.isHeardBy(2, each)), [true, false, false]);
  assert.equal(reach.isHeardBy(1, S + 1), true);
  assert.equal(reach.isHeardBy(0, S + 9), true);
});

Deno.test("window() names partitions that did not tell, and those far behind", () => {
  const reach = new LiveReach();
  const behindMs = (S + 1) * 1_000 - LIVE_SILENT_MS - 1;
  reach.tick(0, { second: S, ranges: [range(0, 0, 5), range(2, 0, 5, behindMs)] });
  reach.tick(1, { second: S - 1, ranges: [range(1, 0, 5, S * 1_000)] });
  const { missing, behind, gaps, completeUntilMs } = reach.window(S, S, 4);
  assert.deepEqual([missing, behind, gaps, completeUntilMs], [[1, 3], [2], [], 0]);
  assert.equal(reach.window(S, S, 3).completeUntilMs, behindMs);
});

Deno.test("window() has the gaps of its seconds: what lies between two ranges", () => {
  const reach = new LiveReach();
  reach.tick(0, { second: S, ranges: [range(0, 10, 20)] });
  // A shard that took over began before: that is no gap.
  reach.tick(0, { second: S + 1, ranges: [range(0, 15, 30)] });
  reach.tick(0, { second: S + 2, ranges: [range(0, 33, 40), range(0, 41, 50)] });
  const gaps = [
    { partition: 0, fromOffset: 30, toOffset: 33 },
    { partition: 0, fromOffset: 40, toOffset: 41 },
  ];
  assert.deepEqual(reach.window(S, S + 2, 1).gaps, gaps);
  assert.deepEqual(reach.window(S, S + 1, 1).gaps, []);
  assert.deepEqual(reach.countedTo, [[0, 50]]);
  reach.tick(0, { second: S + 3 + LIVE_WINDOW_SECONDS_MAX, ranges: [range(0, 50, 50)] });
  assert.deepEqual(reach.window(S, S + 2, 1).gaps, []);
  reach.clear();
  assert.deepEqual([reach.countedTo, reach.isHeardBy(1, S)], [[], false]);
});
