/**
 * The events of one series by the second in which they were published: a ring of plain numbers, one
 * hour long.
 */
import { LIVE_WINDOW_SECONDS_MAX } from "../config/limits.ts";

/** The longest window, and the second that runs. */
const SLOTS = LIVE_WINDOW_SECONDS_MAX + 1;

export class LiveSeries {
  /** Events of the seconds newest - SLOTS + 1 .. newest, each at its number modulo SLOTS. */
  readonly #slots = new Uint32Array(SLOTS);
  #newest = 0;

  /** The newest second with events; 0 = none. */
  get newest(): number {
    return this.#newest;
  }

  /** Counts events of a second since the epoch; one that is too old for the ring is passed over. */
  add(second: number, events: number): void {
    if (second > this.#newest) {
      if (second - this.#newest >= SLOTS) this.#slots.fill(0);
      else for (let each = this.#newest + 1; each <= second; each++) this.#slots[each % SLOTS] = 0;
      this.#newest = second;
    }
    if (second > this.#newest - SLOTS) this.#slots[second % SLOTS] += events;
  }

  /** Events of the seconds from .. to, both included. */
  sum(from: number, to: number): number {
    let events = 0;
    const last = Math.min(to, this.#newest);
    for (let each = Math.max(0, from, this.#newest - SLOTS + 1); each <= last; each++) {
      events += this.#slots[each % SLOTS];
    }
    return events;
  }
}
