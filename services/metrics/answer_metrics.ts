/** GetMetrics of `analytics.v1`, free of any transport: values now, or aggregated over the last hour. */
import {
  METRIC_NAMES_MAX,
  METRIC_SAMPLE_MS,
  METRIC_SAMPLES_MAX,
} from "../../lib/config/grpc_limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import type { MetricHistory } from "./metric_history.ts";
import { type MetricValue, metricValues } from "./metric_values.ts";

/** Aggregations by their names in MetricAggregation, without the prefix. */
export const AGGREGATIONS = [
  "UNSPECIFIED",
  "SUM",
  "AVG",
  "MIN",
  "MAX",
  "COUNT",
  "P95",
  "P99",
] as const;
export type Aggregation = typeof AGGREGATIONS[number];

export interface MetricsRequest {
  /** As in Prometheus; none = all. */
  readonly names: readonly string[];
  /** Ms since the epoch; both null = now. */
  readonly startMs: number | null;
  readonly endMs: number | null;
  /** Labels that a series must have, with these values. */
  readonly labels: Readonly<Record<string, string>>;
  /** UNSPECIFIED = the last value of the range. */
  readonly aggregation: Aggregation;
}

/** GetMetricsResponse in proto JSON; `notes` is an addition. */
export interface MetricsJson {
  readonly metrics: readonly MetricValue[];
  readonly metadata: {
    readonly total_metrics: number;
    readonly time_range: { readonly start: string; readonly end: string };
    readonly aggregation: string;
  };
  readonly notes: readonly string[];
}

const KEPT_MS = METRIC_SAMPLE_MS * METRIC_SAMPLES_MAX;

/** Answers. Throws ProblemError invalid_parameter. */
export async function answerMetrics(
  request: MetricsRequest,
  metrics: Metrics,
  history: MetricHistory,
  nowMs: number,
): Promise<MetricsJson> {
  const { names, labels, aggregation } = request;
  if (names.length > METRIC_NAMES_MAX) {
    throw refused("metric_names", `must not name more than ${METRIC_NAMES_MAX} metrics`);
  }
  const isNow = request.startMs === null && request.endMs === null;
  if (isNow && aggregation === "UNSPECIFIED") {
    const values = await metricValues(metrics, names, nowMs);
    return answerOf(values.filter(hasLabels(labels)), aggregation, nowMs, nowMs, []);
  }
  const endMs = request.endMs ?? nowMs + 1;
  const startMs = request.startMs ?? Math.max(0, endMs - KEPT_MS);
  if (startMs > endMs) throw refused("time_range", "time_range must not start after its end");
  const notes = startMs < nowMs - KEPT_MS ? ["metrics are kept for one hour"] : [];
  if (history.leftOut > 0) notes.push(`${history.leftOut} series are not kept: there are too many`);
  const values = history.between(names, startMs, endMs).map(({ head, values, lastMs }) => ({
    ...head,
    value: aggregated(aggregation, values),
    timestamp: new Date(lastMs).toISOString(),
  }));
  return answerOf(values.filter(hasLabels(labels)), aggregation, startMs, endMs, notes);
}

/** The aggregation of a name such as `SUM` or `METRIC_AGGREGATION_SUM`, or a number. */
export function aggregationNamed(text: string): Aggregation {
  const name = text.replace(/^METRIC_AGGREGATION_/, "").toUpperCase() || "UNSPECIFIED";
  const found = AGGREGATIONS.find((each, index) => each === name || String(index) === text);
  if (found !== undefined) return found;
  const valid = AGGREGATIONS.slice(1).join(", ");
  throw refused("aggregation", `aggregation must be one of ${valid}`);
}

/** Of at least one value. */
function aggregated(aggregation: Aggregation, values: readonly number[]): number {
  const sum = () => values.reduce((total, value) => total + value, 0);
  switch (aggregation) {
    case "UNSPECIFIED":
      return values[values.length - 1];
    case "SUM":
      return sum();
    case "AVG":
      return sum() / values.length;
    case "MIN":
      return Math.min(...values);
    case "MAX":
      return Math.max(...values);
    case "COUNT":
      return values.length;
    case "P95":
      return quantile(values, 0.95);
    case "P99":
      return quantile(values, 0.99);
  }
}

/** The nearest rank: the least value that so many of the values do not exceed. */
function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

function hasLabels(labels: Readonly<Record<string, string>>): (value: MetricValue) => boolean {
  const wanted = Object.entries(labels);
  return (value) => wanted.every(([label, text]) => value.labels[label] === text);
}

function answerOf(
  metrics: readonly MetricValue[],
  aggregation: Aggregation,
  startMs: number,
  endMs: number,
  notes: readonly string[],
): MetricsJson {
  const time = (ms: number) => new Date(ms).toISOString();
  return {
    metrics,
    metadata: {
      total_metrics: metrics.length,
      time_range: { start: time(startMs), end: time(endMs) },
      aggregation: `METRIC_AGGREGATION_${aggregation}`,
    },
    notes,
  };
}

function refused(field: string, detail: string): ProblemError {
  return new ProblemError("invalid_parameter", detail, { field });
}
