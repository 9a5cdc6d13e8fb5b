/**
 * The figures of a retention matrix: sizes, users, rates and which of them are final. A cell can
 * only be trusted once its time is over; what is not over is marked, and no average is made of it.
 */

import type { RetentionPartial, RetentionQuestion } from "./retention.ts";

/** One cell. */
export interface RetentionCell {
  readonly users: number;
  /** Users / size of the cohort, 0 to 1; 0 where nobody is in the cohort. */
  readonly rate: number;
  /** Its time is over: only events that arrive late can still change it. */
  readonly complete: boolean;
}

/** The row of one cohort. */
export interface RetentionCohort {
  readonly startMs: number;
  readonly endMs: number;
  readonly size: number;
  /** The cohort's own period is over, so nobody joins it any more. */
  readonly complete: boolean;
  /** By periods after the cohort's own; only those inside the range. */
  readonly cells: readonly RetentionCell[];
}

/** A column over all cohorts whose cell is complete: so it is weighted by their sizes. */
export interface RetentionColumn {
  readonly cohorts: number;
  readonly size: number;
  readonly users: number;
  /** Users / size, 0 to 1; 0 where there is no one. */
  readonly rate: number;
}

export interface RetentionFigures {
  readonly cohorts: readonly RetentionCohort[];
  readonly columns: readonly RetentionColumn[];
  /** Users of all cohorts. */
  readonly size: number;
}

/**
 * @param untilMs everything received before this is counted. A rolling cell looks at the whole rest
 * of the range, so it is complete when the range is over.
 */
export function retentionFigures(
  question: RetentionQuestion,
  { sizes, users }: RetentionPartial,
  untilMs: number,
): RetentionFigures {
  const { boundsMs, columns, mode } = question;
  const count = sizes.length;
  const isOver = (period: number) => boundsMs[period + 1] <= untilMs;
  const cohorts: RetentionCohort[] = [];
  for (let c = 0; c < count; c++) {
    const cells: RetentionCell[] = [];
    for (let k = 0; k < columns && c + k < count; k++) {
      const found = users[c * columns + k];
      const complete = isOver(mode === "rolling" ? count - 1 : c + k);
      cells.push({ users: found, rate: rateOf(found, sizes[c]), complete });
    }
    const [startMs, endMs] = [boundsMs[c], boundsMs[c + 1]];
    cohorts.push({ startMs, endMs, size: sizes[c], complete: isOver(c), cells });
  }
  return {
    cohorts,
    columns: Array.from({ length: columns }, (_, k) => columnOf(cohorts, k)),
    size: sizes.reduce((sum, size) => sum + size, 0),
  };
}

function columnOf(cohorts: readonly RetentionCohort[], k: number): RetentionColumn {
  const complete = cohorts.filter(({ cells }) => cells[k]?.complete);
  const size = complete.reduce((sum, cohort) => sum + cohort.size, 0);
  const users = complete.reduce((sum, { cells }) => sum + cells[k].users, 0);
  return { cohorts: complete.length, size, users, rate: rateOf(users, size) };
}

function rateOf(users: number, size: number): number {
  return size === 0 ? 0 : users / size;
}
