/** The current values of all metrics, one by one. */
import type { Metrics } from "../../lib/telemetry/metrics.ts";

/** One value: `Metric` of `analytics.v1` in proto JSON. */
export interface MetricValue {
  readonly name: string;
  /** METRIC_TYPE_*. */
  readonly type: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly metadata: { readonly description: string };
}

/** Values of the metrics named as in Prometheus, or of all. */
export async function metricValues(
  metrics: Metrics,
  names: readonly string[],
  nowMs: number,
): Promise<MetricValue[]> {
  const timestamp = new Date(nowMs).toISOString();
  const all = await metrics.registry.getMetricsAsJSON();
  return all.filter(({ name }) => names.length === 0 || names.includes(name))
    .flatMap(({ name, help, type, values }) =>
      values.map((value) => ({
        // Buckets, sum and count of a histogram have names of their own.
        name: "metricName" in value && value.metricName ? String(value.metricName) : name,
        type: `METRIC_TYPE_${String(type).toUpperCase()}`,
        value: value.value,
        labels: Object.fromEntries(
          Object.entries(value.labels).map(([label, text]) => [label, String(text)]),
        ),
        timestamp,
        metadata: { description: help },
      }))
    );
}
