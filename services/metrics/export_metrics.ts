/**
 * All current values of the platform's metrics in a form to take away.
 */
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import { type MetricValue, metricValues } from "./metric_values.ts";

const FORMATS = ["prometheus", "json", "csv"] as const;
export type ExportFormat = typeof FORMATS[number];

/** Whether `text` names a format. */
export function isExportFormat(text: string): text is ExportFormat {
  return (FORMATS as readonly string[]).includes(text);
}

/** `ExportMetricsResponse` of `analytics.v1` in proto JSON. */
export interface ExportedMetrics {
  readonly data: string;
  readonly content_type: string;
  /** int64: how many values `data` holds. */
  readonly metrics_count: string;
}

/**
 * Exports the values of the named metrics, or of all.
 *
 * @param names names as in Prometheus, such as `events_total`; none = all
 * @param nowMs the time of the values, ms since the epoch
 */
export async function exportMetrics(
  metrics: Metrics,
  format: ExportFormat,
  names: readonly string[],
  nowMs: number,
): Promise<ExportedMetrics> {
  const values = await metricValues(metrics, names, nowMs);
  const metrics_count = String(values.length);
  if (format === "json") {
    return { data: JSON.stringify(values), content_type: "application/json", metrics_count };
  }
  if (format === "csv") {
    return { data: csvOf(values), content_type: "text/csv; charset=utf-8", metrics_count };
  }
  const data = names.length === 0 ? await metrics.text() : await namedText(metrics, names);
  return { data, content_type: metrics.contentType, metrics_count };
}

async function namedText(metrics: Metrics, names: readonly string[]): Promise<string> {
  const known = new Set(names.filter((name) => metrics.registry.getSingleMetric(name)));
  const texts = await Promise.all(
    [...known].map((name) => metrics.registry.getSingleMetricAsString(name)),
  );
  return texts.map((text) => `${text}\n`).join("");
}

/** RFC 4180, with labels as one column of JSON. */
function csvOf(values: readonly MetricValue[]): string {
  const rows = values.map(({ name, type, value, labels, timestamp }) =>
    [name, type, String(value), JSON.stringify(labels), timestamp].map(csvField).join(",")
  );
  return ["name,type,value,labels,timestamp", ...rows, ""].join("\r\n");
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
