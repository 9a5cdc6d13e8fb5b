/**
 * One rollup cell: what is known of the events of one series (project and type) in one bucket of
 * time. It is the mergeable partial that everything else is built of: minutes merge into hours and
 * days, partitions into shards, shards into answers.
 */
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { WANT_ALL, WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "./want.ts";

/** Fixed part of a cell's memory: the object, its fields and two empty sketches, in bytes. */
const CELL_BASE_BYTES = 240;

export class Cell {
  events = 0;
  minTimestampMs = Infinity;
  maxTimestampMs = -Infinity;
  /** How many events had an amount, and their sum. */
  amountCount = 0;
  amountSum = 0;
  users = new HyperLogLog();
  sessions = new HyperLogLog();
  amounts: DDSketch | null = null;

  /** Counts one event. Hashes are 64 bits as two words; amount NaN = none. */
  add(
    timestampMs: number,
    userLo: number,
    userHi: number,
    sessionLo: number,
    sessionHi: number,
    amount: number,
  ): void {
    this.events++;
    if (timestampMs < this.minTimestampMs) this.minTimestampMs = timestampMs;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
    this.users.add(userLo, userHi);
    this.sessions.add(sessionLo, sessionHi);
    if (amount === amount) {
      this.amountCount++;
      this.amountSum += amount;
      (this.amounts ??= new DDSketch()).add(amount);
    }
  }

  /** Takes in `other`, which stays as it is: its counts, and the sketches that are wanted. */
  merge(other: Cell, want: number = WANT_ALL): void {
    this.events += other.events;
    if (other.minTimestampMs < this.minTimestampMs) this.minTimestampMs = other.minTimestampMs;
    if (other.maxTimestampMs > this.maxTimestampMs) this.maxTimestampMs = other.maxTimestampMs;
    if (want & WANT_USERS) this.users.merge(other.users);
    if (want & WANT_SESSIONS) this.sessions.merge(other.sessions);
    if (other.amountCount === 0) return;
    this.amountCount += other.amountCount;
    this.amountSum += other.amountSum;
    if (want & WANT_AMOUNTS && other.amounts) {
      (this.amounts ??= new DDSketch()).merge(other.amounts);
    }
  }

  /** Memory held, in bytes, near enough for a budget. */
  get byteSize(): number {
    return CELL_BASE_BYTES + this.users.byteSize + this.sessions.byteSize +
      (this.amounts ? this.amounts.byteSize : 0);
  }
}
