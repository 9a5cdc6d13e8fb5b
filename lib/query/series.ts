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
import type { DDSketch } from "../sketch/ddsketch.ts";
import {
  type GroupKey,
  groupTexts,
  isNamedByType,
  type PlanRefusal,
  type RollupPlan,
  type SeriesPlan,
} from "./plan.ts";

/** The values of one group, or of all events. */
export interface SeriesGroup {
  /** By label; one that the events of the group do not have is not there. */
  readonly labels: Readonly<Record<string, string>>;
  /** By bucket of the plan, none left out; 0 without events, for averages and percentiles too. */
  readonly values: Float64Array;
}

export interface SeriesFigures {
  /** By their texts in code unit order. */
  readonly groups: readonly SeriesGroup[];
  /** The least exact of the values. */
  readonly accuracy: Accuracy;
  /** Everything received before this is counted, ms since the epoch; Infinity = no shard. */
  readonly completeUntilMs: number;
}

/**
 * Reads the series. It has the groups that have events in the range, and all types that the question
 * names where it groups by type and asks for nothing else. A refusal says that there are more groups
 * than one answer can hold.
 */
export function seriesFigures(
  plan: SeriesPlan,
  partials: readonly RollupPartial[],
): { ok: true; figures: SeriesFigures } | { ok: false; refusal: PlanRefusal } {
  const merged = new MergedRollup(partials);
  const buckets = plan.labelsMs.length;
  const { rollup: { rows, types }, by } = plan;
  const namedTypes = rows === undefined ? types ?? [] : [];
  const groups = by.length > 0 ? [...new Set([...namedTypes, ...merged.groups])].sort() : [""];
  if (merged.tooManyGroups || groups.length * buckets > SERIES_POINTS_MAX) {
    const detail = `a series has at most ${SERIES_POINTS_MAX} points (buckets times groups), and ` +
      "as many users, sessions or percentiles as one answer can hold; name fewer event_types, or " +
      "use a coarser granularity or a shorter range; a breakdown tells the largest groups";
    return { ok: false, refusal: { parameter: "group_by", detail } };
  }
  const figures: SeriesGroup[] = [];
  let accuracy: Accuracy = EXACT;
  for (const group of groups) {
    const read = readMetric(plan.metric, merged, group, buckets);
    if (read.accuracy !== EXACT) accuracy = read.accuracy;
    figures.push({ labels: groupLabels(plan, group), values: read.values });
  }
  const { completeUntilMs } = merged;
  return { ok: true, figures: { groups: figures, accuracy, completeUntilMs } };
}

/** The labels of a group in a partial of the plan. */
export function groupLabels(
  { by, rollup }: { readonly by: readonly GroupKey[]; readonly rollup: RollupPlan },
  group: string,
): Record<string, string> {
  const texts = by.length === 0 ? [] : isNamedByType(rollup) ? [group] : groupTexts(group);
  const labels: [string, string][] = [];
  by.forEach(({ label }, i) => {
    const text = texts[i];
    if (text !== null) labels.push([label, text]);
  });
  return Object.fromEntries(labels);
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
  const events = merged.column(group, "events");
  if (events === null) return { values: new Float64Array(buckets), accuracy: EXACT };
  switch (metric.kind) {
    case "events":
      return { values: events, accuracy: EXACT };
    case "users":
      return distinctValues(buckets, (bucket) => merged.users(group, bucket));
    case "sessions":
      return distinctValues(buckets, (bucket) => merged.sessions(group, bucket));
    case "sum":
      return { values: merged.column(group, "amountSum")!.map(finite), accuracy: EXACT };
    case "average": {
      const amountSum = merged.column(group, "amountSum")!;
      const values = merged.column(group, "amountCount")!.map((count, bucket) =>
        count === 0 ? 0 : finite(amountSum[bucket] / count)
      );
      return { values, accuracy: EXACT };
    }
    case "per_user": {
      const users = distinctValues(buckets, (bucket) => merged.users(group, bucket));
      const values = events.map((count, bucket) => count === 0 ? 0 : count / users.values[bucket]);
      return { values, accuracy: users.accuracy };
    }
    default: {
      const amountCount = merged.column(group, "amountCount")!;
      const values = amountCount.map((count, bucket) => {
        const amounts = count === 0 ? null : merged.amounts(group, bucket);
        return amounts === null ? 0 : amountValue(metric, amounts);
      });
      const isEmpty = amountCount.every((count) => count === 0);
      return { values, accuracy: isEmpty ? EXACT : amountAccuracy(metric) };
    }
  }
}

/** A sum of doubles as JSON can write it. */
export function finite(sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, sum));
}

/** A metric of kind min, max or quantile. */
export function amountValue({ kind, quantile }: Metric, amounts: DDSketch): number {
  return kind === "min" ? amounts.min : kind === "max" ? amounts.max : amounts.quantile(quantile);
}

/** How exact such a metric is. */
export function amountAccuracy({ kind }: Metric): Accuracy {
  return kind === "quantile" ? QUANTILE_ESTIMATE : EXACT;
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
