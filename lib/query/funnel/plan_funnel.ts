/**
 * Plans of funnels: what a client asks, checked, in the form that shards walk by. docs/ANALYTICS.md
 * states the meaning, funnel_walk.ts says what its code is.
 */

import {
  FUNNEL_CONDITIONS_MAX,
  FUNNEL_EXCLUSIONS_MAX,
  FUNNEL_SEGMENTS_DEFAULT,
  FUNNEL_SEGMENTS_MAX,
  FUNNEL_STEPS_MAX,
  FUNNEL_STEPS_MIN,
  RANGE_DAYS_MAX,
} from "../../config/limits.ts";
import { conditionCount, type Filter, propertyKeys, type Subject } from "../filter/filter.ts";
import { type Planned, type PlanRefusal, refuseRange } from "../plan.ts";

const DAY_MS = 86_400_000;

/** From the first step to the last one unless `window` says otherwise, ms. */
export const FUNNEL_WINDOW_MS_DEFAULT = 14 * DAY_MS;

/** In which order the steps of an attempt come. */
export const FUNNEL_ORDERS = ["sequential", "strict", "any"] as const;
export type FunnelOrder = typeof FUNNEL_ORDERS[number];

/** A step or an exclusion as asked for. */
export interface AskedStep {
  /** null = the one given by `fallbackName`. */
  readonly name: string | null;
  /** What the step is called when it has no name of its own, such as its event type; "" = nothing. */
  readonly fallbackName: string;
  /** null = it says nothing of what events it is about. */
  readonly filter: Filter | null;
  readonly optional: boolean;
}

/** What a client asks. */
export interface AskedFunnel {
  readonly project: string;
  /** [fromMs, toMs), whole ms since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly steps: readonly AskedStep[];
  readonly exclusions: readonly AskedStep[];
  /** Which events there are at all; null = all of the range. */
  readonly filter: Filter | null;
  /** null = sequential. */
  readonly order: string | null;
  /** null = FUNNEL_WINDOW_MS_DEFAULT. */
  readonly windowMs: number | null;
  /** null = as long as the window. */
  readonly stepTimeoutMs: number | null;
  /** null = none. */
  readonly breakdown: Subject | null;
  /** null = FUNNEL_SEGMENTS_DEFAULT. */
  readonly breakdownLimit: number | null;
}

/** A step as walked. */
export interface PlannedStep {
  readonly name: string;
  readonly filter: Filter;
  readonly optional: boolean;
}

/** A checked funnel. Structured clone safe. */
export interface FunnelPlan {
  readonly project: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly filter: Filter | null;
  readonly steps: readonly PlannedStep[];
  readonly exclusions: readonly Filter[];
  readonly order: FunnelOrder;
  readonly windowMs: number;
  /** Infinity = as long as the window. */
  readonly stepTimeoutMs: number;
  readonly breakdown: Subject | null;
  /** Values shown one by one; the others are together. */
  readonly segmentsMax: number;
}

/** Checks a funnel and fills in what is missing. */
export function planFunnel(asked: AskedFunnel): Planned<FunnelPlan> {
  const refusal = refuseRange(asked.fromMs, asked.toMs) ?? refuseSteps(asked) ??
    refuseTimes(asked) ?? refuseOrder(asked) ?? refuseSegments(asked);
  if (refusal !== null) return { ok: false, refusal };
  const { project, fromMs, toMs, filter, breakdown } = asked;
  const plan: FunnelPlan = {
    project,
    fromMs,
    toMs,
    filter,
    steps: asked.steps.map(({ name, fallbackName, filter, optional }, index) => (
      { name: name ?? (fallbackName || `step ${index + 1}`), filter: filter!, optional }
    )),
    exclusions: asked.exclusions.map((exclusion) => exclusion.filter!),
    order: (asked.order ?? "sequential") as FunnelOrder,
    windowMs: asked.windowMs ?? FUNNEL_WINDOW_MS_DEFAULT,
    stepTimeoutMs: asked.stepTimeoutMs ?? Infinity,
    breakdown,
    segmentsMax: asked.breakdownLimit ?? FUNNEL_SEGMENTS_DEFAULT,
  };
  return { ok: true, plan };
}

/** The filters that a scan tells rows by: bit i is step i, the bits after them are exclusions. */
export function funnelMatches(plan: FunnelPlan): Filter[] {
  return [...plan.steps.map(({ filter }) => filter), ...plan.exclusions];
}

/** Names of all properties that a funnel asks about. */
export function funnelKeys(plan: FunnelPlan): Set<string> {
  const keys = new Set<string>();
  for (const filter of [plan.filter, ...funnelMatches(plan)]) {
    for (const key of propertyKeys(filter)) keys.add(key);
  }
  if (plan.breakdown?.kind === "property") keys.add(plan.breakdown.key);
  return keys;
}

function refuseSteps({ steps, exclusions }: AskedFunnel): PlanRefusal | null {
  if (steps.length < FUNNEL_STEPS_MIN || steps.length > FUNNEL_STEPS_MAX) {
    const detail = `a funnel has ${FUNNEL_STEPS_MIN} to ${FUNNEL_STEPS_MAX} steps, ` +
      `not ${steps.length}`;
    return { parameter: "steps", detail };
  }
  if (exclusions.length > FUNNEL_EXCLUSIONS_MAX) {
    const detail = `a funnel has at most ${FUNNEL_EXCLUSIONS_MAX} exclusions`;
    return { parameter: "exclusions", detail };
  }
  for (const [place, list] of [["steps", steps], ["exclusions", exclusions]] as const) {
    const index = list.findIndex(({ filter }) => filter === null);
    if (index >= 0) {
      const detail = "must say which events it is about: event_type, filters or filter";
      return { parameter: `${place}[${index}]`, detail };
    }
  }
  // All of them are one statement, whose planning takes time and stack by the square of their number.
  const conditions = [...steps, ...exclusions].reduce((sum, { filter }) => {
    return sum + conditionCount(filter);
  }, 0);
  if (conditions > FUNNEL_CONDITIONS_MAX) {
    const detail =
      `steps and exclusions have at most ${FUNNEL_CONDITIONS_MAX} conditions in all, ` +
      `not ${conditions}`;
    return { parameter: "steps", detail };
  }
  for (const index of [0, steps.length - 1]) {
    if (!steps[index].optional) continue;
    const detail = "the first and the last step can't be optional";
    return { parameter: `steps[${index}].optional`, detail };
  }
  return null;
}

function refuseTimes({ windowMs, stepTimeoutMs }: AskedFunnel): PlanRefusal | null {
  const longestMs = RANGE_DAYS_MAX * DAY_MS;
  for (const [parameter, ms] of [["window", windowMs], ["step_timeout", stepTimeoutMs]] as const) {
    if (ms === null || (ms > 0 && ms <= longestMs)) continue;
    const detail = `${parameter} must be longer than 0 s and at most ${RANGE_DAYS_MAX} days`;
    return { parameter, detail };
  }
  return null;
}

function refuseOrder({ order, stepTimeoutMs, steps }: AskedFunnel): PlanRefusal | null {
  if (order !== null && !(FUNNEL_ORDERS as readonly string[]).includes(order)) {
    return { parameter: "order", detail: `order must be one of ${FUNNEL_ORDERS.join(", ")}` };
  }
  if (order !== "any") return null;
  if (stepTimeoutMs !== null) {
    const detail = "steps in any order have no next one to wait for: use window alone";
    return { parameter: "step_timeout", detail };
  }
  const index = steps.findIndex(({ optional }) => optional);
  if (index < 0) return null;
  const detail = "steps in any order can't be optional: leave the step out";
  return { parameter: `steps[${index}].optional`, detail };
}

function refuseSegments({ breakdown, breakdownLimit }: AskedFunnel): PlanRefusal | null {
  if (breakdownLimit === null) return null;
  const parameter = "breakdown_limit";
  if (breakdown === null) return { parameter, detail: "there is no breakdown to limit" };
  if (breakdownLimit >= 1 && breakdownLimit <= FUNNEL_SEGMENTS_MAX) return null;
  return { parameter, detail: `breakdown_limit must be from 1 to ${FUNNEL_SEGMENTS_MAX}` };
}
