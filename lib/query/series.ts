/** The points of a time series, read from the shards' partials of a SeriesPlan. */

import { SERIES_POINTS_MAX } from "../config/limits.ts";
import {
  type Accuracy,
  DISTINCT_ESTIMATE,
  EXACT,
  type Metric,
  QUANTILE_ESTIMATE,
} from "./metric.ts";
import { type DistinctCount, MergedRollup, type RollupPartial } from "./partial.ts";
import type { PlanRefusal, SeriesPlan } from "./plan.ts";

/** The values of one event type, or of all. */
export interface SeriesGroup {
  /** The event type, or null when not grouped. */
  readonly type: string | null;
  /** By bucket of the plan, none left out; 0 without events, for averages and percentiles too. */
  readonly values: Float64Array;
}

export interface SeriesFigures {
  /** By type in code unit order. */
  readonly groups: readonly SeriesGroup[];
  /** The least exact of the values. */
  readonly accuracy: Accuracy;
  /** Everything received before this is counted, ms since the epoch; Infinity = no shard. */
  readonly completeUntilMs: number;
}

/**
 * Reads the series. Grouped by type, it has the types that have events in the range, and all types
 * that the question names. A refusal says that there are more groups than one answer can hold.
 */
export function seriesFigures(
  plan: SeriesPlan,
  partials: readonly RollupPartial[],
): { ok: true; figures: SeriesFigures } | { ok: false; refusal: PlanRefusal } {
  const merged = new MergedRollup(partials);
  const buckets = plan.labelsMs.length;
  const groups = plan.groupByType
    ? [...new Set([...plan.rollup.types ?? [], ...merged.groups])].sort()
    : [""];
  if (merged.tooManyGroups || groups.length * buckets > SERIES_POINTS_MAX) {
    const detail =
      `a series has at most ${SERIES_POINTS_MAX} points (buckets times event types); ` +
      "name fewer event_types, or use a coarser granularity or a shorter range";
    return { ok: false, refusal: { parameter: "group_by", detail } };
  }
  const figures: SeriesGroup[] = [];
  let accuracy: Accuracy = EXACT;
  for (const group of groups) {
    const read = readMetric(plan.metric, merged, group, buckets);
    if (read.accuracy !== EXACT) accuracy = read.accuracy;
    figures.push({ type: plan.groupByType ? group : null, values: read.values });
  }
  const { completeUntilMs } = merged;
  return { ok: true, figures: { groups: figures, accuracy, completeUntilMs } };
}

interface MetricValues {
  /** By bucket. */
  readonly values: Float64Array;
  /** The least exact of them. */
  readonly accuracy: Accuracy;
}

function readMetric(
  metric: Metric,
  merged: MergedRollup,
  group: string,
  buckets: number,
): MetricValues {
  const counts = merged.counts(group);
  if (counts === null) return { values: new Float64Array(buckets), accuracy: EXACT };
  const { events, amountCount, amountSum } = counts;
  switch (metric.kind) {
    case "events":
      return { values: events, accuracy: EXACT };
    case "users":
      return distinctValues(buckets, (bucket) => merged.users(group, bucket));
    case "sessions":
      return distinctValues(buckets, (bucket) => merged.sessions(group, bucket));
    case "sum":
      return { values: amountSum, accuracy: EXACT };
    case "average": {
      const values = amountCount.map((count, bucket) =>
        count === 0 ? 0 : amountSum[bucket] / count
      );
      return { values, accuracy: EXACT };
    }
    case "quantile": {
      const values = amountCount.map((count, bucket) =>
        count === 0 ? 0 : merged.amountQuantile(group, bucket, metric.quantile)
      );
      const isEmpty = amountCount.every((count) => count === 0);
      return { values, accuracy: isEmpty ? EXACT : QUANTILE_ESTIMATE };
    }
  }
}

function distinctValues(
  buckets: number,
  read: (bucket: number) => DistinctCount,
): MetricValues {
  const values = new Float64Array(buckets);
  let accuracy: Accuracy = EXACT;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const { count, exact } = read(bucket);
    values[bucket] = count;
    if (!exact) accuracy = DISTINCT_ESTIMATE;
  }
  return { values, accuracy };
}
