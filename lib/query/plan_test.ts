import assert from "node:assert/strict";
import fc from "fast-check";
import { RANGE_DAYS_MAX, SERIES_BUCKETS_MAX } from "../config/limits.ts";
import * as store from "../store/event_store.ts";
import {
  planBuckets,
  planSeries,
  planSummary,
  type SeriesQuestion,
  WANT_AMOUNTS,
  WANT_SESSIONS,
  WANT_USERS,
} from "./plan.ts";
import { isOfType } from "./filter/filter.ts";
import { LEVEL_WIDTHS_MS } from "./tile_range.ts";
import type { Granularity } from "./time_zone.ts";

const DAY_MS = 86_400_000;
const FROM_MS = Date.parse("2026-03-01T00:00:00Z");

const BY_TYPE = [{ label: "event_type", subject: { kind: "field", name: "type" } }] as const;

const question = (change: Partial<SeriesQuestion> = {}): SeriesQuestion => ({
  project: "shop",
  fromMs: FROM_MS,
  toMs: FROM_MS + DAY_MS,
  filter: null,
  metric: "events",
  granularity: "hour",
  timeZone: "UTC",
  by: [],
  ...change,
});

function seriesPlan(change: Partial<SeriesQuestion> = {}) {
  const planned = planSeries(question(change));
  assert(planned.ok);
  return planned.plan;
}

function refusalOf(change: Partial<SeriesQuestion>) {
  const planned = planSeries(question(change));
  assert(!planned.ok);
  return planned.refusal;
}

Deno.test("WANT bits and level widths equal those of the store's port", () => {
  assert.deepEqual(
    [WANT_USERS, WANT_SESSIONS, WANT_AMOUNTS],
    [store.WANT_USERS, store.WANT_SESSIONS, store.WANT_AMOUNTS],
  );
  assert.equal(LEVEL_WIDTHS_MS[store.LEVEL_MINUTE], 60_000);
  assert.equal(LEVEL_WIDTHS_MS[store.LEVEL_HOUR], 3_600_000);
  assert.equal(LEVEL_WIDTHS_MS[store.LEVEL_DAY], DAY_MS);
});

Deno.test("planSeries() tiles the range and cuts minutes only at its ends when random", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 400 * DAY_MS }),
      fc.integer({ min: 0, max: 5 * DAY_MS }),
      fc.constantFrom<Granularity>("minute", "hour", "day", "week", "month"),
      fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"),
      (fromOff, lengthMs, granularity, timeZone) => {
        const fromMs = FROM_MS + fromOff;
        const toMs = fromMs + lengthMs;
        const plan = seriesPlan({ fromMs, toMs, granularity, timeZone });
        const buckets = planBuckets(plan.rollup);
        assert.equal(plan.labelsMs.length, buckets.length);
        let at = fromMs;
        buckets.forEach(({ startMs, endMs, edges }, i) => {
          assert.equal(startMs, at);
          assert(plan.labelsMs[i] <= startMs && startMs < endMs);
          assert(i === 0 || plan.labelsMs[i] === startMs, "only the first bucket is cut");
          if (i > 0 && i < buckets.length - 1) assert.equal(edges.length, 0);
          at = endMs;
        });
        assert.equal(at, toMs);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("planSeries() has no buckets when the range is empty", () => {
  const plan = seriesPlan({ toMs: FROM_MS });
  assert.equal(plan.labelsMs.length, 0);
  assert.deepEqual(planBuckets(plan.rollup), []);
});

Deno.test("planSeries() wants the metric's sketch of the total or of each type", () => {
  const total = seriesPlan({ metric: "users" }).rollup;
  assert.deepEqual([total.wantTotal, total.wantByType], [WANT_USERS, null]);
  const grouped = seriesPlan({ metric: "p95:amount", by: BY_TYPE }).rollup;
  assert.deepEqual([grouped.wantTotal, grouped.wantByType], [null, WANT_AMOUNTS]);
  assert.equal(grouped.groupsMax, Math.floor(100_000 / 24));
});

Deno.test("planSeries() survives a structured clone", () => {
  const { rollup } = seriesPlan({ filter: isOfType(["buy", "view", "buy"]) });
  assert.deepEqual(structuredClone(rollup), rollup);
  assert.deepEqual(rollup.types, ["buy", "view"]);
});

Deno.test("planSeries() names the parameter and what would do when it refuses", () => {
  const cases: [Partial<SeriesQuestion>, string, RegExp][] = [
    [{ metric: "clicks" }, "metric", /events, users, sessions, events_per_user, or sum,/],
    [{ metric: "" }, "metric", /must be one of/],
    [{ metric: "__proto__" }, "metric", /must be one of/],
    [{ timeZone: "Mars/Olympus" }, "tz", /IANA/],
    [{ toMs: FROM_MS - 1 }, "time_range", /start after its end/],
    [{ toMs: FROM_MS + RANGE_DAYS_MAX * DAY_MS + 1 }, "time_range", /3660 days/],
    [{ metric: "sum:" }, "metric", /amount or a property/],
    [{ metric: "sum:user_id" }, "metric", /properties.NAME/],
    [{ metric: "p75:price" }, "metric", /must be one of/],
    [
      { granularity: "minute", toMs: FROM_MS + 8 * DAY_MS },
      "granularity",
      /granularity hour or coarser/,
    ],
    [
      { granularity: "hour", toMs: FROM_MS + 1_000 * DAY_MS },
      "granularity",
      /granularity day or coarser/,
    ],
    [
      { granularity: "minute", toMs: FROM_MS + 1_000 * DAY_MS },
      "granularity",
      /granularity day or coarser/,
    ],
  ];
  for (const [change, parameter, detail] of cases) {
    const refusal = refusalOf(change);
    assert.equal(refusal.parameter, parameter);
    assert.match(refusal.detail, detail);
  }
});

Deno.test("planSeries() takes exactly the largest number of buckets", () => {
  const toMs = FROM_MS + SERIES_BUCKETS_MAX * 60_000;
  assert.equal(
    seriesPlan({ granularity: "minute", toMs }).labelsMs.length,
    SERIES_BUCKETS_MAX,
  );
  assert.equal(refusalOf({ granularity: "minute", toMs: toMs + 1 }).parameter, "granularity");
});

Deno.test("planSeries() takes the longest range by day in any zone", () => {
  const toMs = FROM_MS + RANGE_DAYS_MAX * DAY_MS;
  const plan = seriesPlan({ granularity: "day", toMs, timeZone: "America/St_Johns" });
  assert.equal(plan.labelsMs.length, RANGE_DAYS_MAX + 1);
});

Deno.test("planSummary() puts a period of equal length before the one asked for", () => {
  const planned = planSummary({
    project: "shop",
    fromMs: FROM_MS,
    toMs: FROM_MS + 90_500,
    filter: null,
  });
  assert(planned.ok);
  const { rollup } = planned.plan;
  assert.deepEqual([...rollup.boundsMs], [FROM_MS - 90_500, FROM_MS, FROM_MS + 90_500]);
  assert.deepEqual(
    [rollup.types, rollup.wantTotal, rollup.wantByType],
    [null, WANT_USERS | WANT_SESSIONS, 0],
  );
});

Deno.test("planSummary() starts the period before at 1970 when it would begin earlier", () => {
  const planned = planSummary({ project: "shop", fromMs: 10, toMs: 1_000, filter: null });
  assert(planned.ok);
  assert.deepEqual([...planned.plan.rollup.boundsMs], [0, 10, 1_000]);
});
