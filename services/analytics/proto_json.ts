/**
 * Values in proto JSON form (protobuf.dev/programming-guides/json): what `analytics.v1` answers
 * are made of on REST, and what the gRPC form of them is read from.
 */

import { SERIES_BUCKETS_MAX } from "../../lib/config/limits.ts";

const SECOND_MS = 1_000;

/** int64: a decimal string. Takes a whole number. */
export function int64Json(value: number): string {
  return value.toFixed(0);
}

/** Timestamp: RFC 3339 in UTC, with a fraction only where there is one. Takes ms. */
export function timestampJson(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(".000Z", "Z");
}

/** Texts of bucket labels that are kept: those of the longest series. */
const LABELS_MAX = SERIES_BUCKETS_MAX;
const labels = new Map<number, string>();

/**
 * The same for a bucket's label. One series after the other has the same hundreds of labels: to
 * write each anew was a third of the main thread's time.
 */
export function labelJson(epochMs: number): string {
  let text = labels.get(epochMs);
  if (text === undefined) {
    if (labels.size >= LABELS_MAX) labels.clear();
    labels.set(epochMs, text = timestampJson(epochMs));
  }
  return text;
}

/** Duration: seconds with the suffix `s`, for example `0.003s`. Takes ms. */
export function durationJson(durationMs: number): string {
  const wholeMs = Math.max(0, Math.round(durationMs));
  return wholeMs % SECOND_MS === 0
    ? `${wholeMs / SECOND_MS}s`
    : `${(wholeMs / SECOND_MS).toFixed(3)}s`;
}

/** Unix seconds, as the older API generation writes times. Takes ms; drops the fraction. */
export function unixSeconds(epochMs: number): number {
  return Math.floor(epochMs / SECOND_MS);
}
