/** The figures of a summary, read from the shards' partials of a SummaryPlan. */

import { SUMMARY_TYPES_MAX } from "../config/limits.ts";
import { type Accuracy, DISTINCT_ESTIMATE, EXACT } from "./metric.ts";
import { type DistinctCount, MergedRollup, type RollupPartial } from "./partial.ts";

const PREVIOUS = 0;
const CURRENT = 1;
const ALL_TYPES = "";
/** Where the types beyond SUMMARY_TYPES_MAX are counted; shards use the same name for theirs. */
export const OTHER_TYPES = "(other)";

/** One of the top metrics, beside the period of equal length before. */
export interface TopFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /**
   * Change against the previous period in percent; 100 when that was 0 and this is not, 0 when
   * both are.
   */
  readonly changePercentage: number;
  /** The less exact of the two periods. */
  readonly accuracy: Accuracy;
}

export interface SummaryFigures {
  readonly totalEvents: number;
  readonly uniqueUsers: number;
  readonly uniqueUsersAccuracy: Accuracy;
  readonly sessions: number;
  readonly sessionsAccuracy: Accuracy;
  /** Event type and count, largest first. */
  readonly eventsByType: readonly (readonly [string, number])[];
  readonly topMetrics: readonly TopFigure[];
  /** Everything received before this is counted, ms since the epoch; Infinity = no shard. */
  readonly completeUntilMs: number;
}

/** Reads the summary. */
export function summaryFigures(partials: readonly RollupPartial[]): SummaryFigures {
  const merged = new MergedRollup(partials);
  const current = readPeriod(merged, CURRENT);
  const previous = readPeriod(merged, PREVIOUS);
  const usersAccuracy = accuracyOf(current.users, previous.users);
  const figure = (
    name: string,
    unit: string,
    accuracy: Accuracy,
    read: (period: Period) => number,
  ): TopFigure => {
    const value = read(current);
    const changePercentage = changeOf(value, read(previous));
    return { name, value, unit, changePercentage, accuracy };
  };
  return {
    totalEvents: current.events,
    uniqueUsers: current.users.count,
    uniqueUsersAccuracy: accuracyOf(current.users),
    sessions: current.sessions.count,
    sessionsAccuracy: accuracyOf(current.sessions),
    eventsByType: eventsByType(merged),
    topMetrics: [
      figure("events", "events", EXACT, (period) => period.events),
      figure("unique_users", "users", usersAccuracy, (period) => period.users.count),
      figure(
        "sessions",
        "sessions",
        accuracyOf(current.sessions, previous.sessions),
        (period) => period.sessions.count,
      ),
      figure("revenue", "amount", EXACT, (period) => period.amountSum),
      figure(
        "average_amount",
        "amount",
        EXACT,
        (period) => ratio(period.amountSum, period.amountCount),
      ),
      figure(
        "events_per_user",
        "events/user",
        usersAccuracy,
        (period) => ratio(period.events, period.users.count),
      ),
    ],
    completeUntilMs: merged.completeUntilMs,
  };
}

interface Period {
  readonly events: number;
  readonly amountCount: number;
  readonly amountSum: number;
  readonly users: DistinctCount;
  readonly sessions: DistinctCount;
}

function readPeriod(merged: MergedRollup, bucket: number): Period {
  return {
    events: merged.events(ALL_TYPES, bucket),
    amountCount: merged.amountCount(ALL_TYPES, bucket),
    amountSum: merged.amountSum(ALL_TYPES, bucket),
    users: merged.users(ALL_TYPES, bucket),
    sessions: merged.sessions(ALL_TYPES, bucket),
  };
}

/** Counts by type, largest first (equal ones by name); the smallest together when too many. */
function eventsByType(merged: MergedRollup): (readonly [string, number])[] {
  const counts: [string, number][] = [];
  for (const type of merged.groups) {
    const events = type === ALL_TYPES ? 0 : merged.events(type, CURRENT);
    if (events > 0) counts.push([type, events]);
  }
  counts.sort(([typeA, a], [typeB, b]) => b - a || (typeA < typeB ? -1 : 1));
  if (counts.length <= SUMMARY_TYPES_MAX) return counts;
  const listed = counts.slice(0, SUMMARY_TYPES_MAX).filter(([type]) => type !== OTHER_TYPES);
  const listedTypes = new Set(listed.map(([type]) => type));
  const rest = counts.filter(([type]) => !listedTypes.has(type));
  return [...listed, [OTHER_TYPES, rest.reduce((sum, [, events]) => sum + events, 0)]];
}

function accuracyOf(...counts: DistinctCount[]): Accuracy {
  return counts.every((count) => count.exact) ? EXACT : DISTINCT_ESTIMATE;
}

/** Change in percent; 100 when it was 0 before and is not now, 0 when it is 0 both times. */
export function changeOf(value: number, previous: number): number {
  if (previous === 0) return value === 0 ? 0 : 100;
  return (value - previous) / previous * 100;
}

function ratio(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count;
}
