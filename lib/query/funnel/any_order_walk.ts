/**
 * The walk of funnels whose steps come in any order; funnel_walk.ts has the definition.
 *
 * An event that ends an attempt has all others of it in the window before it, so for each step the
 * newest events are kept, as many as there are steps: another step can take at most one of them
 * away. At each event the next step is tried: are there different events for it and all before it?
 * Where each step's newest event is another one, yes; else events are matched to steps by augmenting
 * paths (Kuhn; Hopcroft and Karp, SIAM J. Comput. 2(4), 1973). Matching is tried only where every
 * step has an event, so it is rare unless an event matches several steps.
 */

import type { WalkedPlan } from "./funnel_walk.ts";
import { bitRange } from "./step_bits.ts";

const NONE = -1;

export class AnyOrderWalk {
  /** By step: the row of its event in the attempt that counts, -1 = the step is not in it. */
  readonly rows: Int32Array;
  readonly #steps: number;
  readonly #windowMs: number;
  readonly #stepMask: number;
  readonly #exclusionMask: number;
  /** By step: its newest rows, a ring of as many as there are steps. */
  readonly #newest: Int32Array;
  /** By step: how many rows have been put into its ring. */
  readonly #counts: Int32Array;
  /** Matching: by step, the row it has, NONE = none yet; and the rows tried in this search. */
  readonly #taken: Int32Array;
  readonly #tried = new Set<number>();

  constructor({ steps, exclusions, windowMs }: WalkedPlan) {
    this.#steps = steps.length;
    this.#windowMs = windowMs;
    this.#stepMask = bitRange(0, steps.length);
    this.#exclusionMask = bitRange(steps.length, exclusions.length);
    this.#newest = new Int32Array(steps.length * steps.length);
    this.#counts = new Int32Array(steps.length);
    this.#taken = new Int32Array(steps.length);
    this.rows = new Int32Array(steps.length).fill(NONE);
  }

  /**
   * Walks one user's rows [from, to), in their order. Bit i of `match` is set where a row matches
   * step i; the bits after the steps' are exclusions.
   *
   * @returns the user's level, counted from 0; -1 = not even the first step, then `rows` is old
   */
  walk(timestampMs: Float64Array, match: Int32Array, from: number, to: number): number {
    let level = NONE;
    this.#counts.fill(0);
    for (let row = from; row < to; row++) {
      const bits = match[row];
      if ((bits & this.#exclusionMask) !== 0) {
        this.#counts.fill(0);
        continue;
      }
      if ((bits & this.#stepMask) === 0) continue;
      this.#note(bits & this.#stepMask, row);
      const sinceMs = timestampMs[row] - this.#windowMs;
      const before = level;
      while (level < this.#steps - 1 && this.#match(level + 1, timestampMs, sinceMs)) level++;
      if (level === before) continue;
      this.#count(level, timestampMs, sinceMs);
      if (level === this.#steps - 1) return level;
    }
    return level;
  }

  #note(bits: number, row: number): void {
    for (let left = bits; left !== 0;) {
      const step = 31 - Math.clz32(left);
      left ^= 1 << step;
      this.#newest[step * this.#steps + this.#counts[step]++ % this.#steps] = row;
    }
  }

  /** The row of a step that is `back` rows older than its newest; NONE = not kept or too old. */
  #rowOf(step: number, back: number, timestampMs: Float64Array, sinceMs: number): number {
    const steps = this.#steps;
    const place = this.#counts[step] - 1 - back;
    if (place < 0 || back >= steps) return NONE;
    const row = this.#newest[step * steps + place % steps];
    return timestampMs[row] >= sinceMs ? row : NONE;
  }

  /** Finds different rows for the steps 0 to `step`, into #taken; false = there are none. */
  #match(step: number, timestampMs: Float64Array, sinceMs: number): boolean {
    for (let each = 0; each <= step; each++) {
      if (this.#rowOf(each, 0, timestampMs, sinceMs) === NONE) return false;
    }
    return this.#matchAfter(NONE, step, timestampMs, sinceMs);
  }

  /** The same for the steps after `fixed`; those up to it have the rows in #taken. */
  #matchAfter(fixed: number, step: number, timestampMs: Float64Array, sinceMs: number): boolean {
    this.#taken.fill(NONE, fixed + 1);
    for (let each = fixed + 1; each <= step; each++) {
      this.#tried.clear();
      if (!this.#augment(each, fixed, timestampMs, sinceMs)) return false;
    }
    return true;
  }

  /** Gives a step a row, moving others that are not fixed to other rows of theirs. */
  #augment(step: number, fixed: number, timestampMs: Float64Array, sinceMs: number): boolean {
    for (let back = 0;; back++) {
      const row = this.#rowOf(step, back, timestampMs, sinceMs);
      if (row === NONE) return false;
      if (this.#tried.has(row)) continue;
      this.#tried.add(row);
      const owner = this.#taken.indexOf(row);
      if (owner !== NONE && owner <= fixed) continue;
      if (owner === NONE || this.#augment(owner, fixed, timestampMs, sinceMs)) {
        this.#taken[step] = row;
        return true;
      }
    }
  }

  /** Into `rows`: each step in turn has the newest row that leaves rows for those after it. */
  #count(level: number, timestampMs: Float64Array, sinceMs: number): void {
    const taken = this.#taken;
    taken.fill(NONE);
    for (let step = 0; step <= level; step++) {
      for (let back = 0;; back++) {
        const row = this.#rowOf(step, back, timestampMs, sinceMs);
        if (taken.subarray(0, step).includes(row)) continue;
        taken[step] = row;
        if (this.#matchAfter(step, level, timestampMs, sinceMs)) break;
      }
    }
    this.rows.fill(NONE);
    this.rows.set(taken.subarray(0, level + 1));
  }
}
