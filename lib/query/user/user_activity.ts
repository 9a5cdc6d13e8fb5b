/**
 * What a user did, as far as days and money go: the minutes with an event, transactions and revenue.
 *
 * Minutes are kept as bits, a day of UTC in 45 words, since every day in every time zone is made of
 * whole minutes (lib/query/time_zone.ts). So days can be told in any zone without the events.
 *
 * A transaction is an event of the category EVENT_TYPE_TRANSACTION, or of a type that such events
 * have in `analytics.v1`, because the plain form of an event names no category.
 */

import { bucketStarts } from "../time_zone.ts";
import type { UserRowChunk } from "./user_row.ts";

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const DAY_WORDS = DAY_MINUTES / 32;
const CATEGORY_TRANSACTION = 2;
/** Bytes of one day: the bits, and about as much for the objects around them. */
const DAY_BYTES = 2 * 4 * DAY_WORDS;

/** What an amount of a transaction of this type counts for in the revenue. */
const REVENUE_SIGNS: ReadonlyMap<string, number> = new Map([
  ["purchase", 1],
  ["subscription", 1],
  ["refund", -1],
  ["transfer", 0],
]);

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

  /** Counts one event. */
  add(timestampMs: number, category: number, type: string, amount: number): void {
    this.events++;
    this.#mark(Math.floor(timestampMs / MINUTE_MS));
    const sign = REVENUE_SIGNS.get(type);
    if (sign === undefined && category !== CATEGORY_TRANSACTION) return;
    this.transactions++;
    if (sign !== undefined && !Number.isNaN(amount)) this.revenue += sign * amount;
  }

  /** Counts all events of a chunk. */
  addRows(rows: UserRowChunk): void {
    const { count, series, category, timestampMs, amount, types } = rows;
    for (let row = 0; row < count; row++) {
      this.add(timestampMs[row], category[row], types.get(series[row])!, amount[row]);
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
