/**
 * The metrics a time series can show, and how exact each one is.
 *
 * Counts and sums are exact. Users and sessions are exact while few enough to be kept one by one
 * (HyperLogLog's exact form), then estimates; percentiles come from a sketch and are estimates.
 */

import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";

/** Exact, or the error: standard error of HyperLogLog, relative error of DDSketch. */
export type Accuracy =
  | "exact"
  | "approximate, error 0.81 %"
  | "approximate, error 1 %";

export const EXACT: Accuracy = "exact";
/** Standard error of HyperLogLog with 2^14 registers: 1.04 / sqrt(2^14). */
export const DISTINCT_ESTIMATE: Accuracy = "approximate, error 0.81 %";
/** Relative error that DDSketch holds every quantile to. */
export const QUANTILE_ESTIMATE: Accuracy = "approximate, error 1 %";

export { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS };

/** How a metric is read from a group's totals. */
export type MetricKind = "events" | "users" | "sessions" | "sum" | "average" | "quantile";

export interface Metric {
  /** As in the contract, for example `p95:amount`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** The sketches it needs: WANT_* bits. */
  readonly want: number;
  /** For kind `quantile`, 0 to 1; else 0. */
  readonly quantile: number;
}

const METRICS: ReadonlyMap<string, Metric> = new Map(
  ([
    ["events", "events", 0, 0],
    ["users", "users", WANT_USERS, 0],
    ["sessions", "sessions", WANT_SESSIONS, 0],
    ["sum:amount", "sum", 0, 0],
    ["avg:amount", "average", 0, 0],
    ["p50:amount", "quantile", WANT_AMOUNTS, 0.5],
    ["p90:amount", "quantile", WANT_AMOUNTS, 0.9],
    ["p95:amount", "quantile", WANT_AMOUNTS, 0.95],
    ["p99:amount", "quantile", WANT_AMOUNTS, 0.99],
  ] as const).map(([name, kind, want, quantile]) => [name, { name, kind, want, quantile }]),
);

/** All metric names, for messages and documents. */
export const METRIC_NAMES: string = [...METRICS.keys()].join(", ");

/** The metric of that name, or null. */
export function metricNamed(name: string): Metric | null {
  return METRICS.get(name) ?? null;
}
