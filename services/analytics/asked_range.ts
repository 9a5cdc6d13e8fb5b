/**
 * What every answer says of its range: which one was meant, how far the answer is complete there,
 * and how exact it is.
 *
 * `complete_until` is the time before which everything received is counted; `complete` is true when
 * that reaches the end of the range, or the moment of asking where the range is not over.
 */

import { ProblemError } from "../../lib/http/problem.ts";
import type { Accuracy } from "../../lib/query/metric.ts";
import type { PlanRefusal } from "../../lib/query/plan.ts";
import type { QualityJson, TimeRangeJson } from "./answer_json.ts";
import { timestampJson } from "./proto_json.ts";

const MINUTE_MS = 60_000;
/** What a missing range means in `analytics.v1`. */
export const DEFAULT_RANGE_MS = 24 * 3_600_000;

/** [startMs, endMs), ms since the epoch; null = missing, see `askedNow`. */
export interface RequestedRange {
  readonly startMs: number | null;
  readonly endMs: number | null;
}

/** A question's range made definite, and when it was asked. */
export interface Asked {
  readonly startMs: number;
  readonly endMs: number;
  readonly atMs: number;
}

/**
 * Fills in what is missing of a range: its end is the end of the current minute, so that an event
 * of this very moment is inside and the range is made of whole rollup cells; its start lies
 * `defaultMs` before its end.
 */
export function askedNow(
  range: RequestedRange,
  { now }: { now(): number },
  defaultMs: number,
  parameter: string,
): Asked {
  const atMs = now();
  const endMs = range.endMs ?? Math.floor(atMs / MINUTE_MS + 1) * MINUTE_MS;
  const startMs = range.startMs ?? Math.max(0, endMs - defaultMs);
  if (startMs > endMs) {
    const detail = "the range must not start after its end (a missing end is now)";
    throw refused({ parameter, detail });
  }
  return { startMs, endMs, atMs };
}

/** How much of what was received an answer is made of. */
export interface Reach {
  /** Of the partitions that answered. */
  readonly completeUntilMs: number;
  readonly missing: readonly number[];
}

/** The members of an answer that say how complete and, by field, how exact it is. */
export function qualityOf(
  asked: Asked,
  { completeUntilMs: answeredUntilMs, missing }: Reach,
  accuracy: Record<string, Accuracy>,
): QualityJson {
  const completeUntilMs = completeUntil(asked, answeredUntilMs);
  const isWhole = missing.length === 0;
  return {
    complete_until: timestampJson(completeUntilMs),
    complete: isWhole && completeUntilMs >= Math.min(asked.endMs, asked.atMs),
    ...(isWhole ? {} : { missing_partitions: [...missing] }),
    accuracy,
  };
}

/** Never later than the moment of asking: what arrived after it may or may not be counted. */
export function completeUntil(asked: Asked, shardsCompleteUntilMs: number): number {
  return Math.max(0, Math.min(shardsCompleteUntilMs, asked.atMs));
}

/** The range as answers repeat it. */
export function rangeJson({ startMs, endMs }: Asked): TimeRangeJson {
  return { start: timestampJson(startMs), end: timestampJson(endMs) };
}

/** A refusal of the plan as the problem that a client gets. */
export function refused({ parameter, detail }: PlanRefusal): ProblemError {
  return new ProblemError("invalid_parameter", detail, { field: parameter });
}
