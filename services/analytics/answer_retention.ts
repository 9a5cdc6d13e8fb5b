/**
 * Answers about who came back, free of any transport: retention and stickiness. Ranges are widened
 * to whole periods, and what is not over yet is marked, so that no cell shows less than is true.
 */

import { RETENTION_PERIODS_DEFAULT } from "../../lib/config/limits.ts";
import { type Filter, propertyKeys } from "../../lib/query/filter/filter.ts";
import { EXACT } from "../../lib/query/metric.ts";
import type { Planned } from "../../lib/query/plan.ts";
import {
  type Periods,
  type PeriodWidth,
  startOfLastPeriods,
} from "../../lib/query/retention/periods.ts";
import {
  type CohortRule,
  mergeRetention,
  planRetention,
  type RetentionMode,
} from "../../lib/query/retention/retention.ts";
import {
  type RetentionCohort,
  type RetentionFigures,
  retentionFigures,
} from "../../lib/query/retention/retention_figures.ts";
import { mergeStickiness, planStickiness } from "../../lib/query/retention/stickiness.ts";
import {
  type StickinessFigures,
  stickinessFigures,
} from "../../lib/query/retention/stickiness_figures.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { askRows, notesOnKeys, type Patience, withPatience } from "./ask_rows.ts";
import {
  type Asked,
  askedNow,
  completeUntil,
  qualityOf,
  rangeJson,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import { durationJson, int64Json, timestampJson } from "./proto_json.ts";
import type { RetentionJson, StickinessJson } from "./retention_json.ts";

/** What both questions have in common. */
export interface PeriodsRequest {
  readonly project: string;
  /** A missing start means RETENTION_PERIODS_DEFAULT periods. */
  readonly range: RequestedRange;
  readonly granularity: PeriodWidth;
  /** IANA name; null = UTC. */
  readonly timeZone: string | null;
  readonly patience: Patience;
}

export interface RetentionRequest extends PeriodsRequest {
  /** What makes a user join a cohort, and what counts as coming back; null = any event. */
  readonly start: Filter | null;
  readonly again: Filter | null;
  readonly mode: RetentionMode;
  readonly cohort: CohortRule;
  /** Columns at most, 1 to RETENTION_PERIODS_MAX; null = all there are. */
  readonly columns: number | null;
}

export interface StickinessRequest extends PeriodsRequest {
  /** What makes a user active; null = any event. */
  readonly filter: Filter | null;
}

/** Who of those that came for the first time came again. Throws ProblemError. */
export async function answerRetention(
  request: RetentionRequest,
  ports: AnalyticsPorts,
): Promise<RetentionJson> {
  const { project, start, again, mode, cohort, patience } = request;
  const asked = askedPeriods(request, ports);
  const { question, periods } = planned(planRetention({
    ...periodsAsked(request, asked),
    project,
    start,
    again,
    mode,
    cohort,
    columns: request.columns,
  }));
  const widened = widenedTo(periods, asked);
  return await withPatience(patience, async (signal) => {
    const answer = await askRows(question, ports, signal);
    const untilMs = completeUntil(asked, answer.completeUntilMs);
    const partial = mergeRetention(question, answer.partials);
    const figures = retentionFigures(question, partial, untilMs);
    // Without a cohort the start is to blame; without a return, what makes one.
    const isEmpty = figures.size === 0 || partial.users.every((users) => users === 0);
    const keys = [...propertyKeys(start), ...propertyKeys(again)];
    const notes = isEmpty
      ? await notesOnKeys(keys, { project, ...noted(widened, cohort) }, ports, signal)
      : [];
    return {
      ...retentionJson(figures),
      metadata: { mode, cohort, ...metadataOf(periods, widened, ports) },
      notes,
      ...qualityOf(widened, answer, {
        "cohorts.size": EXACT,
        "cohorts.periods.users": EXACT,
      }),
    };
  });
}

/** On how many days of each week or month its users were active. Throws ProblemError. */
export async function answerStickiness(
  request: StickinessRequest,
  ports: AnalyticsPorts,
): Promise<StickinessJson> {
  const { project, filter, patience } = request;
  const asked = askedPeriods(request, ports);
  const { question, periods } = planned(planStickiness({
    ...periodsAsked(request, asked),
    project,
    filter,
    atMs: asked.atMs,
  }));
  const widened = widenedTo(periods, asked);
  return await withPatience(patience, async (signal) => {
    const answer = await askRows(question, ports, signal);
    const untilMs = completeUntil(asked, answer.completeUntilMs);
    const partial = mergeStickiness(question, answer.partials);
    const figures = stickinessFigures(question, partial, asked.atMs, untilMs);
    const isEmpty = figures.periods.every(({ users }) => users === 0) && figures.active.month === 0;
    const notes = isEmpty
      ? await notesOnKeys(propertyKeys(filter), { project, ...widened }, ports, signal)
      : [];
    return {
      ...stickinessJson(figures),
      metadata: metadataOf(periods, widened, ports),
      notes,
      ...qualityOf(widened, answer, { "periods.users": EXACT, "active_users": EXACT }),
    };
  });
}

/** The range asked for, with a default that is made of whole periods. */
function askedPeriods(request: PeriodsRequest, ports: AnalyticsPorts): Asked {
  const asked = askedNow(request.range, ports, 0, "time_range");
  if (request.range.startMs !== null) return asked;
  const { width, timeZone } = periodsAsked(request, asked);
  const startMs = startOfLastPeriods(
    { width, timeZone, toMs: asked.endMs },
    RETENTION_PERIODS_DEFAULT,
  );
  return { ...asked, startMs };
}

function periodsAsked({ granularity, timeZone }: PeriodsRequest, { startMs, endMs }: Asked) {
  return { width: granularity, timeZone: timeZone ?? "UTC", fromMs: startMs, toMs: endMs };
}

function planned<Plan>(plan: Planned<Plan>): Plan {
  if (plan.ok) return plan.plan;
  throw refused(plan.refusal);
}

/** What the periods cover. */
function widenedTo({ boundsMs }: Periods, asked: Asked): Asked {
  if (boundsMs.length === 0) return asked;
  return { ...asked, startMs: boundsMs[0], endMs: boundsMs[boundsMs.length - 1] };
}

/** Where start events were looked for. */
function noted({ startMs, endMs }: Asked, cohort: CohortRule) {
  return { startMs: cohort === "first_ever" ? 0 : startMs, endMs };
}

function metadataOf({ width, timeZone }: Periods, widened: Asked, { now }: AnalyticsPorts) {
  return {
    granularity: `TIME_GRANULARITY_${width.toUpperCase()}`,
    time_zone: timeZone,
    time_range: rangeJson(widened),
    processing_time: durationJson(now() - widened.atMs),
  };
}

function retentionJson({ cohorts, columns, size }: RetentionFigures) {
  return {
    cohorts: cohorts.map((cohort, c) => ({
      start: timestampJson(cohort.startMs),
      end: timestampJson(cohort.endMs),
      size: int64Json(cohort.size),
      complete: cohort.complete,
      periods: cellsJson(cohort, cohorts.slice(c)),
    })),
    totals: {
      size: int64Json(size),
      periods: columns.map(({ cohorts, size, users, rate }, period) => ({
        period,
        cohorts,
        size: int64Json(size),
        users: int64Json(users),
        rate,
      })),
    },
  };
}

/** @param later the cohort itself and those after it: what their periods are the cells look at */
function cellsJson({ cells }: RetentionCohort, later: readonly RetentionCohort[]) {
  return cells.map(({ users, rate, complete }, period) => ({
    period,
    start: timestampJson(later[period].startMs),
    users: int64Json(users),
    rate,
    complete,
  }));
}

function stickinessJson({ periods, active }: StickinessFigures) {
  return {
    periods: periods.map((period) => ({
      start: timestampJson(period.startMs),
      end: timestampJson(period.endMs),
      complete: period.complete,
      days: period.days,
      users: int64Json(period.users),
      user_days: int64Json(period.userDays),
      mean_days: period.meanDays,
      daily_users: period.dailyUsers,
      ratio: period.ratio,
      users_by_days: period.usersByDays.map(int64Json),
    })),
    active_users: {
      day: rangeJson({ ...active, atMs: 0 }),
      complete: active.complete,
      daily: int64Json(active.day),
      weekly: int64Json(active.week),
      monthly: int64Json(active.month),
      daily_to_weekly: active.dayToWeek,
      daily_to_monthly: active.dayToMonth,
      weekly_to_monthly: active.weekToMonth,
    },
  };
}
