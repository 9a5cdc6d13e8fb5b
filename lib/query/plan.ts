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
  GROUP_PLACES_MAX,
  GROUPS_MAX,
  RANGE_DAYS_MAX,
  SERIES_BUCKETS_MAX,
  SERIES_POINTS_MAX,
} from "../config/limits.ts";
import { type Filter, type Subject, typesOf } from "./filter/filter.ts";
import {
  isOfAmounts,
  type Metric,
  readMetric,
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

/** What has a plan answered from rows, because rollups do not tell it. */
export interface RowGrouping {
  /** null = all events. */
  readonly filter: Filter | null;
  /**
   * What makes the groups besides "", by their text views. A group of the type alone is named by the
   * type, any other by `groupName`.
   */
  readonly by: readonly Subject[];
  /** Whose number view takes the place of amounts; null = no numbers are needed. */
  readonly value: Subject | null;
  /** Of numbers only the extremes are wanted, not their distribution. */
  readonly extremesOnly: boolean;
}

/** A question to the rollups, or the rows, of one project. Structured clone safe. */
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
  /**
   * The groups whose amounts nobody reads: their `amountCount` and `amountSum` need not be counted,
   * and may be less than they are. Undefined = none.
   */
  readonly eventsOnly?: "byType" | "all";
  /** A shard with more groups than this gives none of them and sets `tooManyGroups`. */
  readonly groupsMax: number;
  /** Answered from rows by this, and `types` is not looked at; undefined = from rollups. */
  readonly rows?: RowGrouping;
}

/** The name of a group in a partial: its text views, null = events without the subject. */
export function groupName(texts: readonly (string | null)[]): string {
  return JSON.stringify(texts);
}

/** The reverse. */
export function groupTexts(name: string): readonly (string | null)[] {
  return JSON.parse(name);
}

/** Whether groups are named by their type alone, as those of rollups are. */
export function isNamedByType({ rows }: RollupPlan): boolean {
  return rows === undefined || rows.by.length === 1 && isType(rows.by[0]);
}

/** What groups are made of, and the name that answers give it. */
export interface GroupKey {
  readonly label: string;
  readonly subject: Subject;
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
  /** Groups; none = all events together. */
  readonly by: readonly GroupKey[];
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
  /** Which events to count; null = all. */
  readonly filter: Filter | null;
}

/** What a time series is asked over. */
export interface SeriesQuestion extends SummaryQuestion {
  readonly metric: string;
  readonly granularity: Granularity;
  /** IANA name. */
  readonly timeZone: string;
  /** At most GROUP_BY_MAX. */
  readonly by: readonly GroupKey[];
}

/** What a breakdown is asked over. */
export interface BreakdownQuestion extends SummaryQuestion {
  readonly metric: string;
  /** One to GROUP_BY_MAX. */
  readonly by: readonly GroupKey[];
  /** Groups to tell one by one, 1 to BREAKDOWN_LIMIT_MAX. */
  readonly limit: number;
  /** null = in total only. */
  readonly granularity: Granularity | null;
  readonly timeZone: string;
}

/** Plan of a breakdown: bucket 0 is the period of equal length before, the others are the range. */
export interface BreakdownPlan {
  readonly rollup: RollupPlan;
  readonly metric: Metric;
  readonly by: readonly GroupKey[];
  readonly limit: number;
  /** Of the buckets after the first; null = one bucket, which is not shown. */
  readonly granularity: Granularity | null;
  readonly timeZone: string;
  /** As in SeriesPlan, without the period before. */
  readonly labelsMs: Float64Array;
}

/** Plans a summary: both periods, all types together and each type's count. */
export function planSummary(question: SummaryQuestion): Planned<SummaryPlan> {
  const { project, fromMs, toMs, filter } = question;
  const refusal = refuseRange(fromMs, toMs);
  if (refusal !== null) return { ok: false, refusal };
  const types = typesOf(filter);
  const rollup: RollupPlan = {
    project,
    types: types ?? null,
    boundsMs: Float64Array.of(beginningBefore(fromMs, toMs), fromMs, toMs),
    wantTotal: WANT_USERS | WANT_SESSIONS,
    wantByType: 0,
    eventsOnly: "byType",
    groupsMax: Infinity,
    ...(types === undefined
      ? { rows: { filter, by: [TYPE], value: AMOUNT, extremesOnly: false } }
      : {}),
  };
  return { ok: true, plan: { rollup } };
}

/** Plans a time series of one metric. */
export function planSeries(question: SeriesQuestion): Planned<SeriesPlan> {
  const { project, granularity, filter, by } = question;
  const metric = readMetric(question.metric);
  if (typeof metric === "string") return refuse("metric", metric);
  const planned = planBucketsOf(question, granularity);
  if (!planned.ok) return planned;
  const { labelsMs, boundsMs, timeZone } = planned.plan;
  const types = typesOf(filter);
  const isByType = by.length === 1 && isType(by[0].subject);
  const fitsRollups = types !== undefined && isOfAmounts(metric) && (isByType || by.length === 0);
  const isGrouped = by.length > 0;
  const rollup: RollupPlan = {
    project,
    types: types ?? null,
    boundsMs,
    wantTotal: isGrouped ? null : metric.want,
    wantByType: isGrouped ? metric.want : null,
    groupsMax: isGrouped ? Math.floor(SERIES_POINTS_MAX / Math.max(1, labelsMs.length)) : 1,
    ...(metric.value === null ? { eventsOnly: "all" } : {}),
    ...(fitsRollups ? {} : { rows: groupingOf(filter, by, metric) }),
  };
  return { ok: true, plan: { rollup, metric, granularity, timeZone, by, labelsMs } };
}

/** Plans a breakdown: always from rows. */
export function planBreakdown(question: BreakdownQuestion): Planned<BreakdownPlan> {
  const { project, fromMs, toMs, granularity, filter, by, limit } = question;
  const metric = readMetric(question.metric);
  if (typeof metric === "string") return refuse("metric", metric);
  const planned = planBucketsOf(question, granularity);
  if (!planned.ok) return planned;
  const { labelsMs, boundsMs, timeZone } = planned.plan;
  const points = (limit + 2) * labelsMs.length;
  if (granularity !== null && points > SERIES_POINTS_MAX) {
    const detail = `an answer has at most ${SERIES_POINTS_MAX} points (groups times buckets); ` +
      "use a smaller limit, a coarser granularity or a shorter range";
    return refuse("limit", detail);
  }
  const bounds = labelsMs.length === 0 ? [fromMs, toMs] : boundsMs;
  const buckets = bounds.length;
  const rollup: RollupPlan = {
    project,
    types: null,
    boundsMs: Float64Array.from([beginningBefore(fromMs, toMs), ...bounds]),
    wantTotal: metric.want,
    wantByType: metric.want,
    // The total is one more.
    groupsMax: 1 + Math.min(GROUPS_MAX, Math.floor(GROUP_PLACES_MAX / buckets)),
    rows: groupingOf(filter, by, metric),
  };
  return { ok: true, plan: { rollup, metric, by, limit, granularity, timeZone, labelsMs } };
}

function groupingOf(filter: Filter | null, by: readonly GroupKey[], metric: Metric): RowGrouping {
  return {
    filter,
    by: by.map(({ subject }) => subject),
    value: metric.value,
    extremesOnly: metric.kind === "min" || metric.kind === "max",
  };
}

const TYPE: Subject = { kind: "field", name: "type" };
const AMOUNT: Subject = { kind: "field", name: "amount" };

/** Whether a subject is the event type, by which rollups are kept. */
export function isType({ kind, ...subject }: Subject): boolean {
  return kind === "field" && "name" in subject && subject.name === "type";
}

/** Start of the period of equal length before [fromMs, toMs), but not before 1970. */
function beginningBefore(fromMs: number, toMs: number): number {
  return Math.max(0, fromMs - (toMs - fromMs));
}

/** Buckets of a range: bounds, cut to the range, and the labels by which they are shown. */
interface Buckets {
  readonly boundsMs: Float64Array;
  readonly labelsMs: Float64Array;
  readonly timeZone: string;
}

/** @param granularity null = one bucket, without a label */
function planBucketsOf(
  { fromMs, toMs, timeZone: zone }: Pick<SeriesQuestion, "fromMs" | "toMs" | "timeZone">,
  granularity: Granularity | null,
): Planned<Buckets> {
  const timeZone = timeZoneName(zone);
  if (timeZone === null) {
    return refuse("tz", "tz must be an IANA time zone name, such as UTC or Europe/Berlin");
  }
  const refusal = refuseRange(fromMs, toMs);
  if (refusal !== null) return { ok: false, refusal };
  if (granularity === null) {
    const [boundsMs, labelsMs] = [Float64Array.of(fromMs, toMs), new Float64Array(0)];
    return { ok: true, plan: { boundsMs, labelsMs, timeZone } };
  }
  const starts = bucketStarts(timeZone, granularity, fromMs, toMs, SERIES_BUCKETS_MAX);
  if (starts.length > 0 && starts[starts.length - 1] < toMs) {
    return { ok: false, refusal: refuseGranularity(granularity, toMs - fromMs) };
  }
  const buckets = Math.max(0, starts.length - 1);
  const boundsMs = new Float64Array(starts);
  const labelsMs = boundsMs.slice(0, buckets);
  if (buckets > 0) {
    boundsMs[0] = fromMs;
    boundsMs[buckets] = toMs;
  }
  return { ok: true, plan: { boundsMs, labelsMs, timeZone } };
}

function refuse(parameter: string, detail: string): { ok: false; refusal: PlanRefusal } {
  return { ok: false, refusal: { parameter, detail } };
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
