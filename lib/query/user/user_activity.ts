/**
 * What a user did, as far as days and money go: the minutes with an event, transactions and revenue.
 *
 * Minutes are kept as bits, a day of UTC in 45 words, since every day in every time zone is made of
 * whole minutes (lib/query/time_zone.ts). So days can be told in any zone without the events. Of a
 * part of a session its first and its last minute are enough: no day is shorter than the hour that
 * it lies in, so it meets no other days than those two do.
 */

import { bucketStarts } from "../time_zone.ts";
import type { SessionPartChunk } from "./session_part.ts";

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const DAY_WORDS = DAY_MINUTES / 32;
/** Bytes of one day: the bits, and about as much for the objects around them. */
const DAY_BYTES = 2 * 4 * DAY_WORDS;

export class UserActivity {
  events = 0;
  transactions = 0;
  /** Amounts of purchases and subscriptions minus those of refunds. */
  revenue = 0;
  /** By day of UTC since the epoch. */
  readonly #days = new Map<number, Uint32Array>();
  #firstMinute = Infinity;
  #lastMinute = -Infinity;

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return this.#days.size * DAY_BYTES;
  }

  /** Counts all parts of a chunk. */
  addParts(parts: SessionPartChunk): void {
    const { count, firstMs, lastMs, events, transactions, revenue } = parts;
    for (let part = 0; part < count; part++) {
      const first = Math.floor(firstMs[part] / MINUTE_MS);
      const last = Math.floor(lastMs[part] / MINUTE_MS);
      this.events += events[part];
      this.transactions += transactions[part];
      this.revenue += revenue[part];
      this.#mark(first);
      if (last !== first) this.#mark(last);
    }
  }

  /** Starts of the days in the time zone that have an event, ascending, ms since the epoch. */
  activeDays(timeZone: string): number[] {
    if (this.events === 0) return [];
    const fromMs = this.#firstMinute * MINUTE_MS, toMs = (this.#lastMinute + 1) * MINUTE_MS;
    const starts = bucketStarts(timeZone, "day", fromMs, toMs, Infinity);
    return starts.slice(0, -1).filter((start, day) => {
      return this.#hasAny(start / MINUTE_MS, starts[day + 1] / MINUTE_MS);
    });
  }

  #mark(minute: number): void {
    const day = Math.floor(minute / DAY_MINUTES), at = minute - day * DAY_MINUTES;
    let bits = this.#days.get(day);
    if (bits === undefined) this.#days.set(day, bits = new Uint32Array(DAY_WORDS));
    bits[at >> 5] |= 1 << (at & 31);
    if (minute < this.#firstMinute) this.#firstMinute = minute;
    if (minute > this.#lastMinute) this.#lastMinute = minute;
  }

  /** Whether any minute of [from, to) has an event. */
  #hasAny(from: number, to: number): boolean {
    for (let minute = from; minute < to;) {
      const day = Math.floor(minute / DAY_MINUTES), first = day * DAY_MINUTES;
      const bits = this.#days.get(day);
      const end = Math.min(to, first + DAY_MINUTES);
      if (bits !== undefined && hasBit(bits, minute - first, end - first)) return true;
      minute = end;
    }
    return false;
  }
}

/** Whether any of the bits [from, to) is set. */
function hasBit(bits: Uint32Array, from: number, to: number): boolean {
  for (let at = from; at < to;) {
    const word = bits[at >> 5] >>> (at & 31);
    const end = (at | 31) + 1;
    const wanted = end <= to ? word : word & (2 ** (to - at) - 1);
    if (wanted !== 0) return true;
    at = end;
  }
  return false;
}
