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

import { USER_EVENTS_PAGE_DEFAULT } from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { type Accuracy, EXACT } from "../../lib/query/metric.ts";
import type { RollupPartial } from "../../lib/query/partial.ts";
import { releasePartial } from "../../lib/query/partial_memory.ts";
import {
  type PlanRefusal,
  planSeries,
  planSummary,
  type RollupPlan,
} from "../../lib/query/plan.ts";
import type { RowAnswer, RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import { seriesFigures, type SeriesGroup } from "../../lib/query/series.ts";
import { type SummaryFigures, summaryFigures, type TopFigure } from "../../lib/query/summary.ts";
import type { Granularity } from "../../lib/query/time_zone.ts";
import type {
  EventPlace,
  StoredEvent,
  UserQuery,
  UserTotals,
} from "../../lib/store/event_store.ts";
import type {
  EventJson,
  LegacySummaryJson,
  QualityJson,
  SeriesJson,
  SummaryJson,
  TimeRangeJson,
  UserJson,
} from "./answer_json.ts";
import { durationJson, int64Json, labelJson, timestampJson, unixSeconds } from "./proto_json.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** What a missing range means in `analytics.v1`. */
const DEFAULT_RANGE_MS = 24 * HOUR_MS;
/** What a missing range means in the older generation. */
const LEGACY_RANGE_MS = HOUR_MS;

/** Labels of a point that is not grouped. */
const NO_LABELS: Record<string, string> = {};

/** What the answers need from the process they run in. */
export interface AnalyticsPorts {
  /** Clock, ms since the epoch. */
  now(): number;
  /** Sends the plan to every shard; the partials are released here. Rejects when one can't answer. */
  askShards(plan: RollupPlan): Promise<RollupPartials>;
  /** Asks the partitions that may have events of the user. A query with limit 0 wants no events. */
  askUser(query: UserQuery): Promise<UserPartials>;
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

export interface UserPartials {
  /** At least one, unless its partition is missing. */
  readonly answers: readonly UserPartial[];
  readonly missing: readonly number[];
}

/** What the rows of the partitions say. */
export interface RowPartials<Partial> {
  readonly answers: readonly RowAnswer<Partial>[];
  readonly missing: readonly number[];
}

/** What one partition knows of one user. */
export interface UserPartial {
  readonly partition: number;
  /** Over ALL of the user's events, whatever the query's range; null = no event. */
  readonly totals: UserTotals | null;
  /** In the query's range, newest first. */
  readonly events: readonly StoredEvent[];
  /** Everything received before this is among the rows, ms since the epoch. */
  readonly completeUntilMs: number;
}

/** [startMs, endMs), ms since the epoch; null = missing, see `resolveRange`. */
export interface RequestedRange {
  readonly startMs: number | null;
  readonly endMs: number | null;
}

export interface SummaryRequest {
  readonly project: string;
  readonly range: RequestedRange;
  /** Empty = all. */
  readonly eventTypes: readonly string[];
}

export interface SeriesRequest {
  readonly project: string;
  readonly range: RequestedRange;
  /** Empty = all. */
  readonly eventTypes: readonly string[];
  /** A name of lib/query/metric.ts. */
  readonly metric: string;
  /** null = hour. */
  readonly granularity: Granularity | null;
  /** IANA name; null = UTC. */
  readonly timeZone: string | null;
  readonly groupByType: boolean;
}

export interface UserRequest {
  readonly project: string;
  readonly userId: string;
  readonly range: RequestedRange;
  readonly includeEvents: boolean;
  /** Events on a page, 1 to USER_EVENTS_PAGE_MAX; null = USER_EVENTS_PAGE_DEFAULT. */
  readonly limit: number | null;
  /** `next_page_token` of the page before; null = the first page. */
  readonly pageToken: string | null;
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
  };
}

/** The older generation's AnalyticsSummary: JSON numbers, unix seconds, default the last hour. */
export async function answerLegacySummary(
  request: Omit<SummaryRequest, "eventTypes">,
  ports: AnalyticsPorts,
): Promise<LegacySummaryJson> {
  const asked = askedNow(request.range, ports, LEGACY_RANGE_MS, "from");
  const figures = await askSummary({ ...request, eventTypes: [] }, asked, ports, "from");
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
  };
}

/** `analytics.v1` GetTimeSeriesResponse. Throws ProblemError (invalid_parameter). */
export async function answerSeries(
  request: SeriesRequest,
  ports: AnalyticsPorts,
): Promise<SeriesJson> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const planned = planSeries({
    project: request.project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    types: request.eventTypes,
    metric: request.metric,
    granularity: request.granularity ?? "hour",
    timeZone: request.timeZone ?? "UTC",
    groupByType: request.groupByType,
  });
  if (!planned.ok) throw refused(planned.refusal);
  const { plan } = planned;
  const { partials, missing } = await ports.askShards(plan.rollup);
  const read = seriesFigures(plan, partials);
  partials.forEach(releasePartial);
  if (!read.ok) throw refused(read.refusal);
  const { groups, accuracy, completeUntilMs } = read.figures;
  const series = pointsOf(plan.labelsMs, groups);
  return {
    series,
    metadata: {
      metric: plan.metric.name,
      granularity: `TIME_GRANULARITY_${plan.granularity.toUpperCase()}`,
      data_points: series.length,
      time_range: rangeJson(asked),
      time_zone: plan.timeZone,
      processing_time: durationJson(ports.now() - asked.atMs),
    },
    ...qualityOf(asked, { completeUntilMs, missing }, { "series.value": accuracy }),
  };
}

/** The points of a series: by group, then by time. */
function pointsOf(labelsMs: Float64Array, groups: readonly SeriesGroup[]): SeriesJson["series"] {
  const points: SeriesJson["series"] = [];
  for (const { type, values } of groups) {
    const labels = type === null ? NO_LABELS : { event_type: type };
    values.forEach((value, bucket) => {
      points.push({ timestamp: labelJson(labelsMs[bucket]), value, labels });
    });
  }
  return points;
}

/** `analytics.v1` GetUserAnalyticsResponse. Throws ProblemError (invalid_parameter, not_found). */
export async function answerUser(request: UserRequest, ports: AnalyticsPorts): Promise<UserJson> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const pageLimit = request.includeEvents ? request.limit ?? USER_EVENTS_PAGE_DEFAULT : 0;
  const { answers, missing } = await ports.askUser({
    project: request.project,
    userId: request.userId,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    // One more than the page shows whether another page follows.
    limit: pageLimit === 0 ? 0 : pageLimit + 1,
    before: request.pageToken === null ? null : readPageToken(request.pageToken),
  });
  const totals = sumTotals(answers);
  if (totals === null) {
    if (missing.length === 0) {
      throw new ProblemError("not_found", "no event of this user is stored");
    }
    const where = `partitions ${missing.join(", ")} are not open in this process`;
    throw new ProblemError("store_unavailable", `${where}, and may have this user's events`);
  }
  const completeUntilMs = Math.min(...answers.map((answer) => answer.completeUntilMs));
  const events = newestFirst(answers);
  const page = events.slice(0, pageLimit);
  const last = page.at(-1);
  return {
    user_profile: {
      user_id: request.userId,
      first_seen: timestampJson(totals.firstSeenMs),
      last_seen: timestampJson(totals.lastSeenMs),
      total_sessions: totals.sessions,
      total_events: totals.events,
      attributes: {},
    },
    sessions: [],
    events: page.map(({ event }) => eventJson(event)),
    next_page_token: last !== undefined && events.length > pageLimit ? writePageToken(last) : "",
    ...qualityOf(asked, { completeUntilMs, missing }, {
      "user_profile.total_sessions": EXACT,
      "user_profile.total_events": EXACT,
    }),
  };
}

/** A question's range made definite, and when it was asked. */
interface Asked {
  readonly startMs: number;
  readonly endMs: number;
  readonly atMs: number;
}

/**
 * Fills in what is missing of a range: its end is the end of the current minute, so that an event
 * of this very moment is inside and the range is made of whole rollup cells; its start lies
 * `defaultMs` before its end.
 */
function askedNow(
  range: RequestedRange,
  ports: AnalyticsPorts,
  defaultMs: number,
  parameter: string,
): Asked {
  const atMs = ports.now();
  const endMs = range.endMs ?? Math.floor(atMs / MINUTE_MS + 1) * MINUTE_MS;
  const startMs = range.startMs ?? Math.max(0, endMs - defaultMs);
  if (startMs > endMs) {
    const detail = "the range must not start after its end (a missing end is now)";
    throw refused({ parameter, detail });
  }
  return { startMs, endMs, atMs };
}

async function askSummary(
  request: SummaryRequest,
  asked: Asked,
  ports: AnalyticsPorts,
  rangeParameter: string,
): Promise<SummaryFigures & Reach> {
  const planned = planSummary({
    project: request.project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    types: request.eventTypes,
  });
  if (!planned.ok) {
    const { parameter, detail } = planned.refusal;
    throw refused({ detail, parameter: parameter === "time_range" ? rangeParameter : parameter });
  }
  const { partials, missing } = await ports.askShards(planned.plan.rollup);
  const figures = summaryFigures(partials);
  partials.forEach(releasePartial);
  return { ...figures, missing };
}

/** The user's totals over all partitions; null = no event anywhere. */
function sumTotals(answers: readonly UserPartial[]): UserTotals | null {
  return answers.reduce<UserTotals | null>((sum, { totals }) => {
    if (sum === null || totals === null) return sum ?? totals;
    return {
      events: sum.events + totals.events,
      sessions: sum.sessions + totals.sessions,
      firstSeenMs: Math.min(sum.firstSeenMs, totals.firstSeenMs),
      lastSeenMs: Math.max(sum.lastSeenMs, totals.lastSeenMs),
    };
  }, null);
}

/** An event and the partition it was found in. */
interface PlacedEvent {
  readonly partition: number;
  readonly event: StoredEvent;
}

/** The events of all partitions: by time, then partition, then place in it, the highest first. */
function newestFirst(answers: readonly UserPartial[]): PlacedEvent[] {
  const events = answers.flatMap(({ partition, events }) => (
    events.map((event) => ({ partition, event }))
  ));
  if (answers.length < 2) return events;
  return events.sort((a, b) =>
    b.event.timestampMs - a.event.timestampMs || b.partition - a.partition ||
    b.event.seq - a.event.seq
  );
}

function refused({ parameter, detail }: PlanRefusal): ProblemError {
  return new ProblemError("invalid_parameter", detail, { field: parameter });
}

function topAccuracy(topMetrics: readonly TopFigure[]): Record<string, Accuracy> {
  return Object.fromEntries(
    topMetrics.map(({ name, accuracy }) => [`top_metrics.${name}`, accuracy]),
  );
}

/** How much of what was received an answer is made of. */
interface Reach {
  /** Of the partitions that answered. */
  readonly completeUntilMs: number;
  readonly missing: readonly number[];
}

function qualityOf(
  asked: Asked,
  { completeUntilMs: answeredUntilMs, missing }: Reach,
  accuracy: Record<string, Accuracy>,
): QualityJson {
  const completeUntilMs = completeUntil(asked, answeredUntilMs);
  const isWhole = missing.length === 0;
  return {
    complete_until: timestampJson(completeUntilMs),
    complete: isWhole && completeUntilMs >= Math.min(asked.endMs, asked.atMs),
    ...(isWhole ? {} : { missing_partitions: [...missing] }),
    accuracy,
  };
}

/** Never later than the moment of asking: what arrived after it may or may not be counted. */
function completeUntil(asked: Asked, shardsCompleteUntilMs: number): number {
  return Math.max(0, Math.min(shardsCompleteUntilMs, asked.atMs));
}

function rangeJson({ startMs, endMs }: Asked): TimeRangeJson {
  return { start: timestampJson(startMs), end: timestampJson(endMs) };
}

const CATEGORY_NAMES = [
  "EVENT_TYPE_UNSPECIFIED",
  "EVENT_TYPE_USER",
  "EVENT_TYPE_TRANSACTION",
  "EVENT_TYPE_SYSTEM",
  "EVENT_TYPE_CUSTOM",
];

function eventJson(event: StoredEvent): EventJson {
  const properties = Object.entries(JSON.parse(event.properties || "{}"));
  return {
    id: event.id,
    user_id: event.userId,
    session_id: event.sessionId,
    event_type: CATEGORY_NAMES[event.category] ?? CATEGORY_NAMES[0],
    timestamp: timestampJson(event.timestampMs),
    source: event.source ?? "",
    properties: Object.fromEntries(properties.map(([key, value]) => [key, String(value)])),
    type: event.type,
    ...(event.amount === null ? {} : { amount: event.amount }),
    received_at: timestampJson(event.receivedAtMs),
  };
}

/** The place of an event in newest-first order: what the next page is before. */
function writePageToken({ partition, event }: PlacedEvent): string {
  return [event.timestampMs, partition, event.seq].map((part) => part.toString(36)).join("-");
}

function readPageToken(token: string): EventPlace {
  const match = /^([0-9a-z]{1,10})-([0-9a-z]{1,4})-([0-9a-z]{1,10})$/.exec(token);
  if (match === null) {
    const detail = "page_token must be the next_page_token of an earlier answer";
    throw refused({ parameter: "page_token", detail });
  }
  const [timestampMs, partition, seq] = match.slice(1).map((part) => parseInt(part, 36));
  return { timestampMs, partition, seq };
}
