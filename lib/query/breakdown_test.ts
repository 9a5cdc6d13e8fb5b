import assert from "node:assert/strict";
import { GROUP_SKETCH_BYTES_MAX } from "../config/limits.ts";
import { breakdownFigures } from "./breakdown.ts";
import { PartialBuilder, type RollupPartial } from "./partial.ts";
import { type BreakdownPlan, type BreakdownQuestion, groupName, planBreakdown } from "./plan.ts";

const FROM_MS = Date.UTC(2026, 0, 10);
const HOUR_MS = 3_600_000;

function planOf(change: Partial<BreakdownQuestion> = {}): BreakdownPlan {
  const planned = planBreakdown({
    project: "shop",
    fromMs: FROM_MS,
    toMs: FROM_MS + 2 * HOUR_MS,
    filter: null,
    metric: "events",
    by: [{ label: "country", subject: { kind: "property", key: "country" } }],
    limit: 2,
    granularity: null,
    timeZone: "UTC",
    ...change,
  });
  assert(planned.ok, JSON.stringify(planned));
  return planned.plan;
}

/** A partition's part: events by text and bucket, each of a user of its own unless they are named. */
function partialOf(
  plan: BreakdownPlan,
  events: readonly [text: string | null, bucket: number, user: number][],
): RollupPartial {
  const builder = new PartialBuilder(plan.rollup);
  for (const [text, bucket, user] of events) {
    for (const group of ["", groupName([text])]) {
      const place = builder.placeOf(group) + bucket;
      builder.addNumbers(place, 1, 0, 0);
      builder.addHash("users", place, user + 1, user + 1);
    }
  }
  return builder.toPartial(Infinity);
}

function figuresOf(plan: BreakdownPlan, partials: readonly RollupPartial[]) {
  const read = breakdownFigures(plan, partials);
  assert(read.ok);
  return read.figures;
}

Deno.test("breakdownFigures() has the largest of all partitions, not of each", () => {
  const plan = planOf();
  const first = partialOf(plan, [["A", 1, 1], ["A", 1, 1], ["A", 1, 1], ["C", 1, 1], ["C", 1, 1]]);
  const second = partialOf(plan, [["B", 1, 2], ["B", 1, 2], ["B", 1, 2], ["C", 1, 2], ["C", 1, 2]]);
  const { groups, other, total, groupCount } = figuresOf(plan, [first, second]);
  assert.deepEqual(groups.map(({ texts, value }) => [texts[0], value]), [["C", 4], ["A", 3]]);
  assert.deepEqual([other?.value, total.value, groupCount], [3, 10, 3]);
});

Deno.test("breakdownFigures() counts a user of several other groups once", () => {
  const plan = planOf({ metric: "users", limit: 1 });
  const partial = partialOf(plan, [["A", 1, 1], ["A", 1, 2], ["B", 1, 3], ["C", 1, 3]]);
  const { groups, other, total } = figuresOf(plan, [partial]);
  assert.deepEqual([groups[0].value, other?.value, total.value], [2, 1, 3]);
});

Deno.test("breakdownFigures() keeps events without the property apart, first among equals", () => {
  const plan = planOf({ limit: 10 });
  const partial = partialOf(plan, [["b", 1, 1], ["", 1, 1], [null, 1, 1], ["null", 1, 1]]);
  const { groups } = figuresOf(plan, [partial]);
  assert.deepEqual(groups.map(({ texts }) => texts[0]), [null, "", "b", "null"]);
});

Deno.test("breakdownFigures() compares with the period before, also of groups that are gone", () => {
  const plan = planOf({ limit: 1, granularity: "hour" });
  const events: [string, number, number][] = [
    ["A", 0, 1],
    ["gone", 0, 1],
    ["A", 1, 1],
    ["A", 2, 1],
    ["A", 2, 1],
    ["B", 2, 1],
  ];
  const { groups, other, total } = figuresOf(plan, [partialOf(plan, events)]);
  assert.deepEqual(groups[0].points, [1, 2]);
  assert.deepEqual([groups[0].previousValue, groups[0].changePercentage], [1, 200]);
  assert.deepEqual([other?.value, other?.previousValue, other?.points], [1, 1, [0, 1]]);
  assert.deepEqual([total.value, total.previousValue], [4, 2]);
});

Deno.test("breakdownFigures() refuses when the partitions together have too many groups", () => {
  const plan = planOf();
  const few = { ...plan, rollup: { ...plan.rollup, groupsMax: 3 } };
  const partials = [[["A", 1, 1], ["B", 1, 1]], [["C", 1, 1]]].map((events) => {
    return partialOf(few, events as [string, number, number][]);
  });
  assert(breakdownFigures(few, partials.slice(0, 1)).ok);
  const read = breakdownFigures(few, partials);
  assert(!read.ok);
  assert.equal(read.refusal.parameter, "group_by");
  assert.match(read.refusal.detail, /country has more values .* at most 100000, .* filter/);
});

Deno.test("PartialBuilder is overfull when its sketches take more memory than they may", () => {
  const plan = planOf({ metric: "users" });
  const builder = new PartialBuilder(plan.rollup);
  let groups = 0;
  for (; !builder.isOverfull; groups++) {
    builder.addHash("users", builder.placeOf(groupName([String(groups)])) + 1, groups, 1);
  }
  assert(groups > 20_000 && groups * 64 < GROUP_SKETCH_BYTES_MAX, `${groups} groups`);
  const partial = builder.toPartial(0);
  assert.deepEqual([partial.tooManyGroups, partial.groups], [true, []]);
  assert(!breakdownFigures(plan, [partial]).ok);
});
