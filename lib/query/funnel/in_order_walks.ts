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
 * Two Float64Arrays have the numbers of all users. `heads` has what every row asks for, so that most
 * rows touch 32 bytes of it and nothing else; `memory` has the rest:
 *
 *     head     | last row's ms | rows so far | row and ms of the attempt kept for step 0 |
 *     user     | last exclusion's row | place of the attempt kept for step 1, 2, ...     |
 *              | (0 = none yet)       | attempt that counts                              |
 *     attempt  | first row | last row | mark | ms of step 0, 1, ... (NaN = left out)
 *
 * Attempts kept for later steps come behind as users get there. Rows of a user count from 1.
 */

import type { WalkedPlan } from "./funnel_walk.ts";
import { bitRange } from "./step_bits.ts";

/** Numbers of a head, and what they are after the last row's time. */
const HEAD = 4;
const ROWS = 1;
const BEGUN = 2;
const BEGUN_MS = 3;
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
  #heads = new Float64Array(HEAD * USERS_FIRST);
  /** Of each user's attempt the level + 1. */
  #reached = new Uint8Array(USERS_FIRST);
  /** Where each user is in `memory`. */
  #users = new Int32Array(USERS_FIRST);
  /** Marks of the attempts kept for step 0; stays empty where nobody gives any. */
  #marks = new Float64Array(0);
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
    this.#countedAt = steps.length;
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
    const steps = this.#steps;
    let heads = this.#heads, reached = this.#reached;
    for (let row = from; row < to; row++) {
      const user = users === null ? 0 : users[row - from];
      if (user === this.#count) {
        this.#add();
        [heads, reached] = [this.#heads, this.#reached];
      }
      const head = HEAD * user;
      const now = timestampMs[row];
      if (now < heads[head]) {
        // No row comes after this: the user stays late.
        heads[head] = Infinity;
        continue;
      }
      heads[head] = now;
      if (reached[user] === steps) continue;
      const bits = match[row], number = ++heads[head + ROWS];
      if (bits !== 1 || reached[user] === 0) {
        this.#step(user, bits, marks === null ? 0 : marks[row]);
        continue;
      }
      heads[head + BEGUN] = number;
      heads[head + BEGUN_MS] = now;
      if (marks !== null) this.#noteMark(user, marks[row]);
    }
  }

  /** Walks on with the newest row of a user who has not got to the end. */
  #step(user: number, bits: number, mark: number): void {
    const head = HEAD * user;
    const at = this.#users[user];
    if ((bits & this.#exclusionMask) !== 0) {
      this.#memory[at] = this.#heads[head + ROWS];
      return;
    }
    // From the last step down: an event serves one step, so none may go on from itself.
    let left = bits & this.#stepMask;
    while (left > 1) {
      const step = 31 - Math.clz32(left);
      left ^= 1 << step;
      // Where nothing has got that far, nothing of the user has to be looked at.
      if (this.#follows[step] < this.#reached[user]) this.#goOn(user, at, step);
    }
    if (left === 0) return;
    this.#heads[head + BEGUN] = this.#heads[head + ROWS];
    this.#heads[head + BEGUN_MS] = this.#heads[head];
    if (mark !== 0 || this.#marks.length > 0) this.#noteMark(user, mark);
    if (this.#reached[user] > 0) return;
    const counted = at + this.#countedAt;
    this.#beginIn(counted, user);
    this.#reached[user] = 1;
  }

  /** Whether a row of the user came that is earlier than one before it: then nothing else holds. */
  isLate(user: number): boolean {
    return this.#heads[HEAD * user] === Infinity;
  }

  /** The user's level, counted from 0; -1 = not even the first step. */
  level(user: number): number {
    return this.#reached[user] - 1;
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

  /** Goes on with the user's newest row as `step`, if there is an attempt to go on from. */
  #goOn(user: number, at: number, step: number): void {
    const before = this.#bestBefore(user, at, step);
    if (before < 0) return;
    let place = this.#memory[at + step];
    if (place === 0) {
      place = this.#take(TIMES + step + 1);
      this.#memory[at + step] = place;
    }
    const memory = this.#memory;
    const kept = TIMES + before + 1;
    if (before === 0) this.#beginIn(place, user);
    else {
      const from = memory[at + before];
      for (let i = 0; i < kept; i++) memory[place + i] = memory[from + i];
    }
    for (let i = kept; i < TIMES + step; i++) memory[place + i] = NaN;
    memory[place + TIMES + step] = this.#heads[HEAD * user];
    memory[place + END] = this.#heads[HEAD * user + ROWS];
    if (step < this.#reached[user]) return;
    // It is the one that counts.
    const counted = at + this.#countedAt;
    for (let i = 0; i <= TIMES + step; i++) memory[counted + i] = memory[place + i];
    this.#reached[user] = step + 1;
  }

  /** Writes the attempt kept for step 0 to a place in the memory. */
  #beginIn(place: number, user: number): void {
    const memory = this.#memory, head = HEAD * user;
    memory[place] = memory[place + END] = this.#heads[head + BEGUN];
    memory[place + MARK] = this.#marks.length === 0 ? 0 : this.#marks[user];
    memory[place + TIMES] = this.#heads[head + BEGUN_MS];
  }

  /** The step whose attempt goes on with the user's newest row as `step`; -1 = there is none. */
  #bestBefore(user: number, at: number, step: number): number {
    const memory = this.#memory, heads = this.#heads, head = HEAD * user;
    const now = heads[head];
    const row = heads[head + ROWS];
    const excluded = memory[at];
    let best = -1;
    let bestBegin = 0;
    let bestEnd = 0;
    for (let before = step - 1; before >= this.#follows[step]; before--) {
      const place = before === 0 ? 0 : memory[at + before];
      if (before > 0 && place === 0) continue;
      const begin = before === 0 ? heads[head + BEGUN] : memory[place];
      const end = before === 0 ? begin : memory[place + END];
      if (begin <= excluded || (this.#strict && end < row - 1)) continue;
      const begunMs = before === 0 ? heads[head + BEGUN_MS] : memory[place + TIMES];
      if (now - begunMs > this.#windowMs) continue;
      const endMs = before === 0 ? begunMs : memory[place + TIMES + before];
      if (now - endMs > this.#timeoutMs) continue;
      if (begin < bestBegin || (begin === bestBegin && end <= bestEnd)) continue;
      best = before;
      bestBegin = begin;
      bestEnd = end;
    }
    return best;
  }

  #add(): void {
    const at = this.#take(this.#userNumbers);
    this.#memory.fill(0, at, at + this.#userNumbers);
    const user = this.#count++, head = HEAD * user;
    if (user === this.#users.length) this.#growUsers();
    this.#users[user] = at;
    this.#heads[head] = -Infinity;
    this.#heads[head + ROWS] = this.#heads[head + BEGUN] = 0;
    this.#reached[user] = 0;
  }

  #growUsers(): void {
    const [users, heads, reached, marks] = [this.#users, this.#heads, this.#reached, this.#marks];
    this.#users = new Int32Array(2 * users.length);
    this.#users.set(users);
    this.#heads = new Float64Array(2 * heads.length);
    this.#heads.set(heads);
    this.#reached = new Uint8Array(2 * reached.length);
    this.#reached.set(reached);
    this.#marks = new Float64Array(2 * marks.length);
    this.#marks.set(marks);
  }

  #noteMark(user: number, mark: number): void {
    if (this.#marks.length === 0) this.#marks = new Float64Array(this.#users.length);
    this.#marks[user] = mark;
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
