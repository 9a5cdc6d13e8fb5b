/**
 * Stickiness: on how many days of a week or month its users were active, and how the users of a day,
 * of 7 days and of 30 days relate. A user is active on a day of the time zone when a matching event
 * lies in it.
 *
 * Days are bits of one number a user (a month has at most 31), so a partition answers with counts.
 */

import { RETENTION_PERIODS_MAX } from "../../config/limits.ts";
import type { Filter } from "../filter/filter.ts";
import type { Planned } from "../plan.ts";
import { bucketStarts } from "../time_zone.ts";
import { periodCount, type Periods, type PeriodsAsked, planPeriods } from "./periods.ts";

const DAY_MS = 86_400_000;
const DAYS_OF_WEEK = 7;
/** Days of the window that is called a month where it is not one of the calendar. */
const DAYS_OF_WINDOW = 30;

/** What is asked of every partition. Structured clone safe. */
export interface StickinessQuestion {
  readonly kind: "stickiness";
  readonly project: string;
  readonly filter: Filter | null;
  /** Bounds of the days of each period. */
  readonly periodDaysMs: readonly (readonly number[])[];
  /** Bounds of the last days, at most DAYS_OF_WINDOW of them, ascending. */
  readonly lastDaysMs: readonly number[];
}

/** Users of the last day, of the last 7 and of the last 30. */
export interface ActiveUsers {
  readonly day: number;
  readonly week: number;
  readonly month: number;
}

/** The counts of one partition, of several once merged. */
export interface StickinessPartial {
  /** By period: [n] users were active on n days. */
  readonly usersByDays: readonly Float64Array[];
  readonly active: ActiveUsers;
}

/** What a client may choose. */
export interface StickinessAsked extends PeriodsAsked {
  readonly project: string;
  readonly filter: Filter | null;
  /** When it is asked, ms since the epoch: the last day is one that is over. */
  readonly atMs: number;
}

export interface StickinessPlan {
  readonly question: StickinessQuestion;
  readonly periods: Periods;
}

/** Plans a question of at most RETENTION_PERIODS_MAX weeks or months. */
export function planStickiness(asked: StickinessAsked): Planned<StickinessPlan> {
  const planned = planPeriods(asked, RETENTION_PERIODS_MAX);
  if (!planned.ok) return planned;
  const periods = planned.plan;
  const { timeZone, boundsMs } = periods;
  const daysOf = (fromMs: number, toMs: number) =>
    bucketStarts(timeZone, "day", fromMs, toMs, Infinity).map((ms) => Math.max(0, ms));
  const question: StickinessQuestion = {
    kind: "stickiness",
    project: asked.project,
    filter: asked.filter,
    periodDaysMs: boundsMs.slice(1).map((endMs, i) => daysOf(boundsMs[i], endMs)),
    lastDaysMs: lastDays(daysOf, Math.min(asked.toMs, asked.atMs)),
  };
  return { ok: true, plan: { question, periods } };
}

/** Bounds of the last days that are over at `untilMs`. */
function lastDays(daysOf: (fromMs: number, toMs: number) => number[], untilMs: number): number[] {
  const fromMs = Math.max(0, untilMs - (DAYS_OF_WINDOW + 3) * DAY_MS);
  const bounds = daysOf(fromMs, untilMs).filter((ms) => ms <= untilMs);
  return bounds.slice(-1 - DAYS_OF_WINDOW);
}

/** Counts the days of users. */
export class StickinessCounter {
  readonly #usersByDays: readonly Float64Array[];
  readonly #lastDays: number;
  #day = 0;
  #week = 0;
  #month = 0;

  constructor({ periodDaysMs, lastDaysMs }: StickinessQuestion) {
    this.#usersByDays = periodDaysMs.map((bounds) => new Float64Array(bounds.length));
    this.#lastDays = periodCount({ boundsMs: lastDaysMs });
  }

  /** A user of period `period`; bit i: active on its day i. */
  add(period: number, days: number): void {
    this.#usersByDays[period][bitCount(days)]++;
  }

  /** A user of the last days; bit i: active on the i-th of them. */
  addLast(days: number): void {
    this.#month++;
    if (days >>> Math.max(0, this.#lastDays - DAYS_OF_WEEK) !== 0) this.#week++;
    if (days >>> (this.#lastDays - 1) !== 0) this.#day++;
  }

  get partial(): StickinessPartial {
    const active = { day: this.#day, week: this.#week, month: this.#month };
    return { usersByDays: this.#usersByDays, active };
  }
}

/** Bits that are set in the lower 32. */
function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** The counts together. */
export function mergeStickiness(
  { periodDaysMs }: StickinessQuestion,
  partials: readonly StickinessPartial[],
): StickinessPartial {
  const usersByDays = periodDaysMs.map((bounds) => new Float64Array(bounds.length));
  const active = { day: 0, week: 0, month: 0 };
  for (const partial of partials) {
    partial.usersByDays.forEach((counts, period) => {
      counts.forEach((users, days) => usersByDays[period][days] += users);
    });
    active.day += partial.active.day;
    active.week += partial.active.week;
    active.month += partial.active.month;
  }
  return { usersByDays, active };
}
