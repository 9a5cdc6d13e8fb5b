/**
 * Sixteen neighbouring cells of one series in memory.
 *
 * A question adds up thousands of cells, mostly their numbers alone: an hourly series of a month
 * 720 of them, a summary those of every type. So the numbers of a chunk lie side by side in one
 * array, and sketches apart from them, where they are loaded. As one object per cell with its
 * sketches, the same walk took ten times as long and the cells four times the memory.
 *
 *     numbers   | events x 16 | first time x 16 | last time x 16 | amounts x 16 | their sum x 16 |
 *     state     | one byte a cell: the bits below                                               |
 */
import type { Cell } from "../rollup/cell.ts";
import { WANT_ALL, WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { StoredCell } from "../store/event_store.ts";

/** Cells of a chunk; a power of two. */
export const CHUNK_CELLS = 16;

// Where each number of a chunk's first cell stands; that of cell i stands i further.
export const EVENTS = 0;
export const MIN_TIMESTAMP = CHUNK_CELLS;
export const MAX_TIMESTAMP = 2 * CHUNK_CELLS;
export const AMOUNT_COUNT = 3 * CHUNK_CELLS;
export const AMOUNT_SUM = 4 * CHUNK_CELLS;
const NUMBERS = 5 * CHUNK_CELLS;

// State of a cell. The bits WANT_USERS, WANT_SESSIONS and WANT_AMOUNTS say which sketches it has.
/** There is a cell, and its numbers are here. */
export const PRESENT = 8;
/** It has changed since the last flush. */
export const DIRTY = 16;
/** Counted from rows, not stored. */
export const DERIVED = 32;

/** Memory of a chunk without numbers, of its numbers, and of the sketches of one cell, bytes. */
const CHUNK_BYTES = 320;
const NUMBERS_BYTES = 8 * NUMBERS + 120;
const SKETCHES_BYTES = 48;

const NO_NUMBERS = new Float64Array(0);

/** The sketches of one cell, as far as they are loaded. */
export class CellSketches {
  users = new HyperLogLog();
  sessions = new HyperLogLog();
  amounts: DDSketch | null = null;

  /** The change's own sketches, which it gives away. */
  take({ users, sessions, amounts }: Cell): void {
    this.users = users;
    this.sessions = sessions;
    this.amounts = amounts;
  }

  merge({ users, sessions, amounts }: Cell): void {
    this.users.merge(users);
    this.sessions.merge(sessions);
    if (amounts !== null) (this.amounts ??= new DDSketch()).merge(amounts);
  }

  get byteSize(): number {
    return SKETCHES_BYTES + this.users.byteSize + this.sessions.byteSize +
      (this.amounts === null ? 0 : this.amounts.byteSize);
  }
}

/** Sixteen neighbouring cells of one series. */
export class CellChunk {
  /** By cell: the bits above. */
  readonly state = new Uint8Array(CHUNK_CELLS);
  /** Bit i: memory knows cell i, or that there is none. */
  known = 0;
  /** 0 for cells that are not present; empty until one is. */
  numbers: Float64Array = NO_NUMBERS;
  /** By cell; null until one has sketches. */
  sketches: (CellSketches | undefined)[] | null = null;
  /** Looked at since the last sweep: numbers and sketches. */
  used = true;
  sketchesUsed = true;
  /** Cells with the bit of that name. */
  dirty = 0;
  derived = 0;
  /** Memory of all sketches, bytes. */
  sketchBytes = 0;
  /** What the owner's budget has been charged, bytes. */
  chargedBytes = 0;

  constructor(readonly series: number, readonly firstBucket: number) {}

  /** Whether a cell is, or was, present. */
  get hasNumbers(): boolean {
    return this.numbers !== NO_NUMBERS;
  }

  get byteSize(): number {
    return CHUNK_BYTES + this.sketchBytes + (this.hasNumbers ? NUMBERS_BYTES : 0);
  }

  /**
   * Merges `change` into cell `i`, all of which is in memory; makes it if there is none. With `own`
   * the change is given away: a new cell has its sketches from it.
   */
  merge(i: number, change: Cell, own: boolean): void {
    if (!this.hasNumbers) this.numbers = new Float64Array(NUMBERS);
    const { numbers } = this;
    const isNew = (this.state[i] & PRESENT) === 0;
    const sketches = this.#sketchesOf(i);
    const before = sketches.byteSize;
    numbers[EVENTS + i] += change.events;
    numbers[AMOUNT_COUNT + i] += change.amountCount;
    numbers[AMOUNT_SUM + i] += change.amountSum;
    if (isNew) {
      numbers[MIN_TIMESTAMP + i] = change.minTimestampMs;
      numbers[MAX_TIMESTAMP + i] = change.maxTimestampMs;
    } else {
      numbers[MIN_TIMESTAMP + i] = Math.min(numbers[MIN_TIMESTAMP + i], change.minTimestampMs);
      numbers[MAX_TIMESTAMP + i] = Math.max(numbers[MAX_TIMESTAMP + i], change.maxTimestampMs);
    }
    if (isNew && own) sketches.take(change);
    else sketches.merge(change);
    this.sketchBytes += sketches.byteSize - before;
    this.state[i] |= PRESENT | WANT_ALL;
    this.known |= 1 << i;
    this.used = this.sketchesUsed = true;
  }

  /** Takes what the store has of cell `i`, with the sketches that were asked for. */
  takeStored(i: number, stored: StoredCell, want: number): void {
    if (!this.hasNumbers) this.numbers = new Float64Array(NUMBERS);
    const { numbers } = this;
    numbers[EVENTS + i] = stored.events;
    numbers[MIN_TIMESTAMP + i] = stored.minTimestampMs;
    numbers[MAX_TIMESTAMP + i] = stored.maxTimestampMs;
    numbers[AMOUNT_COUNT + i] = stored.amountCount;
    numbers[AMOUNT_SUM + i] = stored.amountSum;
    this.state[i] |= PRESENT | want;
    this.known |= 1 << i;
    this.used = true;
    if (want === 0) return;
    const sketches = this.#sketchesOf(i);
    const before = sketches.byteSize;
    if (want & WANT_USERS && stored.users) sketches.users = HyperLogLog.decode(stored.users);
    if (want & WANT_SESSIONS && stored.sessions) {
      sketches.sessions = HyperLogLog.decode(stored.sessions);
    }
    if (want & WANT_AMOUNTS && stored.amounts) sketches.amounts = DDSketch.decode(stored.amounts);
    this.sketchBytes += sketches.byteSize - before;
    this.sketchesUsed = true;
  }

  /** Forgets all sketches; no cell may be dirty or derived. */
  dropSketches(): void {
    if (this.sketches === null) return;
    this.sketches = null;
    this.sketchBytes = 0;
    for (let i = 0; i < CHUNK_CELLS; i++) this.state[i] &= ~WANT_ALL;
  }

  /** Forgets cell `i`. */
  forget(i: number): void {
    this.state[i] = 0;
    this.known &= ~(1 << i);
    for (const column of [EVENTS, AMOUNT_COUNT, AMOUNT_SUM]) this.numbers[column + i] = 0;
    const sketches = this.sketches?.[i];
    if (sketches === undefined) return;
    this.sketchBytes -= sketches.byteSize;
    this.sketches![i] = undefined;
  }

  #sketchesOf(i: number): CellSketches {
    const all = this.sketches ??= new Array(CHUNK_CELLS).fill(undefined);
    let sketches = all[i];
    if (sketches === undefined) {
      all[i] = sketches = new CellSketches();
      this.sketchBytes += sketches.byteSize;
    }
    return sketches;
  }
}

/** The index of the chunk that a bucket is in. */
export function chunkOf(bucket: number): number {
  return Math.floor(bucket / CHUNK_CELLS);
}
