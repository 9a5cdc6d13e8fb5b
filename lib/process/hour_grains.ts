/**
 * Which hours are rolled up by the minute, and which as whole hours only.
 *
 * Events that arrive about when they happen come in dense minutes, and cells of a minute pay. Old
 * events (an import, a backfill) are spread over many minutes, and cells of a minute would hold an
 * event or two each: 30 days of a modest site are 860,000 of them per partition. So an hour whose
 * first event is older than RECENT_MS when it arrives has cells of the hour and the day alone; the
 * rare question that cuts such an hour counts its minutes from rows. The choice is made once per
 * hour, from the log alone, and shows in what is stored: an hour with cells but without minutes.
 */

import { HOUR_MS } from "../rollup/rollup_delta.ts";

/** An event older than this on arrival makes a new hour a whole one, ms. */
const RECENT_MS = 2 * HOUR_MS;

export class HourGrains {
  readonly #whole = new Map<number, boolean>();
  #lastHour = -1;
  #lastWhole = false;

  /** Whether the event's hour has no minutes; decides it for an hour not seen before. */
  isWholeFor(timestampMs: number, receivedAtMs: number): boolean {
    const hour = Math.floor(timestampMs / HOUR_MS);
    if (hour === this.#lastHour) return this.#lastWhole;
    let whole = this.#whole.get(hour);
    if (whole === undefined) {
      whole = timestampMs < receivedAtMs - RECENT_MS;
      this.#whole.set(hour, whole);
    }
    this.#lastHour = hour;
    this.#lastWhole = whole;
    return whole;
  }

  /** Whether an hour, counted since the epoch, is known and has no minutes. */
  isWhole(hour: number): boolean {
    return this.#whole.get(hour) === true;
  }

  /** Puts back what the store or a delta shows of an hour. */
  restore(hour: number, whole: boolean): void {
    this.#whole.set(hour, whole);
  }
}
