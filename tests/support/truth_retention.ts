/** Truth of retention and stickiness: counted anew from the events, by definition. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bruteActive, bruteRetention, bruteStickiness, type Width } from "./brute_retention.ts";
import {
  answerTo,
  assertClose,
  comparable,
  rangeBody,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { meets, NO_CONDITIONS, type TruthConditions, truthConditions } from "./truth_conditions.ts";
import { TRUTH_ZONES } from "./truth_rollups.ts";

const zones = fc.constantFrom(...TRUTH_ZONES);

interface RetentionQuestion {
  readonly range: TruthRange;
  readonly all: TruthConditions;
  readonly start: TruthConditions;
  readonly again: TruthConditions;
  readonly granularity: Width;
  readonly tz: string;
  readonly mode: "exact" | "rolling";
  readonly cohort: "first_in_range" | "first_ever";
}

export const retentionCase: TruthCase<RetentionQuestion> = {
  kind: "retention",
  questions: fc.record({
    range: truthRanges,
    all: fc.oneof({ weight: 4, arbitrary: fc.constant(NO_CONDITIONS) }, truthConditions),
    start: truthConditions,
    again: truthConditions,
    granularity: fc.constantFrom("day", "day", "week", "month"),
    tz: zones,
    mode: fc.constantFrom("exact", "rolling"),
    cohort: fc.constantFrom("first_in_range", "first_ever"),
  }),
  async hold({ range, all, start, again, ...asked }, events, ask) {
    const body = { time_range: rangeBody(range), ...all, start, return: again, ...asked };
    const answer = await answerTo(ask, { path: "/v1/analytics/retention", body });
    const { granularity: width, tz: timeZone, mode, cohort } = asked;
    const visits = events.filter((event) => meets(all, event)).map((event) => ({
      userId: event.userId,
      timestampMs: event.timestampMs,
      isStart: meets(start, event),
      isReturn: meets(again, event),
    }));
    const expected = range.fromMs === range.toMs
      ? []
      : bruteRetention(visits, { width, timeZone, ...range, mode, cohort });
    const found = answer.cohorts.map(({ size, periods }: typeof answer) => ({
      size: Number(size),
      cells: periods.map(({ users }: typeof answer) => Number(users)),
    }));
    assert.deepEqual(found, expected.map(({ size, cells }) => ({ size, cells })));
    for (const row of answer.cohorts) {
      assert.equal(row.complete, true);
      for (const { users, rate, complete } of row.periods) {
        assert.equal(complete, true);
        assertClose(rate, row.size === "0" ? 0 : users / row.size);
      }
    }
    answer.totals.periods.forEach((column: typeof answer, k: number) => {
      const rows = expected.filter(({ cells }) => k < cells.length);
      assert.equal(column.cohorts, rows.length);
      assert.equal(Number(column.size), rows.reduce((sum, row) => sum + row.size, 0));
      assert.equal(Number(column.users), rows.reduce((sum, { cells }) => sum + cells[k], 0));
    });
    return comparable(answer);
  },
};

interface StickinessQuestion {
  readonly range: TruthRange;
  readonly all: TruthConditions;
  readonly granularity: "week" | "month";
  readonly tz: string;
}

export const stickinessCase: TruthCase<StickinessQuestion> = {
  kind: "stickiness",
  questions: fc.record({
    range: truthRanges,
    all: truthConditions,
    granularity: fc.constantFrom("week", "month"),
    tz: zones,
  }),
  async hold({ range, all, granularity, tz }, events, ask) {
    const body = { time_range: rangeBody(range), ...all, granularity, tz };
    const answer = await answerTo(ask, { path: "/v1/analytics/stickiness", body });
    const visits = events.filter((event) => meets(all, event));
    const expected = range.fromMs === range.toMs
      ? []
      : bruteStickiness(visits, { width: granularity, timeZone: tz, ...range });
    const found = answer.periods.map(({ days, users_by_days }: typeof answer) => ({
      days,
      usersByDays: users_by_days.map(Number),
    }));
    assert.deepEqual(found, expected.map(({ days, usersByDays }) => ({ days, usersByDays })));
    answer.periods.forEach((period: typeof answer, i: number) => {
      const { usersByDays, days } = expected[i];
      const users = usersByDays.reduce((sum, each) => sum + each, 0);
      const userDays = usersByDays.reduce((sum, each, n) => sum + (n + 1) * each, 0);
      assert.equal(Number(period.users), users);
      assert.equal(Number(period.user_days), userDays);
      assertClose(period.mean_days, users === 0 ? 0 : userDays / users);
      assertClose(period.daily_users, userDays / days);
      assertClose(period.ratio, users === 0 ? 0 : userDays / days / users);
    });
    const usersOf = (days: number) =>
      bruteActive(visits, { timeZone: tz, untilMs: range.toMs, days });
    const { daily, weekly, monthly, ...ratios } = answer.active_users;
    assert.deepEqual([daily, weekly, monthly].map(Number), [1, 7, 30].map(usersOf));
    assertClose(ratios.daily_to_monthly, monthly === "0" ? 0 : daily / monthly);
    return comparable(answer);
  },
};
