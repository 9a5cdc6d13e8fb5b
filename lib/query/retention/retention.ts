/**
 * Retention: who came back, and when. A user belongs to the cohort of the period in which the first
 * start event lies, and is active in a period when a return event lies in it, at or after that first
 * one (the same event may be both).
 *
 *     cell (cohort c, k)   exact: the users of c active in period c + k
 *                          rolling: the users of c active in period c + k or in a later one
 *
 * A shard tells each user's cohort and active periods (lib/process/answer_retention.ts) and counts
 * them into a matrix; matrices add up, since a user's events are all in one partition.
 */

import { RETENTION_PERIODS_MAX } from "../../config/limits.ts";
import type { Filter } from "../filter/filter.ts";
import type { Planned } from "../plan.ts";
import { periodCount, type Periods, type PeriodsAsked, planPeriods } from "./periods.ts";

export type RetentionMode = "exact" | "rolling";
/** Whether a first event before the range counts as the first one; its user is then in no cohort. */
export type CohortRule = "first_in_range" | "first_ever";

export const RETENTION_MODES: readonly RetentionMode[] = ["exact", "rolling"];
export const COHORT_RULES: readonly CohortRule[] = ["first_in_range", "first_ever"];

/** What is asked of every partition. Structured clone safe. */
export interface RetentionQuestion {
  readonly kind: "retention";
  readonly project: string;
  /** Period i is [boundsMs[i], boundsMs[i + 1]). */
  readonly boundsMs: readonly number[];
  /** What a start event and a return event have to match; null = any event. */
  readonly start: Filter | null;
  readonly again: Filter | null;
  readonly cohort: CohortRule;
  readonly mode: RetentionMode;
  /** Columns of the matrix, k < columns. */
  readonly columns: number;
}

/** The matrix of one partition, of several once merged. */
export interface RetentionPartial {
  /** Users by cohort. */
  readonly sizes: Float64Array;
  /** Users by cohort and column: [c * columns + k]. */
  readonly users: Float64Array;
}

/** What a client may choose. */
export interface RetentionAsked extends PeriodsAsked {
  readonly project: string;
  readonly start: Filter | null;
  readonly again: Filter | null;
  readonly cohort: CohortRule;
  readonly mode: RetentionMode;
  /** Columns wanted at most; null = as many as there are periods. */
  readonly columns: number | null;
}

/** The plan: the question, and the periods that it is about. */
export interface RetentionPlan {
  readonly question: RetentionQuestion;
  readonly periods: Periods;
}

/** Plans a question of at most RETENTION_PERIODS_MAX periods. */
export function planRetention(asked: RetentionAsked): Planned<RetentionPlan> {
  const planned = planPeriods(asked, RETENTION_PERIODS_MAX);
  if (!planned.ok) return planned;
  const periods = planned.plan;
  const { project, start, again, cohort, mode } = asked;
  const question: RetentionQuestion = {
    kind: "retention",
    project,
    boundsMs: periods.boundsMs,
    start,
    again,
    cohort,
    mode,
    columns: Math.min(periodCount(periods), asked.columns ?? Infinity),
  };
  return { ok: true, plan: { question, periods } };
}

/** A matrix of zeros. */
export function emptyRetention(question: RetentionQuestion): RetentionPartial {
  const cohorts = periodCount(question);
  return {
    sizes: new Float64Array(cohorts),
    users: new Float64Array(cohorts * question.columns),
  };
}

/** Counts users into the matrix: each with a cohort and the bits of the periods after it. */
export class RetentionCounter {
  readonly #question: RetentionQuestion;
  readonly partial: RetentionPartial;

  constructor(question: RetentionQuestion) {
    this.#question = question;
    this.partial = emptyRetention(question);
  }

  /** @param low bits of the periods 0 to 31 in which the user was active; `high` of 32 to 63 */
  add(cohort: number, low: number, high: number): void {
    const { columns, mode } = this.#question;
    const { sizes, users } = this.partial;
    sizes[cohort]++;
    const at = cohort * columns;
    // What lies before the cohort is dropped: bit k is period cohort + k now.
    let rest = after(low, high, cohort);
    let restHigh = cohort < 32 ? high >>> cohort : 0;
    if (mode === "rolling") {
      const last = restHigh !== 0 ? 63 - Math.clz32(restHigh) : 31 - Math.clz32(rest);
      for (let k = Math.min(last, columns - 1); k >= 0; k--) users[at + k]++;
      return;
    }
    for (let from = 0; from < columns; from += 32) {
      while (rest !== 0) {
        const k = from + 31 - Math.clz32(rest & -rest);
        if (k >= columns) return;
        users[at + k]++;
        rest &= rest - 1;
      }
      rest = restHigh;
      restHigh = 0;
    }
  }
}

/** The lower 32 bits of a 64-bit number that is shifted right by `places`. */
function after(low: number, high: number, places: number): number {
  if (places === 0) return low;
  if (places >= 32) return high >>> (places - 32);
  return (low >>> places) | (high << (32 - places));
}

/** The matrices together. */
export function mergeRetention(
  question: RetentionQuestion,
  partials: readonly RetentionPartial[],
): RetentionPartial {
  const sum = emptyRetention(question);
  for (const { sizes, users } of partials) {
    sizes.forEach((value, i) => sum.sizes[i] += value);
    users.forEach((value, i) => sum.users[i] += value);
  }
  return sum;
}
