/**
 * The different users of the last hour, by the time in which their events were published, kept at
 * three grains at once: by the second for windows of up to a minute, by ten seconds for up to ten
 * minutes, by the minute for up to an hour. So any window is at most 61 sketches to merge, and
 * begins at most one slot of its grain early.
 *
 *     window    1 .. 60 s | 61 .. 600 s | 601 .. 3600 s
 *     slot            1 s |        10 s |          60 s
 *
 * Memory is bounded. Past the bound the oldest sketches go: those of single types first, of the
 * coarsest grain first. What is gone is remembered, and an estimate that lacks it says so.
 */
import { HyperLogLog } from "../sketch/hyperloglog.ts";

/** Slots that a window can touch: all of its own and one more, as it begins within one. */
const SLOTS = 61;
/** Widths of the three grains, seconds. */
const WIDTHS = [1, 10, 60] as const;
/** Memory of a map's entry, bytes, about. */
const ENTRY_BYTES = 48;

/** Users of single types, and of all types of a project together. */
const KINDS = ["type", "all"] as const;
export type UsersKind = (typeof KINDS)[number];

/** How many different users, and what that is worth. */
export interface UsersEstimate {
  readonly count: number;
  /** Counted one by one; else within 0.81 %. */
  readonly exact: boolean;
  /** Users of the seconds from this one on, at or a little before the one asked for. */
  readonly fromSecond: number;
  /** False: some of them had to be forgotten, there were at least so many. */
  readonly whole: boolean;
}

/** The users themselves. */
export interface MergedUsers extends Pick<UsersEstimate, "fromSecond" | "whole"> {
  /** The caller's own. */
  readonly users: HyperLogLog;
}

/** By a series or a project, whatever object stands for it. */
type Sketches = Map<object, HyperLogLog>;

interface Slot {
  /** Its time divided by the width of its grain. */
  readonly number: number;
  readonly type: Sketches;
  readonly all: Sketches;
}

interface Grain {
  readonly width: number;
  /** Each at its number modulo SLOTS. */
  readonly slots: (Slot | null)[];
  /** Number of the slot that runs. */
  head: number;
  /** Slots before this number have nothing of the kind any more. */
  readonly wholeFrom: Record<UsersKind, number>;
}

export class LiveUsers {
  readonly #grains: readonly Grain[] = WIDTHS.map((width) => ({
    width,
    slots: new Array(SLOTS).fill(null),
    head: 0,
    wholeFrom: { type: 0, all: 0 },
  }));
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Memory, bytes, about. */
  get byteSize(): number {
    return this.#bytes;
  }

  /** Time goes on to this second; what no window can reach any more is forgotten. */
  advance(second: number): void {
    for (const grain of this.#grains) {
      const head = Math.floor(second / grain.width);
      if (head <= grain.head) continue;
      grain.head = head;
      for (const slot of grain.slots) {
        if (slot !== null && slot.number <= head - SLOTS) this.#drop(grain, slot);
      }
    }
  }

  /** Adds users whose events were published in a second that time has come to. */
  add(kind: UsersKind, key: object, second: number, users: HyperLogLog): void {
    for (const grain of this.#grains) {
      const number = Math.floor(second / grain.width);
      if (number <= grain.head - SLOTS || number < grain.wholeFrom[kind]) continue;
      let slot = grain.slots[number % SLOTS];
      if (slot === null) {
        slot = { number, type: new Map(), all: new Map() };
        grain.slots[number % SLOTS] = slot;
      }
      const known = slot[kind].get(key);
      if (known === undefined) {
        const copy = users.clone();
        slot[kind].set(key, copy);
        this.#bytes += copy.byteSize + ENTRY_BYTES;
      } else {
        const before = known.byteSize;
        known.merge(users);
        this.#bytes += known.byteSize - before;
      }
    }
    if (this.#bytes > this.#bytesMax) this.#shed();
  }

  /** The different users of all these together in the last `seconds`, and the second that runs. */
  estimate(
    kind: UsersKind,
    keys: readonly object[],
    nowSecond: number,
    seconds: number,
  ): UsersEstimate {
    const merged = this.merged(kind, keys, { from: nowSecond - seconds, to: nowSecond, seconds });
    const { users, fromSecond, whole } = merged;
    return { count: users.estimate(), exact: users.exact, fromSecond, whole };
  }

  /** The same as a sketch, of the seconds from .. to, at the grain of a window of `seconds`. */
  merged(
    kind: UsersKind,
    keys: readonly object[],
    { from: fromSecond, to: toSecond, seconds }: { from: number; to: number; seconds: number },
  ): MergedUsers {
    const grain = this.#grains.find(({ width }) => seconds <= (SLOTS - 1) * width);
    if (grain === undefined) throw new RangeError(`users of ${seconds} s are not kept`);
    const from = Math.max(0, Math.floor(fromSecond / grain.width));
    const to = Math.floor(toSecond / grain.width);
    const merged = new HyperLogLog();
    for (let number = from; number <= to; number++) {
      const slot = grain.slots[number % SLOTS];
      if (slot === null || slot.number !== number) continue;
      for (const key of keys) {
        const users = slot[kind].get(key);
        if (users !== undefined) merged.merge(users);
      }
    }
    return {
      users: merged,
      fromSecond: from * grain.width,
      whole: grain.wholeFrom[kind] <= from && from > grain.head - SLOTS,
    };
  }

  #drop(grain: Grain, slot: Slot): void {
    for (const kind of KINDS) this.#clear(slot, kind);
    grain.slots[slot.number % SLOTS] = null;
  }

  #clear(slot: Slot, kind: UsersKind): void {
    for (const users of slot[kind].values()) this.#bytes -= users.byteSize + ENTRY_BYTES;
    slot[kind].clear();
  }

  /** Forgets the oldest until the rest fits. */
  #shed(): void {
    for (const kind of KINDS) {
      for (const grain of [...this.#grains].reverse()) {
        let number = Math.max(grain.wholeFrom[kind], grain.head - SLOTS + 1);
        for (; number <= grain.head && this.#bytes > this.#bytesMax; number++) {
          const slot = grain.slots[number % SLOTS];
          if (slot !== null) this.#clear(slot, kind);
          grain.wholeFrom[kind] = number + 1;
        }
      }
    }
  }
}
