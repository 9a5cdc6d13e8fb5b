/**
 * Answers of the analytics role, free of any transport: a request and the ports in, the answer in
 * proto JSON form out. Reads top to bottom as what happens to a question:
 *
 *     range and defaults -> plan -> ask every shard -> merge and read figures -> answer
 *
 * Every answer says how far it is complete. `complete_until` is the time before which everything
 * received is counted; `complete` is true when that reaches the end of the range, or the moment of
 * asking where the range is not over. (An event that arrives later with an older timestamp still
 * changes the past: time of arrival is what the mark is about.)
 */

import type { UserPart, UserQuestion } from "../../lib/process/user_question.ts";
import { type Accuracy, EXACT } from "../../lib/query/metric.ts";
import type { RollupPartial } from "../../lib/query/partial.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { type GroupKey, planSeries, planSummary, type RollupPlan } from "../../lib/query/plan.ts";
import type { RowAnswer, RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import { type SeriesFigures, seriesFigures, type SeriesGroup } from "../../lib/query/series.ts";
import { type SummaryFigures, summaryFigures, type TopFigure } from "../../lib/query/summary.ts";
import type { Granularity } from "../../lib/query/time_zone.ts";
import type { LegacySummaryJson, SeriesJson, SummaryJson } from "./answer_json.ts";
import { readPlan } from "./ask_plan.ts";
import type { Patience } from "./ask_rows.ts";
import {
  type Asked,
  askedNow,
  completeUntil,
  DEFAULT_RANGE_MS,
  qualityOf,
  rangeJson,
  type Reach,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import { durationJson, int64Json, labelJson, timestampJson, unixSeconds } from "./proto_json.ts";

const HOUR_MS = 3_600_000;
/** What a missing range means in the older generation. */
const LEGACY_RANGE_MS = HOUR_MS;

/** What the answers need from the process they run in. */
export interface AnalyticsPorts {
  /** Clock, ms since the epoch. */
  now(): number;
  /** Sends the plan to every shard; the partials are released here. Rejects when one can't answer. */
  askShards(plan: RollupPlan): Promise<RollupPartials>;
  /**
   * Asks the partitions that may have events of the user. Rejects with the signal's reason once that
   * is aborted.
   */
  askUser(question: UserQuestion, signal: AbortSignal): Promise<UserParts>;
  /**
   * Puts the question to the rows of every partition, or, where a user is named, of those that may
   * have events of that user. Rejects with the signal's reason once that is aborted.
   */
  askRows<Q extends RowQuestion>(
    question: Q,
    signal: AbortSignal,
    userId?: string,
  ): Promise<RowPartials<RowPartialOf<Q>>>;
}

/** What the shards of this process know. */
export interface RollupPartials {
  readonly partials: readonly RollupPartial[];
  /** Partitions that are in none of them: they run elsewhere, or nowhere yet. */
  readonly missing: readonly number[];
}

export interface UserParts {
  /** At least one, unless its partition is missing. */
  readonly answers: readonly UserPart[];
  readonly missing: readonly number[];
}

/** What the rows of the partitions say. */
export interface RowPartials<Partial> {
  readonly answers: readonly RowAnswer<Partial>[];
  readonly missing: readonly number[];
}

export interface SummaryRequest {
  readonly project: string;
  readonly range: RequestedRange;
  /** null = all events. */
  readonly filter: Filter | null;
  /** Of an answer that needs rows. */
  readonly patience: Patience;
}

export interface SeriesRequest extends SummaryRequest {
  /** A name of lib/query/metric.ts. */
  readonly metric: string;
  /** null = hour. */
  readonly granularity: Granularity | null;
  /** IANA name; null = UTC. */
  readonly timeZone: string | null;
  /** At most GROUP_BY_MAX. */
  readonly by: readonly GroupKey[];
}

/** `analytics.v1` AnalyticsSummary. Throws ProblemError (invalid_parameter). */
export async function answerSummary(
  request: SummaryRequest,
  ports: AnalyticsPorts,
): Promise<SummaryJson> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const figures = await askSummary(request, asked, ports, "time_range");
  return {
    total_events: int64Json(figures.totalEvents),
    unique_users: int64Json(figures.uniqueUsers),
    sessions: int64Json(figures.sessions),
    events_by_type: Object.fromEntries(
      figures.eventsByType.map(([type, events]) => [type, int64Json(events)]),
    ),
    top_metrics: figures.topMetrics.map(({ name, value, unit, changePercentage }) => (
      { name, value, unit, change_percentage: changePercentage }
    )),
    last_updated: timestampJson(asked.atMs),
    metadata: {
      time_range: rangeJson(asked),
      processing_time: durationJson(ports.now() - asked.atMs),
      cache_status: "none",
    },
    ...qualityOf(asked, figures, {
      total_events: EXACT,
      unique_users: figures.uniqueUsersAccuracy,
      sessions: figures.sessionsAccuracy,
      events_by_type: EXACT,
      ...topAccuracy(figures.topMetrics),
    }),
    ...notesJson(figures.notes),
  };
}

/** The older generation's AnalyticsSummary: JSON numbers, unix seconds, default the last hour. */
export async function answerLegacySummary(
  request: SummaryRequest,
  ports: AnalyticsPorts,
): Promise<LegacySummaryJson> {
  const asked = askedNow(request.range, ports, LEGACY_RANGE_MS, "from");
  const figures = await askSummary(request, asked, ports, "from");
  const timestamp = unixSeconds(asked.atMs);
  const quality = qualityOf(asked, figures, {
    total_events: EXACT,
    total_users: figures.uniqueUsersAccuracy,
    unique_users: figures.uniqueUsersAccuracy,
    sessions: figures.sessionsAccuracy,
    events_by_type: EXACT,
    ...topAccuracy(figures.topMetrics),
  });
  return {
    total_events: figures.totalEvents,
    total_users: figures.uniqueUsers,
    events_by_type: Object.fromEntries(figures.eventsByType),
    top_metrics: figures.topMetrics.map(({ name, value, unit, changePercentage }) => (
      { name, value, labels: { unit }, timestamp, change_percentage: changePercentage }
    )),
    last_updated: timestamp,
    unique_users: figures.uniqueUsers,
    sessions: figures.sessions,
    from: unixSeconds(asked.startMs),
    to: unixSeconds(asked.endMs),
    ...quality,
    complete_until: unixSeconds(completeUntil(asked, figures.completeUntilMs)),
    ...notesJson(figures.notes),
  };
}

/** An answer to a SeriesRequest before its points are made. */
export interface SeriesAnswer {
  /** All but the points. */
  readonly head: Omit<SeriesJson, "series">;
  /** The timestamps of the points of each group. */
  readonly labelsMs: Float64Array;
  readonly groups: readonly SeriesGroup[];
}

/** `analytics.v1` GetTimeSeriesResponse. Throws ProblemError (invalid_parameter). */
export async function answerSeries(
  request: SeriesRequest,
  ports: AnalyticsPorts,
): Promise<SeriesJson> {
  return withPoints(await askSeries(request, ports));
}

/** The whole of an answer. */
export function withPoints({ head, labelsMs, groups }: SeriesAnswer): SeriesJson {
  return { series: pointsOf(labelsMs, groups), ...head };
}

/** What answerSeries() answers with; a series of many points is sent without making them first. */
export async function askSeries(
  request: SeriesRequest,
  ports: AnalyticsPorts,
): Promise<SeriesAnswer> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const planned = planSeries({
    project: request.project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    filter: request.filter,
    metric: request.metric,
    granularity: request.granularity ?? "hour",
    timeZone: request.timeZone ?? "UTC",
    by: request.by,
  });
  if (!planned.ok) throw refused(planned.refusal);
  const { plan } = planned;
  const { figures, missing, notes } = await readPlan({
    plan: plan.rollup,
    asked,
    patience: request.patience,
    read: (partials) => {
      const read = seriesFigures(plan, partials);
      if (!read.ok) throw refused(read.refusal);
      return read.figures;
    },
    isEmpty: hasNoValues,
  }, ports);
  const { groups, accuracy, completeUntilMs } = figures;
  const head = {
    metadata: {
      metric: plan.metric.name,
      granularity: granularityJson(plan.granularity),
      data_points: groups.length * plan.labelsMs.length,
      time_range: rangeJson(asked),
      time_zone: plan.timeZone,
      processing_time: durationJson(ports.now() - asked.atMs),
    },
    ...qualityOf(asked, { completeUntilMs, missing }, { "series.value": accuracy }),
    ...notesJson(notes),
  };
  return { head, labelsMs: plan.labelsMs, groups };
}

/** Nothing is told, or nothing of what it was to be told by. */
function hasNoValues({ groups }: SeriesFigures): boolean {
  return groups.every(({ values, labels }) => {
    return values.every((value) => value === 0) || Object.keys(labels).length === 0;
  });
}

/** The granularity by its proto name. */
export function granularityJson(granularity: Granularity | null): string {
  return `TIME_GRANULARITY_${granularity?.toUpperCase() ?? "UNSPECIFIED"}`;
}

/** What there is to say of an answer. */
export function notesJson(notes: readonly string[]): { notes?: string[] } {
  return notes.length === 0 ? {} : { notes: [...notes] };
}

/** The points of a series: by group, then by time. */
function pointsOf(labelsMs: Float64Array, groups: readonly SeriesGroup[]): SeriesJson["series"] {
  const points: SeriesJson["series"] = [];
  for (const { labels, values } of groups) {
    values.forEach((value, bucket) => {
      points.push({ timestamp: labelJson(labelsMs[bucket]), value, labels });
    });
  }
  return points;
}

async function askSummary(
  request: SummaryRequest,
  asked: Asked,
  ports: AnalyticsPorts,
  rangeParameter: string,
): Promise<SummaryFigures & Reach & { readonly notes: readonly string[] }> {
  const planned = planSummary({
    project: request.project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    filter: request.filter,
  });
  if (!planned.ok) {
    const { parameter, detail } = planned.refusal;
    throw refused({ detail, parameter: parameter === "time_range" ? rangeParameter : parameter });
  }
  const { figures, missing, notes } = await readPlan({
    plan: planned.plan.rollup,
    asked,
    patience: request.patience,
    read: summaryFigures,
    isEmpty: ({ totalEvents }) => totalEvents === 0,
  }, ports);
  return { ...figures, missing, notes };
}

function topAccuracy(topMetrics: readonly TopFigure[]): Record<string, Accuracy> {
  return Object.fromEntries(
    topMetrics.map(({ name, accuracy }) => [`top_metrics.${name}`, accuracy]),
  );
}
