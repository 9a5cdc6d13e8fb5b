/** Truth of breakdowns: every group counted anew from the events. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  answerTo,
  assertClose,
  assertWithin,
  comparable,
  rangeBody,
  rangeParameters,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { eventsIn, type TruthEvent } from "./truth_events.ts";
import {
  bucketStart,
  isInScope,
  metricOf,
  numbersOf,
  scopeParameters,
  textNamed,
  TRUTH_ZONES,
  truthMetrics,
  type TruthScope,
  truthScopes,
} from "./truth_rollups.ts";

interface BreakdownQuestion {
  readonly range: TruthRange;
  readonly scope: TruthScope;
  readonly metric: string;
  readonly groups: readonly string[];
  readonly limit: number;
  readonly granularity: "hour" | "day" | "week" | "month" | null;
  readonly zone: string;
  /** By a query string, else by a body. */
  readonly byGet: boolean;
}

/** Events of the range and of the one before, and the events before that only `other` knows. */
interface Sides {
  readonly now: readonly TruthEvent[];
  readonly before: readonly TruthEvent[];
}

export const breakdownCase: TruthCase<BreakdownQuestion> = {
  kind: "breakdown",
  questions: fc.record({
    range: truthRanges,
    scope: truthScopes,
    metric: truthMetrics,
    groups: fc.constantFrom<readonly string[]>(
      ["country"],
      ["n"],
      ["event_type"],
      ["user_id"],
      ["plan", "country"],
      ["amount", "event_type"],
      ["a/b~c", "source"],
      ["missing"],
    ),
    limit: fc.constantFrom(1, 2, 3, 10, 100),
    granularity: fc.constantFrom(null, null, "hour", "day", "week", "month" as const),
    zone: fc.constantFrom(...TRUTH_ZONES),
    byGet: fc.boolean(),
  }),
  async hold(question, events, ask) {
    const { range: { fromMs, toMs }, scope, metric, groups: names, limit } = question;
    const answer = await answerTo(ask, requestOf(question));
    const ofScope = (from: number, to: number) =>
      eventsIn(events, from, to, (event) => isInScope(scope, event));
    const all = { now: ofScope(fromMs, toMs), before: ofScope(2 * fromMs - toMs, fromMs) };
    const keyOf = (event: TruthEvent) =>
      JSON.stringify(names.map((name) => textNamed(name, event)));
    const byKey = Map.groupBy(all.now, keyOf);
    const isExact = answer.accuracy.value === "exact";
    const told = new Set<string>();
    for (const group of answer.groups) {
      const texts = names.map((name) => group.labels[name] ?? null);
      assert.deepEqual(group.missing, names.filter((_, i) => texts[i] === null));
      const key = JSON.stringify(texts);
      assert.ok(!told.has(key), "each group comes once");
      told.add(key);
      const ofGroup = (event: TruthEvent) => keyOf(event) === key;
      assert.ok(byKey.has(key), `there is a group ${key}`);
      holdFigures(group, question, {
        now: all.now.filter(ofGroup),
        before: all.before.filter(ofGroup),
      }, answer.accuracy.value);
    }
    assert.equal(answer.metadata.groups, byKey.size);
    assert.equal(answer.groups.length, Math.min(limit, byKey.size));
    if (isExact) holdOrder(answer.groups, byKey, told, names, metric);
    holdFigures(answer.total, question, all, answer.accuracy.value);
    assert.equal(answer.other === null, byKey.size <= limit);
    if (answer.other !== null) {
      const isOther = (event: TruthEvent) => !told.has(keyOf(event));
      const rest = { now: all.now.filter(isOther), before: all.before.filter(isOther) };
      holdFigures(answer.other, question, rest, answer.accuracy.value);
    }
    const misspelt = all.now.length > 0 && names.includes("missing");
    if (misspelt) assert.ok(answer.notes.some((note: string) => note.includes('"missing"')));
    return comparable(answer);
  },
};

function requestOf(question: BreakdownQuestion) {
  const { range, scope, metric, groups, limit, granularity, zone, byGet } = question;
  const path = "/v1/analytics/breakdown";
  if (byGet) {
    const query = new URLSearchParams({
      ...rangeParameters(range),
      ...scopeParameters(scope),
      metric,
      group_by: groups.join(","),
      limit: String(limit),
      granularity: granularity ?? "",
      tz: zone,
    });
    return { path: `${path}?${query}` };
  }
  const { types, map, filter } = scope;
  const body = {
    time_range: rangeBody(range),
    event_types: types,
    filters: map,
    filter,
    metric,
    group_by: groups,
    limit,
    ...(granularity === null ? {} : { granularity }),
    tz: zone,
  };
  return { path, body };
}

/** No group that is not told is larger than one that is; groups come largest first. */
function holdOrder(
  groups: readonly { readonly labels: Record<string, string> }[],
  byKey: ReadonlyMap<string, readonly TruthEvent[]>,
  told: ReadonlySet<string>,
  names: readonly string[],
  metric: string,
): void {
  const sizeOf = (key: string) => metricOf(metric, byKey.get(key)!) ?? -Infinity;
  const sizes = groups.map(({ labels }) =>
    sizeOf(JSON.stringify(names.map((name) => labels[name] ?? null)))
  );
  assert.deepEqual(sizes, sizes.toSorted((a, b) => b - a));
  for (const key of byKey.keys()) {
    if (!told.has(key)) assert.ok(sizeOf(key) <= sizes[sizes.length - 1], `${key} is told`);
  }
}

// deno-lint-ignore no-explicit-any -- figures of an answer, JSON
function holdFigures(figures: any, question: BreakdownQuestion, sides: Sides, accuracy: string) {
  const { metric } = question;
  const value = metricOf(metric, sides.now);
  const before = metricOf(metric, sides.before);
  holdValue(figures.value, value, accuracy);
  holdValue(figures.previous_value, before, accuracy);
  const [shown, past] = [figures.value, figures.previous_value];
  if (value === null || before === null) assert.equal(figures.change_percentage, null);
  else {
    const change = past === 0 ? (shown === 0 ? 0 : 100) : (shown - past) / past * 100;
    assertClose(figures.change_percentage, change, "change");
  }
  assert.equal(figures.events, String(sides.now.length));
  const left = metric.includes(":") ? sides.now.length - numbersOf(metric, sides.now).length : 0;
  assert.equal(figures.events_without_number, String(left));
  holdPoints(figures.points, question, sides.now, accuracy);
}

function holdPoints(
  points: readonly { readonly timestamp: string; readonly value: number | null }[],
  { granularity, zone, metric }: BreakdownQuestion,
  events: readonly TruthEvent[],
  accuracy: string,
): void {
  if (granularity === null) return assert.deepEqual(points, []);
  const buckets = Map.groupBy(events, (each) => bucketStart(each.timestampMs, granularity, zone));
  let found = 0;
  for (const { timestamp, value } of points) {
    const inBucket = buckets.get(Date.parse(timestamp)) ?? [];
    if (inBucket.length > 0) found++;
    holdValue(value, metricOf(metric, inBucket), accuracy);
  }
  assert.equal(found, buckets.size, "every bucket with events is answered, once");
}

function holdValue(actual: number | null, expected: number | null, accuracy: string): void {
  if (actual === null || expected === null) assert.equal(actual, expected);
  else assertWithin(actual, expected, accuracy);
}
