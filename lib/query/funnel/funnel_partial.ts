/**
 * What walks of users add up to: per step its users and times, for each partition a partial, of all
 * partials the figures of the answer. Numbers of users and sums of times are exact; medians come
 * from a DDSketch.
 *
 * A step's time to convert is from the end of the attempt up to the step before that is in it, to
 * the end of the attempt up to this step: between two events where steps come in order; 0 for a step
 * that `any` order had done before the ones it is listed after.
 */

import { DDSketch } from "../../sketch/ddsketch.ts";
import type { FunnelPlan } from "./plan_funnel.ts";

/** Users whose first step has one value of the breakdown property. */
export interface FunnelSegmentPartial {
  /** null = no value. */
  readonly value: string | null;
  /** By step, as in FunnelPartial. */
  readonly users: Float64Array;
  readonly last: Float64Array;
  readonly totalMs: Float64Array;
}

/** Why a partition could not answer. */
export type FunnelTrouble = "rows" | "labels";

/** One partition's part of a funnel. Structured clone safe. */
export interface FunnelPartial {
  /** Anything but null: the rest is empty. */
  readonly trouble: FunnelTrouble | null;
  /** By step: users whose attempt has it. */
  readonly users: Float64Array;
  /** By step: users whose attempt ends with it. */
  readonly last: Float64Array;
  /** By step: the sum of its users' times to convert, ms; 0 for the first. */
  readonly totalMs: Float64Array;
  /** By step: an encoded DDSketch of those times, ms. */
  readonly times: readonly Uint8Array[];
  /** Empty without a breakdown. */
  readonly segments: readonly FunnelSegmentPartial[];
}

/** Sums by step. */
class StepSums {
  readonly users: Float64Array;
  readonly last: Float64Array;
  readonly totalMs: Float64Array;

  constructor(steps: number) {
    this.users = new Float64Array(steps);
    this.last = new Float64Array(steps);
    this.totalMs = new Float64Array(steps);
  }

  merge(other: Pick<StepSums, "users" | "last" | "totalMs">): void {
    for (let step = 0; step < this.users.length; step++) {
      this.users[step] += other.users[step];
      this.last[step] += other.last[step];
      this.totalMs[step] += other.totalMs[step];
    }
  }
}

/** Adds up the users of one partition. */
export class FunnelTally {
  readonly #sums: StepSums;
  readonly #times: DDSketch[];
  /** By number of the label of the first step's row; null = there is no breakdown. */
  readonly #segments: Map<number, StepSums> | null;

  constructor({ steps, breakdown }: Pick<FunnelPlan, "steps" | "breakdown">) {
    this.#sums = new StepSums(steps.length);
    this.#times = steps.map(() => new DDSketch());
    this.#segments = breakdown === null ? null : new Map();
  }

  /**
   * Adds one user.
   *
   * @param timesMs by step: of its event in the user's attempt, NaN = the step is not in it
   * @param level the last step of the attempt
   * @param label number of the label of the first step's event, -1 = none; null without a breakdown
   */
  add(timesMs: Float64Array, level: number, label: number | null): void {
    const sums = this.#sums;
    const segment = label === null ? null : this.#segmentOf(label);
    let endMs = timesMs[0];
    sums.users[0]++;
    sums.last[level]++;
    if (segment) {
      segment.users[0]++;
      segment.last[level]++;
    }
    for (let step = 1; step <= level; step++) {
      if (Number.isNaN(timesMs[step])) continue;
      const tookMs = Math.max(0, timesMs[step] - endMs);
      endMs += tookMs;
      sums.users[step]++;
      sums.totalMs[step] += tookMs;
      this.#times[step].add(tookMs);
      if (segment) {
        segment.users[step]++;
        segment.totalMs[step] += tookMs;
      }
    }
  }

  /** @param labels texts by their numbers */
  partial(labels: readonly string[]): FunnelPartial {
    const { users, last, totalMs } = this.#sums;
    return {
      trouble: null,
      users,
      last,
      totalMs,
      times: this.#times.map((times) => times.encode()),
      segments: [...this.#segments ?? []].map(([label, sums]) => (
        { value: label < 0 ? null : labels[label], ...sums }
      )),
    };
  }

  #segmentOf(label: number): StepSums {
    let segment = this.#segments!.get(label);
    if (segment === undefined) {
      segment = new StepSums(this.#sums.users.length);
      this.#segments!.set(label, segment);
    }
    return segment;
  }
}

/** The partial of a partition that could not answer. */
export function troubledPartial(trouble: FunnelTrouble): FunnelPartial {
  const none = new Float64Array(0);
  return { trouble, users: none, last: none, totalMs: none, times: [], segments: [] };
}

/** Figures of one step. */
export interface FunnelStepFigures {
  readonly users: number;
  /** Users whose attempt ends with this step and not with the funnel's last one. */
  readonly dropped: number;
  /** Of the users of the first step, 0 to 1. */
  readonly conversionRate: number;
  /** Of the users of the last step before that is not optional, 0 to 1; 1 for the first step. */
  readonly conversionFromPrevious: number;
  /** ms; null where nobody converted, and for the first step. */
  readonly avgMs: number | null;
  /** The same within 1 %; null in segments too. */
  readonly medianMs: number | null;
}

/** Figures of the users of one value of the breakdown, of all other values, or of none. */
export interface FunnelSegmentFigures {
  readonly kind: "value" | "other" | "none";
  /** Of kind `value`. */
  readonly value: string | null;
  readonly steps: readonly FunnelStepFigures[];
}

export interface FunnelFigures {
  readonly steps: readonly FunnelStepFigures[];
  /** Most users first, then all other values, then those without one; empty without a breakdown. */
  readonly segments: readonly FunnelSegmentFigures[];
}

/** What all partitions say together, none of them troubled. */
export function funnelFigures(plan: FunnelPlan, partials: readonly FunnelPartial[]): FunnelFigures {
  const sums = new StepSums(plan.steps.length);
  const times = plan.steps.map(() => new DDSketch());
  for (const partial of partials) {
    sums.merge(partial);
    partial.times.forEach((encoded, step) => times[step].mergeEncoded(encoded));
  }
  return {
    steps: stepFigures(plan, sums, times),
    segments: plan.breakdown === null ? [] : segmentFigures(plan, partials),
  };
}

function stepFigures(
  { steps }: FunnelPlan,
  { users, last, totalMs }: StepSums,
  times: readonly DDSketch[] | null,
): FunnelStepFigures[] {
  return steps.map((_, step) => {
    let before = step - 1;
    while (before > 0 && steps[before].optional) before--;
    const isTimed = step > 0 && users[step] > 0;
    return {
      users: users[step],
      dropped: step === steps.length - 1 ? 0 : last[step],
      conversionRate: rate(users[step], users[0]),
      conversionFromPrevious: rate(users[step], users[Math.max(0, before)]),
      avgMs: isTimed ? totalMs[step] / users[step] : null,
      medianMs: isTimed && times !== null ? times[step].quantile(0.5) : null,
    };
  });
}

function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function segmentFigures(
  plan: FunnelPlan,
  partials: readonly FunnelPartial[],
): FunnelSegmentFigures[] {
  const byValue = new Map<string | null, StepSums>();
  for (const { value, ...sums } of partials.flatMap(({ segments }) => segments)) {
    let merged = byValue.get(value);
    if (merged === undefined) byValue.set(value, merged = new StepSums(plan.steps.length));
    merged.merge(sums);
  }
  const none = byValue.get(null);
  byValue.delete(null);
  const ranked = ([...byValue] as [string, StepSums][])
    .sort(([a, left], [b, right]) => right.users[0] - left.users[0] || (a < b ? -1 : 1));
  const shown = ranked.slice(0, plan.segmentsMax);
  const others = ranked.slice(plan.segmentsMax);
  const figures = (kind: "value" | "other" | "none", value: string | null, sums: StepSums) => (
    { kind, value, steps: stepFigures(plan, sums, null) }
  );
  const segments = shown.map(([value, sums]) => figures("value", value, sums));
  if (others.length > 0) {
    const together = new StepSums(plan.steps.length);
    for (const [, sums] of others) together.merge(sums);
    segments.push(figures("other", null, together));
  }
  if (none !== undefined) segments.push(figures("none", null, none));
  return segments;
}
