/**
 * Plans of questions that rollups answer: made once, sent to every shard, answered by partials.
 *
 * A plan crosses to the shards by structured clone for every question, so it is small: the bucket
 * boundaries are one Float64Array (10,000 buckets clone in 0.01 ms; as objects with their pieces
 * they took 14 ms), and each shard cuts them into cells itself with `planBuckets`.
 *
 * A question that can't be planned is a value, `PlanRefusal`, that names the parameter at fault.
 */

import {
  FILTER_TYPES_MAX,
  RANGE_DAYS_MAX,
  SERIES_BUCKETS_MAX,
  SERIES_POINTS_MAX,
} from "../config/limits.ts";
import {
  type Metric,
  METRIC_NAMES,
  metricNamed,
  WANT_AMOUNTS,
  WANT_SESSIONS,
  WANT_USERS,
} from "./metric.ts";
import { type CellPiece, type RangeEdge, tileRange } from "./tile_range.ts";
import { bucketStarts, type Granularity, timeZoneName } from "./time_zone.ts";

export { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS };

const DAY_MS = 86_400_000;

/** Granularities from fine to coarse, each with the shortest length of a bucket in ms. */
const GRANULARITY_WIDTHS_MS: ReadonlyMap<Granularity, number> = new Map([
  ["minute", 60_000],
  ["hour", 3_600_000],
  ["day", DAY_MS],
  ["week", 7 * DAY_MS],
  ["month", 28 * DAY_MS],
]);

/** A question to the rollups of one project. Structured clone safe. */
export interface RollupPlan {
  readonly project: string;
  /** Event types to count; null = all. */
  readonly types: readonly string[] | null;
  /**
   * Bucket boundaries, ms since the epoch, ascending: bucket i is [boundsMs[i], boundsMs[i + 1]).
   * Only the first and the last boundary can lie inside a minute (in a summary's plan also the one
   * between its two periods).
   */
  readonly boundsMs: Float64Array;
  /** The group "" of all those types together: its WANT_* bits, or null when not asked for. */
  readonly wantTotal: number | null;
  /** One group per event type: the WANT_* bits of each, or null when not asked for. */
  readonly wantByType: number | null;
  /** A shard with more groups than this gives none of them and sets `tooManyGroups`. */
  readonly groupsMax: number;
}

/** A bucket of a plan and what covers it: whole cells, and parts of a minute from rows. */
export interface PlannedBucket {
  readonly startMs: number;
  readonly endMs: number;
  readonly pieces: CellPiece[];
  readonly edges: RangeEdge[];
}

/** Plan of a summary: bucket 1 is the period asked for, bucket 0 the one of equal length before. */
export interface SummaryPlan {
  readonly rollup: RollupPlan;
}

/** Plan of a time series. */
export interface SeriesPlan {
  readonly rollup: RollupPlan;
  readonly metric: Metric;
  readonly granularity: Granularity;
  /** The zone's name in its usual spelling. */
  readonly timeZone: string;
  readonly groupByType: boolean;
  /**
   * The timestamp that each bucket is shown under: its start in the zone, also where the range
   * begins later than that, so that a bucket has one name whatever range it is asked in.
   */
  readonly labelsMs: Float64Array;
}

/** Why there is no plan: the parameter (contract name) and what would do. */
export interface PlanRefusal {
  readonly parameter: string;
  readonly detail: string;
}

export type Planned<Plan> =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly refusal: PlanRefusal };

/** What a summary is asked over: [fromMs, toMs), whole ms since the epoch. */
export interface SummaryQuestion {
  readonly project: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Event types to count; empty = all. */
  readonly types: readonly string[];
}

/** What a time series is asked over. */
export interface SeriesQuestion extends SummaryQuestion {
  readonly metric: string;
  readonly granularity: Granularity;
  /** IANA name. */
  readonly timeZone: string;
  readonly groupByType: boolean;
}

/** Plans a summary: both periods, all types together and each type's count. */
export function planSummary(question: SummaryQuestion): Planned<SummaryPlan> {
  const { project, fromMs, toMs } = question;
  const refusal = refuseRange(fromMs, toMs) ?? refuseTypes(question.types);
  if (refusal !== null) return { ok: false, refusal };
  const previousMs = Math.max(0, fromMs - (toMs - fromMs));
  const rollup: RollupPlan = {
    project,
    types: distinctTypes(question.types),
    boundsMs: Float64Array.of(previousMs, fromMs, toMs),
    wantTotal: WANT_USERS | WANT_SESSIONS,
    wantByType: 0,
    groupsMax: Infinity,
  };
  return { ok: true, plan: { rollup } };
}

/** Plans a time series of one metric. */
export function planSeries(question: SeriesQuestion): Planned<SeriesPlan> {
  const { project, fromMs, toMs, granularity, groupByType } = question;
  const refuse = (refusal: PlanRefusal) => ({ ok: false, refusal }) as const;
  const metric = metricNamed(question.metric);
  if (metric === null) {
    return refuse({ parameter: "metric", detail: `metric must be one of ${METRIC_NAMES}` });
  }
  const timeZone = timeZoneName(question.timeZone);
  if (timeZone === null) {
    const detail = "tz must be an IANA time zone name, such as UTC or Europe/Berlin";
    return refuse({ parameter: "tz", detail });
  }
  const refusal = refuseRange(fromMs, toMs) ?? refuseTypes(question.types);
  if (refusal !== null) return refuse(refusal);
  const starts = bucketStarts(timeZone, granularity, fromMs, toMs, SERIES_BUCKETS_MAX);
  if (starts.length > 0 && starts[starts.length - 1] < toMs) {
    return refuse(refuseGranularity(granularity, toMs - fromMs));
  }
  const buckets = Math.max(0, starts.length - 1);
  const boundsMs = Float64Array.from(starts);
  if (buckets > 0) {
    boundsMs[0] = fromMs;
    boundsMs[buckets] = toMs;
  }
  const rollup: RollupPlan = {
    project,
    types: distinctTypes(question.types),
    boundsMs,
    wantTotal: groupByType ? null : metric.want,
    wantByType: groupByType ? metric.want : null,
    groupsMax: groupByType ? Math.floor(SERIES_POINTS_MAX / Math.max(1, buckets)) : 1,
  };
  const labelsMs = Float64Array.from(starts.slice(0, buckets));
  return { ok: true, plan: { rollup, metric, granularity, timeZone, groupByType, labelsMs } };
}

/** The buckets of a plan with the cells and edges that cover each. */
export function planBuckets(plan: RollupPlan): PlannedBucket[] {
  const buckets: PlannedBucket[] = [];
  for (let i = 0; i + 1 < plan.boundsMs.length; i++) {
    const startMs = plan.boundsMs[i];
    const endMs = plan.boundsMs[i + 1];
    buckets.push({ startMs, endMs, ...tileRange(startMs, endMs) });
  }
  return buckets;
}

/** Refuses a range that starts after its end or is longer than RANGE_DAYS_MAX. */
export function refuseRange(fromMs: number, toMs: number): PlanRefusal | null {
  if (fromMs > toMs) {
    return { parameter: "time_range", detail: "the range must not start after its end" };
  }
  if (toMs - fromMs > RANGE_DAYS_MAX * DAY_MS) {
    const detail = `the range must be at most ${RANGE_DAYS_MAX} days`;
    return { parameter: "time_range", detail };
  }
  return null;
}

/** A category can't be counted: rollups are kept by event type only. */
function refuseTypes(types: readonly string[]): PlanRefusal | null {
  const parameter = "event_types";
  if (types.length > FILTER_TYPES_MAX) {
    return { parameter, detail: `at most ${FILTER_TYPES_MAX} event types can be named` };
  }
  if (types.some((type) => type.startsWith("EVENT_TYPE_"))) {
    const detail = "categories (EVENT_TYPE_...) can't be filtered on here; name event types " +
      "as they were sent, such as page_view or purchase";
    return { parameter, detail };
  }
  return null;
}

function distinctTypes(types: readonly string[]): string[] | null {
  return types.length === 0 ? null : [...new Set(types)];
}

/** Names the finest granularity that fits the range. */
function refuseGranularity(asked: Granularity, rangeMs: number): PlanRefusal {
  let fits: Granularity = "month";
  for (const [granularity, widthMs] of GRANULARITY_WIDTHS_MS) {
    if (granularity === asked || Math.ceil(rangeMs / widthMs) + 1 > SERIES_BUCKETS_MAX) continue;
    fits = granularity;
    break;
  }
  const detail = `a series has at most ${SERIES_BUCKETS_MAX} buckets; ` +
    `for this range use granularity ${fits} or coarser, or a shorter range`;
  return { parameter: "granularity", detail };
}
