/**
 * The walks of funnels whose steps come in order; funnel_walk.ts has the definition. Many users are
 * walked at a time, each row as it comes: only each user's own rows have to be in order.
 *
 * For each step a walk keeps one attempt that ends there, the newest, and each event that matches
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
 *
 * All numbers of all users lie in one Float64Array, `memory`:
 *
 *     user     | last row's ms | rows so far | last exclusion's row | level + 1 |
 *              | place of the attempt kept for step 0, 1, ... (0 = none yet)     |
 *              | attempt kept for step 0 | attempt that counts                   |
 *     attempt  | first row | last row | mark | ms of step 0, 1, ... (NaN = left out)
 *
 * Attempts kept for later steps come behind as users get there. Rows of a user count from 1.
 */

import type { WalkedPlan } from "./funnel_walk.ts";
import { bitRange } from "./step_bits.ts";

/** Numbers at the beginning of a user, and where the places of attempts begin. */
const ROWS = 1;
const EXCLUDED = 2;
const REACHED = 3;
const PLACES = 4;
/** Numbers of an attempt, and where its times begin. */
const END = 1;
const MARK = 2;
const TIMES = 3;

const NUMBERS_FIRST = 16_384;
const USERS_FIRST = 1_024;

/** The users do not fit into the memory that there is for them. */
export class WalksFull extends Error {}

/** Rows to walk, column by column. */
export interface WalkedRows {
  readonly timestampMs: Float64Array;
  /** Bit i is set where the row matches step i; the bits after the steps' are exclusions. */
  readonly match: Int32Array;
  /** What is to be known of the row that the attempt that counts begins with; null = nothing. */
  readonly marks: Int32Array | Float64Array | null;
}

export class InOrderWalks {
  readonly #steps: number;
  readonly #windowMs: number;
  readonly #timeoutMs: number;
  readonly #strict: boolean;
  readonly #stepMask: number;
  readonly #exclusionMask: number;
  /** By step: the first step that it may follow, the required one before it. */
  readonly #follows: Int32Array;
  /** Numbers of a user, and where among them the attempt that counts is. */
  readonly #userNumbers: number;
  readonly #countedAt: number;
  readonly #numbersMax: number;
  #memory: Float64Array;
  /** Numbers in use. */
  #used = 0;
  /** Where each user is in `memory`. */
  #users = new Int32Array(USERS_FIRST);
  #count = 0;

  /** @param bytesMax memory that it may take; users beyond it are refused with WalksFull */
  constructor(
    { steps, exclusions, order, windowMs, stepTimeoutMs }: WalkedPlan,
    bytesMax = Infinity,
  ) {
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
    this.#countedAt = PLACES + steps.length + TIMES + 1;
    this.#userNumbers = this.#countedAt + TIMES + steps.length;
    this.#numbersMax = Math.max(this.#userNumbers, bytesMax / Float64Array.BYTES_PER_ELEMENT);
    this.#memory = new Float64Array(Math.min(NUMBERS_FIRST, this.#numbersMax));
  }

  /** How many users there are: their numbers are those below. */
  get count(): number {
    return this.#count;
  }

  /** Forgets all users. */
  clear(): void {
    this.#used = this.#count = 0;
  }

  /**
   * Walks on with the rows [from, to), each user's in their order.
   *
   * @param users of these rows; the first number that is not in use yet begins a new user. null = all
   *   are those of user 0
   */
  walk(
    { timestampMs, match, marks }: WalkedRows,
    from: number,
    to: number,
    users: Int32Array | null,
  ): void {
    for (let row = from; row < to; row++) {
      const user = users === null ? 0 : users[row - from];
      if (user === this.#count) this.#add();
      const memory = this.#memory;
      const at = this.#users[user];
      const now = timestampMs[row];
      if (now < memory[at]) {
        // No row comes after this: the user stays late.
        memory[at] = Infinity;
        continue;
      }
      memory[at] = now;
      memory[at + ROWS]++;
      if (memory[at + REACHED] === this.#steps) continue;
      const bits = match[row];
      if ((bits & this.#exclusionMask) !== 0) {
        memory[at + EXCLUDED] = memory[at + ROWS];
        continue;
      }
      // From the last step down: an event serves one step, so none may go on from itself.
      let left = bits & this.#stepMask;
      while (left > 1) {
        const step = 31 - Math.clz32(left);
        left ^= 1 << step;
        this.#goOn(at, step);
      }
      if (left === 1) this.#begin(at, marks === null ? 0 : marks[row]);
    }
  }

  /** Whether a row of the user came that is earlier than one before it: then nothing else holds. */
  isLate(user: number): boolean {
    return this.#memory[this.#users[user]] === Infinity;
  }

  /** The user's level, counted from 0; -1 = not even the first step. */
  level(user: number): number {
    return this.#memory[this.#users[user] + REACHED] - 1;
  }

  /** The mark of the row that the user's attempt begins with. */
  mark(user: number): number {
    return this.#memory[this.#users[user] + this.#countedAt + MARK];
  }

  /** Into `times`, by step: ms of its event in the user's attempt, NaN = the step is not in it. */
  readTimes(user: number, times: Float64Array): void {
    const at = this.#users[user] + this.#countedAt + TIMES;
    const level = this.level(user);
    for (let step = 0; step < this.#steps; step++) {
      times[step] = step <= level ? this.#memory[at + step] : NaN;
    }
  }

  /** Begins an attempt with the user's newest row. */
  #begin(at: number, mark: number): void {
    const memory = this.#memory;
    const place = memory[at + PLACES];
    memory[place] = memory[place + END] = memory[at + ROWS];
    memory[place + MARK] = mark;
    memory[place + TIMES] = memory[at];
    if (memory[at + REACHED] === 0) this.#countAttempt(at, 0);
  }

  /** Goes on with the user's newest row as `step`, if there is an attempt to go on from. */
  #goOn(at: number, step: number): void {
    const before = this.#bestBefore(at, step);
    if (before < 0) return;
    let place = this.#memory[at + PLACES + step];
    if (place === 0) {
      place = this.#take(TIMES + step + 1);
      this.#memory[at + PLACES + step] = place;
    }
    const memory = this.#memory;
    const from = memory[at + PLACES + before];
    const kept = TIMES + before + 1;
    for (let i = 0; i < kept; i++) memory[place + i] = memory[from + i];
    for (let i = kept; i < TIMES + step; i++) memory[place + i] = NaN;
    memory[place + TIMES + step] = memory[at];
    memory[place + END] = memory[at + ROWS];
    if (step >= memory[at + REACHED]) this.#countAttempt(at, step);
  }

  /** The step whose attempt goes on with the user's newest row as `step`; -1 = there is none. */
  #bestBefore(at: number, step: number): number {
    const memory = this.#memory;
    const now = memory[at];
    const row = memory[at + ROWS];
    const excluded = memory[at + EXCLUDED];
    let best = -1;
    let bestBegin = 0;
    let bestEnd = 0;
    for (let before = step - 1; before >= this.#follows[step]; before--) {
      const place = memory[at + PLACES + before];
      if (place === 0) continue;
      const begin = memory[place];
      const end = memory[place + END];
      if (begin <= excluded || (this.#strict && end < row - 1)) continue;
      if (now - memory[place + TIMES] > this.#windowMs) continue;
      if (now - memory[place + TIMES + before] > this.#timeoutMs) continue;
      if (begin < bestBegin || (begin === bestBegin && end <= bestEnd)) continue;
      best = before;
      bestBegin = begin;
      bestEnd = end;
    }
    return best;
  }

  /** The attempt kept for this step is the one that counts. */
  #countAttempt(at: number, step: number): void {
    const memory = this.#memory;
    const place = memory[at + PLACES + step];
    const counted = at + this.#countedAt;
    for (let i = 0; i <= TIMES + step; i++) memory[counted + i] = memory[place + i];
    memory[at + REACHED] = step + 1;
  }

  #add(): void {
    const at = this.#take(this.#userNumbers);
    this.#memory.fill(0, at, at + this.#userNumbers);
    this.#memory[at] = -Infinity;
    this.#memory[at + PLACES] = at + PLACES + this.#steps;
    if (this.#count === this.#users.length) {
      const users = new Int32Array(2 * this.#count);
      users.set(this.#users);
      this.#users = users;
    }
    this.#users[this.#count++] = at;
  }

  /** Takes so many numbers of the memory. */
  #take(numbers: number): number {
    const at = this.#used;
    if (at + numbers > this.#memory.length) {
      const most = Math.min(2 * this.#memory.length, Math.floor(this.#numbersMax));
      if (at + numbers > most) throw new WalksFull();
      const memory = new Float64Array(most);
      memory.set(this.#memory);
      this.#memory = memory;
    }
    this.#used += numbers;
    return at;
  }
}
