/**
 * The metrics a time series or breakdown can show, and how exact each one is:
 *
 *     events, users, sessions, events_per_user
 *     sum:NUMBER, avg:NUMBER, min:NUMBER, max:NUMBER, p50:NUMBER, p90:NUMBER, p95:NUMBER, p99:NUMBER
 *
 * NUMBER is `amount` or a property, whose number view counts (filter/filter.ts); events without it
 * are left out. `properties.NAME` always means the property.
 *
 * Counts and sums are exact. Users and sessions are exact while few enough to be kept one by one
 * (HyperLogLog's exact form), then estimates; percentiles come from a sketch and are estimates.
 */

import { ECHO_CHARS_MAX } from "../config/limits.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import type { Subject } from "./filter/filter.ts";
import { readSubject } from "./filter/parse_filter.ts";

/** Exact, or the error: standard error of HyperLogLog, relative error of DDSketch. */
export type Accuracy =
  | "exact"
  | "approximate, error 0.81 %"
  | "approximate, error 1 %"
  | "of the newest events";

export const EXACT: Accuracy = "exact";
/** True of the newest events; the older ones were not looked at. */
export const OF_NEWEST_EVENTS: Accuracy = "of the newest events";
/** Standard error of HyperLogLog with 2^14 registers: 1.04 / sqrt(2^14). */
export const DISTINCT_ESTIMATE: Accuracy = "approximate, error 0.81 %";
/** Relative error that DDSketch holds every quantile to. */
export const QUANTILE_ESTIMATE: Accuracy = "approximate, error 1 %";

export { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS };

/** How a metric is read from a group's totals. */
export type MetricKind =
  | "events"
  | "users"
  | "sessions"
  | "per_user"
  | "sum"
  | "average"
  | "min"
  | "max"
  | "quantile";

export interface Metric {
  /** As it was asked for, such as `p95:amount`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** The sketches it needs: WANT_* bits. */
  readonly want: number;
  /** For kind `quantile`, 0 to 1; else 0. */
  readonly quantile: number;
  /** Whose numbers it is made of; null = of none. */
  readonly value: Subject | null;
}

const COUNTS: ReadonlyMap<string, readonly [MetricKind, want: number]> = new Map([
  ["events", ["events", 0]],
  ["users", ["users", WANT_USERS]],
  ["sessions", ["sessions", WANT_SESSIONS]],
  ["events_per_user", ["per_user", WANT_USERS]],
]);

/** What comes before the colon: kind, sketches, quantile. */
const AGGREGATES: ReadonlyMap<string, readonly [MetricKind, want: number, quantile: number]> =
  new Map([
    ["sum", ["sum", 0, 0]],
    ["avg", ["average", 0, 0]],
    ["min", ["min", WANT_AMOUNTS, 0]],
    ["max", ["max", WANT_AMOUNTS, 0]],
    ["p50", ["quantile", WANT_AMOUNTS, 0.5]],
    ["p90", ["quantile", WANT_AMOUNTS, 0.9]],
    ["p95", ["quantile", WANT_AMOUNTS, 0.95]],
    ["p99", ["quantile", WANT_AMOUNTS, 0.99]],
  ]);

/** What metrics there are, for messages and documents. */
export const METRIC_FORM = `${[...COUNTS.keys()].join(", ")}, or ` +
  `${[...AGGREGATES.keys()].join(", ")} of a number, such as sum:amount or p95:PROPERTY`;

/** The metric of that name, or what is wrong with the name. */
export function readMetric(name: string): Metric | string {
  const count = COUNTS.get(name);
  if (count !== undefined) {
    const [kind, want] = count;
    return { name, kind, want, quantile: 0, value: null };
  }
  const colon = name.indexOf(":");
  const aggregate = colon < 0 ? undefined : AGGREGATES.get(name.slice(0, colon));
  if (aggregate === undefined) return `metric must be one of ${METRIC_FORM}`;
  const [kind, want, quantile] = aggregate;
  const of = name.slice(colon + 1);
  const value = readSubject(of);
  if (value === null || value.kind === "field" && value.name !== "amount") {
    const shown = [...name].slice(0, ECHO_CHARS_MAX).join("");
    return `${shown}: the number must be amount or a property; properties.NAME names a property ` +
      "that is called like a field of the event";
  }
  return { name, kind, want, quantile, value };
}

/** Whether rollups have the numbers that the metric is made of. */
export function isOfAmounts({ value }: Metric): boolean {
  return value === null || value.kind === "field";
}
