/** The figures of stickiness: distributions, means and ratios, and which of them are final. */

import { periodCount } from "./periods.ts";
import type { ActiveUsers, StickinessPartial, StickinessQuestion } from "./stickiness.ts";

/** One week or month. */
export interface StickinessPeriod {
  readonly startMs: number;
  readonly endMs: number;
  /** Everything received before its end is counted. */
  readonly complete: boolean;
  /** Days of it that have begun; no fewer than any user was active on. */
  readonly days: number;
  /** Users active on at least one day. */
  readonly users: number;
  /** Days on which users were active, added up over users. */
  readonly userDays: number;
  /** userDays / users; 0 without users. */
  readonly meanDays: number;
  /** userDays / days: users of a day, on average; 0 before its first day. */
  readonly dailyUsers: number;
  /** dailyUsers / users, 0 to 1; 0 without users. */
  readonly ratio: number;
  /** [n - 1]: users active on exactly n days; as long as the period has days. */
  readonly usersByDays: readonly number[];
}

/** Users of the last day that is over, and of the 7 and 30 days that end with it. */
export interface StickinessActive extends ActiveUsers {
  /** The last day; both 0 where no day is over. */
  readonly startMs: number;
  readonly endMs: number;
  readonly complete: boolean;
  /** Quotients, 0 to 1; 0 where the divisor is. */
  readonly dayToWeek: number;
  readonly dayToMonth: number;
  readonly weekToMonth: number;
}

export interface StickinessFigures {
  readonly periods: readonly StickinessPeriod[];
  readonly active: StickinessActive;
}

/**
 * @param atMs when it was asked
 * @param untilMs everything received before this is counted
 */
export function stickinessFigures(
  { periodDaysMs, lastDaysMs }: StickinessQuestion,
  { usersByDays, active }: StickinessPartial,
  atMs: number,
  untilMs: number,
): StickinessFigures {
  const periods = periodDaysMs.map((bounds, i): StickinessPeriod => {
    const counts = usersByDays[i];
    const users = counts.reduce((sum, each) => sum + each, 0);
    const userDays = counts.reduce((sum, each, days) => sum + days * each, 0);
    const begun = bounds.slice(0, -1).filter((startMs) => startMs <= atMs).length;
    // Clocks of clients may run ahead: an event may lie in a day that has not begun here.
    const days = Math.max(begun, counts.findLastIndex((each) => each > 0));
    const dailyUsers = quotient(userDays, days);
    const [startMs, endMs] = [bounds[0], bounds[bounds.length - 1]];
    return {
      startMs,
      endMs,
      complete: endMs <= untilMs,
      days,
      users,
      userDays,
      meanDays: quotient(userDays, users),
      dailyUsers,
      ratio: quotient(dailyUsers, users),
      usersByDays: Array.from(counts.subarray(1)),
    };
  });
  const last = periodCount({ boundsMs: lastDaysMs });
  const [startMs, endMs] = last === 0 ? [0, 0] : [lastDaysMs[last - 1], lastDaysMs[last]];
  return {
    periods,
    active: {
      startMs,
      endMs,
      complete: endMs <= untilMs,
      ...active,
      dayToWeek: quotient(active.day, active.week),
      dayToMonth: quotient(active.day, active.month),
      weekToMonth: quotient(active.week, active.month),
    },
  };
}

function quotient(dividend: number, divisor: number): number {
  return divisor === 0 ? 0 : dividend / divisor;
}
