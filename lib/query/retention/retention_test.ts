import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bruteActive,
  bruteRetention,
  bruteStickiness,
  startOfPeriod,
} from "../../../tests/support/brute_retention.ts";
import { madeSpans, madeVisits, periodsOfUsers } from "../../../tests/support/made_visits.ts";
import { planPeriods, startOfLastPeriods } from "./periods.ts";
import { mergeRetention, planRetention, RetentionCounter } from "./retention.ts";
import { retentionFigures } from "./retention_figures.ts";
import { mergeStickiness, planStickiness, StickinessCounter } from "./stickiness.ts";
import { stickinessFigures } from "./stickiness_figures.ts";

const DAY_MS = 86_400_000;
const MONDAY_MS = Date.UTC(2024, 0, 1);
const RUNS = 1_000;

Deno.test("a retention matrix is what the definition says when counted by bits", () => {
  const asked = fc.record({
    span: madeSpans,
    mode: fc.constantFrom("exact" as const, "rolling" as const),
    cohort: fc.constantFrom("first_in_range" as const, "first_ever" as const),
    columns: fc.option(fc.integer({ min: 1, max: 60 })),
  });
  fc.assert(
    fc.property(madeVisits, asked, (events, { span, mode, cohort, columns }) => {
      const planned = planRetention({
        project: "shop",
        ...span,
        start: null,
        again: null,
        mode,
        cohort,
        columns,
      });
      assert.ok(planned.ok);
      const { question } = planned.plan;
      const { boundsMs } = question;
      // As if some users were in one partition and some in another.
      const partials = [0, 1].map((partition) => {
        const counter = new RetentionCounter(question);
        const here = events.filter(({ userId }) => userId.charCodeAt(0) % 2 === partition);
        const sinceMs = cohort === "first_ever" ? 0 : boundsMs[0];
        const { count, firstMs, active } = periodsOfUsers(here, boundsMs, sinceMs);
        for (let i = 0; i < count; i++) {
          const period = boundsMs.findLastIndex((bound) => bound <= firstMs![i]);
          counter.add(period, active[2 * i], active[2 * i + 1]);
        }
        return counter.partial;
      });
      const sum = mergeRetention(question, partials);
      const figures = retentionFigures(question, sum, Infinity);
      const expected = bruteRetention(events, { ...span, mode, cohort });
      const found = figures.cohorts.map(({ startMs, size, cells }) => ({
        startMs,
        size,
        cells: cells.map(({ users }) => users),
      }));
      const shown = expected.map(({ date, size, cells }) => ({
        startMs: startOfPeriod(date, span.timeZone),
        size,
        cells: cells.slice(0, columns ?? undefined),
      }));
      assert.deepEqual(found, shown);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("stickiness is what the definition says when counted by bits", () => {
  const spans = madeSpans.map((span) => ({
    ...span,
    width: span.width === "day" ? "week" as const : span.width,
  }));
  fc.assert(
    fc.property(madeVisits, spans, (events, span) => {
      const planned = planStickiness({ project: "shop", ...span, filter: null, atMs: span.toMs });
      assert.ok(planned.ok);
      const { question } = planned.plan;
      const returns = events.filter((event) => event.isReturn);
      const partials = [0, 1].map((partition) => {
        const here = returns.filter(({ userId }) => userId.charCodeAt(0) % 2 === partition);
        const counter = new StickinessCounter(question);
        const bits = (bounds: readonly number[], add: (days: number) => void) => {
          if (bounds.length < 2) return;
          const { count, active } = periodsOfUsers(here, bounds, null);
          for (let i = 0; i < count; i++) add(active[2 * i]);
        };
        question.periodDaysMs.forEach((bounds, i) => bits(bounds, (days) => counter.add(i, days)));
        bits(question.lastDaysMs, (days) => counter.addLast(days));
        return counter.partial;
      });
      const sum = mergeStickiness(question, partials);
      const { periods, active } = stickinessFigures(question, sum, Infinity, Infinity);
      const found = periods.map(({ startMs, days, usersByDays }) => (
        { startMs, days, usersByDays }
      ));
      const expected = bruteStickiness(returns, span).map(({ date, ...period }) => (
        { startMs: startOfPeriod(date, span.timeZone), ...period }
      ));
      assert.deepEqual(found, expected);
      const usersOf = (days: number) =>
        bruteActive(returns, { timeZone: span.timeZone, untilMs: span.toMs, days });
      const { day, week, month } = active;
      assert.deepEqual({ day, week, month }, {
        day: usersOf(1),
        week: usersOf(7),
        month: usersOf(30),
      });
    }),
    { numRuns: RUNS },
  );
});

const weeks = (count: number) => ({
  width: "week" as const,
  timeZone: "UTC",
  fromMs: MONDAY_MS,
  toMs: MONDAY_MS + count * 7 * DAY_MS,
});

const wanted = {
  project: "shop",
  start: null,
  again: null,
  cohort: "first_in_range",
  columns: null,
} as const;

Deno.test("retentionFigures() marks cells when their time is not over, and averages the others", () => {
  const planned = planRetention({ ...weeks(3), ...wanted, mode: "exact" });
  assert.ok(planned.ok);
  const { question } = planned.plan;
  const sizes = Float64Array.of(10, 30, 5);
  const users = Float64Array.of(10, 5, 4, 30, 9, 0, 5, 0, 0);
  const untilMs = MONDAY_MS + 15 * DAY_MS;
  const { cohorts, columns, size } = retentionFigures(question, { sizes, users }, untilMs);
  assert.equal(size, 45);
  assert.deepEqual(cohorts.map(({ complete }) => complete), [true, true, false]);
  const marks = cohorts.map(({ cells }) => cells.map(({ complete }) => complete));
  assert.deepEqual(marks, [[true, true, false], [true, false], [false]]);
  assert.deepEqual(columns, [
    { cohorts: 2, size: 40, users: 40, rate: 1 },
    { cohorts: 1, size: 10, users: 5, rate: 0.5 },
    { cohorts: 0, size: 0, users: 0, rate: 0 },
  ]);
  assert.equal(cohorts[1].cells[1].rate, 0.3);
});

Deno.test("retentionFigures() marks all cells of a rolling matrix until the range is over", () => {
  const planned = planRetention({ ...weeks(2), ...wanted, mode: "rolling" });
  assert.ok(planned.ok);
  const { question } = planned.plan;
  const partial = { sizes: Float64Array.of(4, 0), users: Float64Array.of(4, 1, 0, 0) };
  const marks = (untilMs: number) =>
    retentionFigures(question, partial, untilMs).cohorts
      .flatMap(({ cells }) => cells.map(({ complete }) => complete));
  assert.deepEqual(marks(question.boundsMs[2] - 1), [false, false, false]);
  assert.deepEqual(marks(question.boundsMs[2]), [true, true, true]);
});

Deno.test("RetentionCounter tells periods apart when there are more than 32", () => {
  const days = { ...weeks(1), width: "day" as const, toMs: MONDAY_MS + 60 * DAY_MS };
  const planned = planRetention({ ...days, ...wanted, mode: "exact" });
  assert.ok(planned.ok);
  const { question } = planned.plan;
  for (const cohort of [0, 1, 31, 32, 40]) {
    const counter = new RetentionCounter(question);
    const set = [cohort, 41, 59].filter((period) => period >= cohort);
    const bits = set.reduce((sum, period) => sum | (1n << BigInt(period)), 1n);
    counter.add(cohort, Number(bits & 0xffff_ffffn), Number(bits >> 32n));
    const row = counter.partial.users.subarray(cohort * 60, cohort * 60 + 60);
    const found = [...row.keys()].filter((k) => row[k] === 1).map((k) => cohort + k);
    assert.deepEqual(found, cohort === 0 ? [0, 41, 59] : set);
  }
});

Deno.test("planPeriods() widens a range to whole periods, and refuses too many of them", () => {
  const asked = { ...weeks(1), fromMs: MONDAY_MS + 1, toMs: MONDAY_MS + 7 * DAY_MS + 1 };
  const planned = planPeriods(asked, 2);
  assert.ok(planned.ok);
  assert.deepEqual(planned.plan.boundsMs, [0, 7, 14].map((day) => MONDAY_MS + day * DAY_MS));
  const refused = planPeriods(asked, 1);
  assert.deepEqual(refused, {
    ok: false,
    refusal: {
      parameter: "time_range",
      detail: "the range must meet at most 1 periods, here of a week",
    },
  });
  const empty = planPeriods({ ...asked, toMs: asked.fromMs }, 1);
  assert.ok(empty.ok && empty.plan.boundsMs.length === 0);
  const backwards = planPeriods({ ...asked, toMs: 0 }, 1);
  assert.ok(!backwards.ok && backwards.refusal.parameter === "time_range");
  const nowhere = planPeriods({ ...asked, timeZone: "Mars" }, 1);
  assert.ok(!nowhere.ok && nowhere.refusal.parameter === "tz");
});

Deno.test("startOfLastPeriods() counts the running period as one", () => {
  const zone = { width: "month" as const, timeZone: "UTC" };
  const start = startOfLastPeriods({ ...zone, toMs: Date.UTC(2024, 4, 6) }, 2);
  assert.equal(start, Date.UTC(2024, 3, 1));
  assert.equal(
    startOfLastPeriods({ ...zone, toMs: Date.UTC(2024, 4, 1) }, 2),
    Date.UTC(2024, 2, 1),
  );
  assert.equal(startOfLastPeriods({ ...zone, toMs: 1 }, 2), 0);
});
