/**
 * The figures of a breakdown, read from the partitions' partials of a BreakdownPlan.
 *
 * Every partition gives all of its groups, so the largest ones are the largest of all events, and
 * `other` is made of the very groups that are not told: its users are counted once each, however
 * many of these groups they are in. Too many groups are a refusal, never a guess.
 */

import { GROUP_PLACES_MAX, GROUPS_MAX } from "../config/limits.ts";
import {
  type Accuracy,
  DISTINCT_ESTIMATE,
  EXACT,
  type Metric,
  QUANTILE_ESTIMATE,
} from "./metric.ts";
import { MergedRollup, type RollupPartial } from "./partial.ts";
import { type BreakdownPlan, groupTexts, isNamedByType, type PlanRefusal } from "./plan.ts";
import { amountAccuracy, amountValue, finite } from "./series.ts";
import { changeOf } from "./summary.ts";

const TOTAL = "";
/** The bucket of the period before; the range begins with the one after it. */
const PREVIOUS = 0;
const FIRST = 1;

/** A metric of a group. */
export interface BreakdownFigures {
  /** null: no event has a number, and the metric is not the sum of them. */
  readonly value: number | null;
  readonly previousValue: number | null;
  /** In percent, as in a summary (summary.ts); null when either value is. */
  readonly changePercentage: number | null;
  readonly events: number;
  /** Events that the metric leaves out for want of a number. */
  readonly eventsWithoutNumber: number;
  /** By bucket of the range; empty when only the total was asked for. */
  readonly points: readonly (number | null)[];
}

/** A group that is told by itself. */
export interface BreakdownGroup extends BreakdownFigures {
  /** Text views by what it was grouped by; null = events without it. */
  readonly texts: readonly (string | null)[];
}

export interface Breakdown {
  /** Largest value first, those without one last; equal ones by their texts, null first. */
  readonly groups: readonly BreakdownGroup[];
  /** All events of no such group together; null when the range has none. */
  readonly other: BreakdownFigures | null;
  readonly total: BreakdownFigures;
  /** How many groups there are in the range. */
  readonly groupCount: number;
  /** The least exact of the values. */
  readonly accuracy: Accuracy;
  /** Everything received before this is counted, ms since the epoch; Infinity = no partition. */
  readonly completeUntilMs: number;
}

/** Reads the breakdown; refused where there are more groups than one answer can tell apart. */
export function breakdownFigures(
  plan: BreakdownPlan,
  partials: readonly RollupPartial[],
): { ok: true; figures: Breakdown } | { ok: false; refusal: PlanRefusal } {
  const merged = new MergedRollup(partials);
  if (merged.tooManyGroups || merged.groups.length > plan.rollup.groupsMax) {
    return { ok: false, refusal: tooManyGroups(plan) };
  }
  const reader = new GroupReader(plan, merged);
  const named = merged.groups
    .filter((name) => name !== TOTAL && reader.events([name]) > 0)
    .map((name) => ({ name, texts: textsOf(plan, name), value: reader.value([name]) }));
  named.sort((a, b) => compareValues(a.value, b.value) || compareTexts(a.texts, b.texts));
  const rest = named.slice(plan.limit).map(({ name }) => name);
  const groups = named.slice(0, plan.limit).map(({ name, texts }) => ({
    texts,
    ...reader.figures([name]),
  }));
  // What only the period before had is in the other's past.
  const gone = merged.groups.filter((name) => name !== TOTAL && reader.events([name]) === 0);
  const figures: Breakdown = {
    groups,
    other: rest.length === 0 ? null : reader.figures([...rest, ...gone]),
    total: reader.figures([TOTAL]),
    groupCount: named.length,
    accuracy: reader.accuracy,
    completeUntilMs: merged.completeUntilMs,
  };
  return { ok: true, figures };
}

/** Reads figures of one or several groups together. */
class GroupReader {
  /** The least exact of what was read so far. */
  accuracy: Accuracy = EXACT;
  readonly #metric: Metric;
  readonly #merged: MergedRollup;
  readonly #hasPoints: boolean;
  readonly #end: number;

  constructor({ metric, labelsMs, rollup }: BreakdownPlan, merged: MergedRollup) {
    this.#metric = metric;
    this.#merged = merged;
    this.#hasPoints = labelsMs.length > 0;
    this.#end = rollup.boundsMs.length - 1;
  }

  /** In the range. */
  events(names: readonly string[]): number {
    return this.#sum(names, FIRST, this.#end, "events");
  }

  value(names: readonly string[]): number | null {
    return this.#value(names, FIRST, this.#end);
  }

  figures(names: readonly string[]): BreakdownFigures {
    const value = this.value(names);
    const previousValue = this.#value(names, PREVIOUS, FIRST);
    const events = this.events(names);
    const numbers = this.#sum(names, FIRST, this.#end, "amountCount");
    const points: (number | null)[] = [];
    for (let bucket = FIRST; this.#hasPoints && bucket < this.#end; bucket++) {
      points.push(this.#value(names, bucket, bucket + 1));
    }
    return {
      value,
      previousValue,
      changePercentage: value === null || previousValue === null
        ? null
        : changeOf(value, previousValue),
      events,
      eventsWithoutNumber: this.#metric.value === null ? 0 : events - numbers,
      points,
    };
  }

  #value(names: readonly string[], from: number, to: number): number | null {
    const { kind } = this.#metric;
    switch (kind) {
      case "events":
        return this.#sum(names, from, to, "events");
      case "users":
      case "sessions":
        return this.#distinct(kind, names, from, to);
      case "per_user": {
        const events = this.#sum(names, from, to, "events");
        return events === 0 ? 0 : events / this.#distinct("users", names, from, to);
      }
      case "sum":
        return finite(this.#sum(names, from, to, "amountSum"));
      case "average": {
        const count = this.#sum(names, from, to, "amountCount");
        return count === 0 ? null : finite(this.#sum(names, from, to, "amountSum") / count);
      }
      default: {
        const amounts = this.#merged.amountsOver(names, from, to);
        if (amounts === null || amounts.count === 0) return null;
        this.#note(amountAccuracy(this.#metric));
        return amountValue(this.#metric, amounts);
      }
    }
  }

  #distinct(
    kind: "users" | "sessions",
    names: readonly string[],
    from: number,
    to: number,
  ): number {
    const { count, exact } = this.#merged.distinctOver(kind, names, from, to);
    if (!exact) this.#note(DISTINCT_ESTIMATE);
    return count;
  }

  #note(accuracy: Accuracy): void {
    if (this.accuracy !== QUANTILE_ESTIMATE) this.accuracy = accuracy;
  }

  #sum(
    names: readonly string[],
    from: number,
    to: number,
    column: "events" | "amountCount" | "amountSum",
  ): number {
    let sum = 0;
    for (const name of names) {
      for (let bucket = from; bucket < to; bucket++) sum += this.#merged[column](name, bucket);
    }
    return sum;
  }
}

function textsOf({ rollup }: BreakdownPlan, name: string): readonly (string | null)[] {
  return isNamedByType(rollup) ? [name] : groupTexts(name);
}

function compareValues(a: number | null, b: number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return b - a;
}

function compareTexts(a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (let i = 0; i < a.length; i++) {
    const [own, other] = [a[i], b[i]];
    if (own === other) continue;
    if (own === null || other === null) return own === null ? -1 : 1;
    return own < other ? -1 : 1;
  }
  return 0;
}

function tooManyGroups({ rollup, by, granularity }: BreakdownPlan): PlanRefusal {
  const names = by.map(({ label }) => label).join(" and ");
  const most = rollup.groupsMax - 1;
  const limit = granularity === null
    ? `${GROUPS_MAX}`
    : `${most} in so many buckets of time (${GROUP_PLACES_MAX} places)`;
  const detail = `${names} has more values than one answer can tell apart: at most ${limit}, and ` +
    "as many users, sessions or percentiles of each as memory allows; filter the events, group by " +
    "less, or use a shorter range or a coarser granularity";
  return { parameter: "group_by", detail };
}
