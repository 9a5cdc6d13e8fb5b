/**
 * The values of a property by the second, kept at the same three grains as users are
 * (live_users.ts), so that any window up to an hour is at most 61 sketches to merge.
 */
import { LIVE_TOP_COUNTERS } from "../config/limits.ts";
import { TopValues } from "../sketch/top_values.ts";
import type { PulseTop } from "./pulse_frames.ts";

const SLOTS = 61;
/** Widths of the three grains, seconds. */
const WIDTHS = [1, 10, 60] as const;

interface Slot extends PulseTop {
  /** Its time divided by the width of its grain. */
  readonly number: number;
}

/** The values of a window. */
export interface WindowTop extends PulseTop {
  /** Values of the seconds from this one on, at or a little before the one asked for. */
  readonly fromSecond: number;
}

export class LiveTops {
  readonly #grains = WIDTHS.map((width) => ({
    width,
    slots: new Array<Slot | null>(SLOTS).fill(null),
  }));

  add(second: number, top: PulseTop): void {
    for (const { width, slots } of this.#grains) {
      const number = Math.floor(second / width);
      let slot = slots[number % SLOTS];
      if (slot !== null && slot.number > number) continue;
      if (slot === null || slot.number < number) {
        slot = { number, ...newTop() };
        slots[number % SLOTS] = slot;
      }
      addTo(slot, top);
    }
  }

  /** Of the seconds from .. to, both included; not more than an hour. */
  window(from: number, to: number): WindowTop {
    const seconds = to - from + 1;
    const grain = this.#grains.find(({ width }) => seconds <= (SLOTS - 1) * width);
    if (grain === undefined) throw new RangeError(`values of ${seconds} s are not kept`);
    const { width, slots } = grain;
    const merged = { fromSecond: Math.floor(from / width) * width, ...newTop() };
    for (let number = Math.floor(from / width); number <= Math.floor(to / width); number++) {
      const slot = slots[number % SLOTS];
      if (slot?.number === number) addTo(merged, slot);
    }
    return merged;
  }
}

function newTop(): PulseTop {
  return { values: new TopValues(LIVE_TOP_COUNTERS), without: 0, cut: 0 };
}

function addTo(sum: PulseTop, top: PulseTop): void {
  sum.values.merge(top.values);
  sum.without += top.without;
  sum.cut += top.cut;
}
