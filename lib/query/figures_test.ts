import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bruteShard,
  partialOfCells,
  plainEvents,
  recount,
} from "../../tests/support/brute_rollups.ts";
import { SUMMARY_TYPES_MAX } from "../config/limits.ts";
import { Cell } from "../rollup/cell.ts";
import { type Filter, isOfType } from "./filter/filter.ts";
import { planSeries, planSummary, type SeriesQuestion } from "./plan.ts";
import { seriesFigures } from "./series.ts";
import { OTHER_TYPES, summaryFigures } from "./summary.ts";

const FROM_MS = Date.parse("2026-03-28T22:17:20.500Z");
const HOUR_MS = 3_600_000;
const TO_MS = FROM_MS + 5 * HOUR_MS;
const events = plainEvents(FROM_MS - 6 * HOUR_MS, TO_MS + HOUR_MS);

const BY_TYPE = [{ label: "event_type", subject: { kind: "field", name: "type" } }] as const;

function filterOn(types: readonly string[]): Filter | null {
  return types.length === 0 ? null : isOfType(types);
}

function summaryOf(lists: Parameters<typeof bruteShard>[1][], types: readonly string[] = []) {
  const filter = filterOn(types);
  const planned = planSummary({ project: "shop", fromMs: FROM_MS, toMs: TO_MS, filter });
  assert(planned.ok);
  return summaryFigures(lists.map((list) => bruteShard(planned.plan.rollup, list, TO_MS)));
}

function planOf(change: Partial<SeriesQuestion>) {
  const planned = planSeries({
    project: "shop",
    fromMs: FROM_MS,
    toMs: TO_MS,
    filter: null,
    metric: "events",
    granularity: "hour",
    timeZone: "Europe/Berlin",
    by: [],
    ...change,
  });
  assert(planned.ok);
  return planned.plan;
}

Deno.test("summaryFigures() equals a recount when events and the type filter are random", () => {
  fc.assert(
    fc.property(
      fc.array(events, { maxLength: 3 }),
      fc.constantFrom<string[]>([], ["view"], ["buy", "__proto__"], ["nothing"]),
      (lists, types) => {
        const summary = summaryOf(lists, types);
        const keep = (event: { project: string; type: string }) =>
          event.project === "shop" && (types.length === 0 || types.includes(event.type));
        const now = recount(lists.flat(), FROM_MS, TO_MS, keep);
        const before = recount(lists.flat(), FROM_MS - 5 * HOUR_MS, FROM_MS, keep);
        assert.equal(summary.totalEvents, now.events);
        assert.equal(summary.uniqueUsers, now.users);
        assert.equal(summary.sessions, now.sessions);
        for (const [type, count] of summary.eventsByType) {
          const ofType = recount(lists.flat(), FROM_MS, TO_MS, (e) => keep(e) && e.type === type);
          assert.equal(count, ofType.events);
        }
        const sum = summary.eventsByType.reduce((total, [, count]) => total + count, 0);
        assert.equal(sum, now.events);
        const change = (a: number, b: number) => b === 0 ? (a === 0 ? 0 : 100) : (a - b) / b * 100;
        const top = new Map(summary.topMetrics.map((metric) => [metric.name, metric]));
        assert.equal(top.get("revenue")!.value, now.amountSum);
        assert.equal(top.get("revenue")!.changePercentage, change(now.amountSum, before.amountSum));
        assert.equal(top.get("events")!.changePercentage, change(now.events, before.events));
        const perUser = now.users === 0 ? 0 : now.events / now.users;
        assert.equal(top.get("events_per_user")!.value, perUser);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("summaryFigures() is all zero when no shard answered", () => {
  const summary = summaryFigures([]);
  assert.equal(summary.totalEvents + summary.uniqueUsers + summary.sessions, 0);
  assert.deepEqual(summary.eventsByType, []);
  assert(summary.topMetrics.every(({ value, changePercentage }) => value + changePercentage === 0));
});

Deno.test("summaryFigures() counts the smallest types together when there are too many", () => {
  const planned = planSummary({ project: "shop", fromMs: FROM_MS, toMs: TO_MS, filter: null });
  assert(planned.ok);
  const names = [...Array.from({ length: SUMMARY_TYPES_MAX + 5 }, (_, i) => `t${i}`), OTHER_TYPES];
  const groups = names.map((name, i) => {
    const cell = new Cell();
    cell.events = i + 1;
    return { name, want: 0, cells: [null, cell] };
  });
  const { eventsByType } = summaryFigures([partialOfCells(planned.plan.rollup, groups, 0)]);
  const total = names.length * (names.length + 1) / 2;
  assert.equal(eventsByType.reduce((sum, [, count]) => sum + count, 0), total);
  assert(eventsByType.length <= SUMMARY_TYPES_MAX + 1);
  const [last] = eventsByType.slice(-1);
  assert.deepEqual(last, [OTHER_TYPES, names.length + 1 + 2 + 3 + 4 + 5 + 6]);
});

Deno.test("seriesFigures() equals a recount by bucket when metric and group are random", () => {
  fc.assert(
    fc.property(
      fc.array(events, { maxLength: 3 }),
      fc.constantFrom("events", "users", "sessions", "sum:amount", "avg:amount"),
      fc.boolean(),
      fc.constantFrom<string[]>([], ["view"], ["buy", "nothing"]),
      (lists, metric, groupByType, types) => {
        const plan = planOf({
          metric,
          by: groupByType ? BY_TYPE : [],
          filter: filterOn(types),
        });
        const all = lists.flat();
        const read = seriesFigures(plan, lists.map((list) => bruteShard(plan.rollup, list, 5)));
        assert(read.ok);
        const { groups } = read.figures;
        const bounds = plan.rollup.boundsMs;
        const buckets = plan.labelsMs.length;
        for (const { labels, values } of groups) {
          const type = labels.event_type ?? null;
          assert.equal(values.length, buckets);
          values.forEach((value, bucket) => {
            const counted = recount(
              all,
              bounds[bucket],
              bounds[bucket + 1],
              (event) =>
                event.project === "shop" && (type === null || event.type === type) &&
                (types.length === 0 || types.includes(event.type)),
            );
            const { events, users, sessions, amountSum, amounts } = counted;
            const average = amounts.length === 0 ? 0 : amountSum / amounts.length;
            const expected = { events, users, sessions, "sum:amount": amountSum };
            assert.equal(value, { ...expected, "avg:amount": average }[metric]);
          });
        }
        const shown = groups.map((group) => group.labels.event_type);
        assert.deepEqual(shown, [...new Set(shown)].sort());
        if (groupByType) {
          for (const type of types) assert(shown.includes(type), "named types are shown");
        } else assert.deepEqual(shown, [undefined]);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("seriesFigures() is exact, but for percentiles of something", () => {
  const plan = planOf({ metric: "p95:amount" });
  const one = [
    { project: "shop", type: "buy", timestampMs: FROM_MS, user: 1, session: 1, amount: 100 },
  ];
  const read = seriesFigures(plan, [bruteShard(plan.rollup, one, 0)]);
  assert(read.ok);
  assert.equal(read.figures.accuracy, "approximate, error 1 %");
  assert(Math.abs(read.figures.groups[0].values[0] - 100) <= 1.01);
  assert.equal(read.figures.groups[0].values[1], 0);
  const empty = seriesFigures(plan, []);
  assert(empty.ok && empty.figures.accuracy === "exact");
});

Deno.test("seriesFigures() refuses when a shard had too many groups", () => {
  const plan = planOf({ by: BY_TYPE });
  const partial = bruteShard(plan.rollup, [], 0);
  const read = seriesFigures(plan, [{ ...partial, tooManyGroups: true }]);
  assert(!read.ok);
  assert.equal(read.refusal.parameter, "group_by");
  assert.match(read.refusal.detail, /fewer event_types/);
});
