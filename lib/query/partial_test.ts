import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bruteShard,
  hashWords,
  partialOfCells,
  type PlainEvent,
  plainEvents,
  recount,
} from "../../tests/support/brute_rollups.ts";
import { Cell } from "../rollup/cell.ts";
import { MergedRollup, mergePartials, type RollupPartial } from "./partial.ts";
import { planBuckets, type RollupPlan, WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "./plan.ts";

const FROM_MS = Date.parse("2026-03-01T00:00:10Z");
const HOUR_MS = 3_600_000;
const WANT_ALL = WANT_USERS | WANT_SESSIONS | WANT_AMOUNTS;

const plan = (change: Partial<RollupPlan> = {}): RollupPlan => ({
  project: "shop",
  types: null,
  boundsMs: Float64Array.of(FROM_MS, FROM_MS + HOUR_MS - 10_000, FROM_MS + 2 * HOUR_MS),
  wantTotal: WANT_ALL,
  wantByType: WANT_ALL,
  groupsMax: Infinity,
  ...change,
});

const events = plainEvents(FROM_MS - HOUR_MS, FROM_MS + 3 * HOUR_MS);

/** All that can be read of a merge, for comparing. */
function readAll(merged: MergedRollup) {
  return {
    groups: merged.groups,
    completeUntilMs: merged.completeUntilMs,
    tooManyGroups: merged.tooManyGroups,
    cells: merged.groups.map((group) =>
      Array.from({ length: merged.buckets }, (_, bucket) => ({
        events: merged.events(group, bucket),
        amountCount: merged.amountCount(group, bucket),
        amountSum: merged.amountSum(group, bucket),
        users: merged.users(group, bucket),
        sessions: merged.sessions(group, bucket),
        quantiles: [0, 0.5, 0.95, 1].map((q) => merged.amounts(group, bucket)?.quantile(q) ?? 0),
      }))
    ),
  };
}

const read = (...partials: RollupPartial[]) => readAll(new MergedRollup(partials));

Deno.test("mergePartials() equals one shard's answer when events are split over shards", () => {
  fc.assert(
    fc.property(
      fc.array(events, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(1_000), { minLength: 4, maxLength: 4 }),
      (shards, marks) => {
        const partials = shards.map((each, i) => bruteShard(plan(), each, marks[i]));
        const least = Math.min(...marks.slice(0, shards.length));
        const one = readAll(new MergedRollup([bruteShard(plan(), shards.flat(), least)]));
        assert.deepEqual(read(mergePartials(partials)), one);
        assert.deepEqual(read(...partials), one);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("mergePartials() is associative and commutative when partials are random", () => {
  fc.assert(
    fc.property(events, events, events, (x, y, z) => {
      const [a, b, c] = [x, y, z].map((each, i) => bruteShard(plan(), each, i));
      const abc = read(mergePartials([a, b, c]));
      assert.deepEqual(read(mergePartials([mergePartials([a, b]), c])), abc);
      assert.deepEqual(read(mergePartials([a, mergePartials([b, c])])), abc);
      assert.deepEqual(read(mergePartials([c, a, b])), abc);
    }),
    { numRuns: 100 },
  );
});

Deno.test("MergedRollup reads a plain recount when events are random", () => {
  fc.assert(
    fc.property(events, (list) => {
      const merged = new MergedRollup([bruteShard(plan(), list, 0)]);
      for (const group of ["", "view", "buy", "__proto__", "7", "nothing"]) {
        planBuckets(plan()).forEach(({ startMs, endMs }, bucket) => {
          const keep = (event: PlainEvent) =>
            event.project === "shop" && (group === "" || event.type === group);
          const expected = recount(list, startMs, endMs, keep);
          assert.equal(merged.events(group, bucket), expected.events);
          assert.deepEqual(merged.users(group, bucket), { count: expected.users, exact: true });
          assert.deepEqual(
            merged.sessions(group, bucket),
            { count: expected.sessions, exact: true },
          );
          assert.equal(merged.amountCount(group, bucket), expected.amounts.length);
          assert.equal(merged.amountSum(group, bucket), expected.amountSum);
          const least = merged.amounts(group, bucket)?.quantile(0) ?? 0;
          assert(Math.abs(least - (expected.amounts[0] ?? 0)) <= 0.0101 * least + 1e-9);
        });
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("toPartial() sends only the sketches that are wanted", () => {
  const list: PlainEvent[] = [
    { project: "shop", type: "view", timestampMs: FROM_MS, user: 1, session: 1, amount: 2 },
  ];
  const partial = bruteShard(plan({ wantTotal: WANT_USERS, wantByType: null }), list, 0);
  assert.deepEqual(partial.groups, [""]);
  assert.equal(partial.users.ends.length, 1);
  assert.deepEqual([partial.sessions.ends.length, partial.amounts.ends.length], [0, 0]);
  assert.deepEqual(read(structuredClone(partial)), read(partial));
});

Deno.test("toPartial() gives no groups and says so when there are more than allowed", () => {
  const cell = new Cell();
  cell.add(FROM_MS, 1, 2, 3, 4, NaN);
  const groups = ["a", "b", "c"].map((name) => ({ name, want: 0, cells: [cell, null] }));
  const partial = partialOfCells(plan({ groupsMax: 2 }), groups, 7);
  assert.deepEqual([partial.groups, partial.tooManyGroups], [[], true]);
  const fits = partialOfCells(plan({ groupsMax: 3 }), groups, 7);
  assert.deepEqual([fits.groups, fits.tooManyGroups], [["a", "b", "c"], false]);
  assert.equal(mergePartials([partial, fits]).tooManyGroups, true);
});

Deno.test("mergePartials() is complete without end when no shard answered", () => {
  const merged = mergePartials([]);
  assert.deepEqual([merged.buckets, merged.groups], [0, []]);
  assert.equal(merged.completeUntilMs, Infinity);
});

Deno.test("MergedRollup estimates and says so when there are too many users to keep", () => {
  const shard = (first: number, users: number) => {
    const cell = new Cell();
    for (let i = first; i < first + users; i++) {
      cell.add(FROM_MS, ...hashWords(i), 1, 1, NaN);
    }
    return partialOfCells(plan(), [{ name: "", want: WANT_USERS, cells: [cell, null] }], 0);
  };
  const merged = new MergedRollup([shard(0, 1_500), shard(1_500, 1_500)]);
  const { count, exact } = merged.users("", 0);
  assert.equal(exact, false);
  assert(Math.abs(count - 3_000) < 3_000 * 0.04, `estimate ${count} of 3000`);
  assert.deepEqual(new MergedRollup([shard(0, 1_500)]).users("", 0), { count: 1_500, exact: true });
});
