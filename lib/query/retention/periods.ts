/**
 * Calendar periods of questions about who came back: days, weeks or months of a time zone, always
 * whole ones, because a period cut short by the range would look like one in which fewer came.
 */

import type { Planned } from "../plan.ts";
import { bucketStarts, timeZoneName } from "../time_zone.ts";

/** Widths of a period. */
export type PeriodWidth = "day" | "week" | "month";

export const PERIOD_WIDTHS: readonly PeriodWidth[] = ["day", "week", "month"];

/** What the periods are made of: [fromMs, toMs) is widened to whole ones. */
export interface PeriodsAsked {
  readonly width: PeriodWidth;
  /** IANA name. */
  readonly timeZone: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Period i is [boundsMs[i], boundsMs[i + 1]). No bound at all when the range is empty. */
export interface Periods {
  readonly width: PeriodWidth;
  /** The zone's name in its usual spelling. */
  readonly timeZone: string;
  readonly boundsMs: readonly number[];
}

/** The whole periods that a range meets, at most `periodsMax`. Refuses by `time_range` and `tz`. */
export function planPeriods(asked: PeriodsAsked, periodsMax: number): Planned<Periods> {
  const { width, fromMs, toMs } = asked;
  const refuse = (parameter: string, detail: string) =>
    ({ ok: false, refusal: { parameter, detail } }) as const;
  const timeZone = timeZoneName(asked.timeZone);
  if (timeZone === null) {
    return refuse("tz", "tz must be an IANA time zone name, such as UTC or Europe/Berlin");
  }
  if (fromMs > toMs) return refuse("time_range", "the range must not start after its end");
  const boundsMs = bucketStarts(timeZone, width, fromMs, toMs, periodsMax);
  if (boundsMs.length > 0 && boundsMs[boundsMs.length - 1] < toMs) {
    const detail = `the range must meet at most ${periodsMax} periods, here of a ${width}`;
    return refuse("time_range", detail);
  }
  // The first day of 1970 begins before the epoch west of Greenwich; no event is as old.
  return { ok: true, plan: { width, timeZone, boundsMs: boundsMs.map((ms) => Math.max(0, ms)) } };
}

/** How many periods there are. */
export function periodCount({ boundsMs }: Pick<Periods, "boundsMs">): number {
  return Math.max(0, boundsMs.length - 1);
}

/** Start of the `periods`th period back from the one that `toMs` ends, for a range without a start. */
export function startOfLastPeriods(asked: Omit<PeriodsAsked, "fromMs">, periods: number): number {
  const timeZone = timeZoneName(asked.timeZone);
  const { width, toMs } = asked;
  if (timeZone === null || toMs <= 0) return 0;
  const fromMs = Math.max(0, toMs - (periods + 1) * LONGEST_MS[width]);
  const starts = bucketStarts(timeZone, width, fromMs, toMs, Infinity);
  return Math.max(0, starts[Math.max(0, starts.length - 1 - periods)]);
}

const DAY_MS = 86_400_000;
/** No period is longer, ms; a day may have an hour more. */
const LONGEST_MS: Readonly<Record<PeriodWidth, number>> = {
  day: 1.5 * DAY_MS,
  week: 7.5 * DAY_MS,
  month: 31.5 * DAY_MS,
};
