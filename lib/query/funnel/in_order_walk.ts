/**
 * The walk of funnels whose steps come in order; funnel_walk.ts has the definition.
 *
 * For each step the walk keeps one attempt that ends there, the newest, and each event that matches
 * a step goes on from one kept for a step before it. Time is linear: rows times the steps that each
 * one matches. Why one is enough, and no list of (begin, end) pairs is needed:
 *
 * 1. Without optional steps. By induction over the events, attempts made later for a step begin no
 *    earlier: those of step 0 begin at themselves, and one of step k takes the beginning of the
 *    newest of step k - 1. So the newest of a step has both the latest beginning and the latest end;
 *    whatever can go on from an older one, within window and timeout, can go on from it.
 * 2. Optional steps. A step may follow the required one before it, r, or an optional one in between.
 *    Whatever of those was made after r's newest goes on from it, directly or not, since of several
 *    the one that begins last is taken, and so begins with it; whatever was made before it begins no
 *    later (1) and ends before it. So a later end never means an earlier beginning among them, unless
 *    they end with the same event, where the beginning decides, and 1 holds for each step.
 * 3. Exclusions. No attempt goes on across one and it is itself no step: what is kept is dropped, as
 *    if the user's events began after it.
 * 4. Strict. Only attempts that end with the row before can go on. They end with one event, so the
 *    one of each step that begins last is enough.
 *
 * The first event that gets to a step further than all before it ends the attempt that counts; what
 * is kept for the steps before begins and ends as late as can be, which is what the definition asks.
 */

import { FUNNEL_STEPS_MAX } from "../../config/limits.ts";
import type { FunnelWalk, WalkedPlan } from "./funnel_walk.ts";
import { bitRange } from "./step_bits.ts";

const NONE = -1;

export class InOrderWalk implements FunnelWalk {
  readonly rows: Int32Array;
  readonly #steps: number;
  readonly #windowMs: number;
  readonly #timeoutMs: number;
  readonly #strict: boolean;
  readonly #stepMask: number;
  readonly #exclusionMask: number;
  /** By step: the first step that it may follow, the required one before it. */
  readonly #follows: Int32Array;
  /** By step: the rows that the attempt kept for it begins and ends with. */
  readonly #first = new Int32Array(FUNNEL_STEPS_MAX);
  readonly #last = new Int32Array(FUNNEL_STEPS_MAX);
  /** By step, then by step: the rows of that attempt. */
  readonly #kept: Int32Array;

  constructor({ steps, exclusions, order, windowMs, stepTimeoutMs }: WalkedPlan) {
    this.#steps = steps.length;
    this.#windowMs = windowMs;
    this.#timeoutMs = stepTimeoutMs;
    this.#strict = order === "strict";
    this.#stepMask = bitRange(0, steps.length);
    this.#exclusionMask = bitRange(steps.length, exclusions.length);
    this.#follows = Int32Array.from(steps, (_, step) => {
      let before = step - 1;
      while (before > 0 && steps[before].optional) before--;
      return before;
    });
    this.#kept = new Int32Array(steps.length * steps.length);
    this.rows = new Int32Array(steps.length).fill(NONE);
  }

  walk(timestampMs: Float64Array, match: Int32Array, from: number, to: number): number {
    const first = this.#first;
    const top = this.#steps - 1;
    let level = NONE;
    first.fill(NONE);
    for (let row = from; row < to; row++) {
      const bits = match[row];
      if ((bits & this.#exclusionMask) !== 0) {
        first.fill(NONE);
        continue;
      }
      const endsFrom = this.#strict ? row - 1 : from;
      // From the last step down: an event serves one step, so none may go on from itself.
      for (let left = bits & this.#stepMask; left !== 0;) {
        const step = 31 - Math.clz32(left);
        left ^= 1 << step;
        const before = step === 0 ? NONE : this.#bestBefore(step, timestampMs, row, endsFrom);
        if (step > 0 && before === NONE) continue;
        this.#keep(step, before, row);
        if (step <= level) continue;
        level = step;
        this.#count(step);
        if (step === top) return top;
      }
    }
    return level;
  }

  /** The step whose attempt goes on with this row as `step`, NONE = there is none. */
  #bestBefore(step: number, timestampMs: Float64Array, row: number, endsFrom: number): number {
    const first = this.#first;
    const last = this.#last;
    const now = timestampMs[row];
    let best = NONE;
    for (let before = step - 1; before >= this.#follows[step]; before--) {
      const begin = first[before];
      const end = last[before];
      if (begin === NONE || end < endsFrom) continue;
      if (now - timestampMs[begin] > this.#windowMs) continue;
      if (now - timestampMs[end] > this.#timeoutMs) continue;
      const isBetter = best === NONE || begin > first[best] ||
        (begin === first[best] && end > last[best]);
      if (isBetter) best = before;
    }
    return best;
  }

  /** Keeps the attempt of `before` and this row as the one of `step`. */
  #keep(step: number, before: number, row: number): void {
    const kept = this.#kept;
    const at = step * this.#steps;
    for (let each = 0; each < step; each++) {
      kept[at + each] = each <= before ? kept[before * this.#steps + each] : NONE;
    }
    kept[at + step] = row;
    this.#first[step] = before === NONE ? row : this.#first[before];
    this.#last[step] = row;
  }

  /** The attempt kept for this step is the one that counts. */
  #count(step: number): void {
    const at = step * this.#steps;
    for (let each = 0; each < this.#steps; each++) {
      this.rows[each] = each <= step ? this.#kept[at + each] : NONE;
    }
  }
}
