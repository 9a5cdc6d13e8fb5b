/**
 * The rollup change of one batch of rows: cells by (series, minute) that hold only that batch, or
 * by (series, hour) for hours that have no minutes of their own (lib/process/hour_grains.ts).
 * The hot path adds events here; the commit stores the encoded form in the rows' transaction, and
 * the cells of all levels then take it in. Since a delta is itself mergeable, the same bytes can
 * feed a restart, a live stream or another process.
 *
 * Encoded (little endian):
 *
 *     u32 version = 1 | u32 cells | then per cell:
 *     u32 series | u32 bucket, high bit set: an hour, else a minute | f64 events | f64 min ts | f64 max ts
 *     f64 amount count | f64 amount sum
 *     u32 users bytes | u32 sessions bytes | u32 amounts bytes | users | sessions | amounts
 */
import { Cell } from "./cell.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";

/** Bound of series ids: the key of a cell is bucket * SERIES_SPAN + series, below 2^53. */
export const SERIES_SPAN = 1 << 20;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

const VERSION = 1;
const HEADER_BYTES = 8;
const CELL_HEADER_BYTES = 60;
const HOUR_BIT = 0x8000_0000;

export class RollupDelta {
  /** minute * SERIES_SPAN + series -> cell. */
  readonly minutes = new Map<number, Cell>();
  /** hour * SERIES_SPAN + series -> cell. */
  readonly hours = new Map<number, Cell>();
  // Events of one type come in runs of the same bucket, so the last cell of a series nearly always
  // fits, and the map is asked only when the bucket turns. Hours count as negative buckets here.
  #lastBucket: number[] = [];
  #lastCell: Cell[] = [];

  /** The cell of a series at the minute, or the whole hour, of `timestampMs`; made if need be. */
  cellAt(series: number, timestampMs: number, wholeHour = false): Cell {
    const bucket = Math.floor(timestampMs / (wholeHour ? HOUR_MS : MINUTE_MS));
    const place = wholeHour ? -bucket : bucket;
    if (this.#lastBucket[series] === place) return this.#lastCell[series];
    const cells = wholeHour ? this.hours : this.minutes;
    const key = bucket * SERIES_SPAN + series;
    let cell = cells.get(key);
    if (cell === undefined) {
      cell = new Cell();
      cells.set(key, cell);
    }
    while (this.#lastBucket.length <= series) {
      this.#lastBucket.push(NaN);
      this.#lastCell.push(cell);
    }
    this.#lastBucket[series] = place;
    this.#lastCell[series] = cell;
    return cell;
  }

  get isEmpty(): boolean {
    return this.cellCount === 0;
  }

  get cellCount(): number {
    return this.minutes.size + this.hours.size;
  }

  encode(): Uint8Array {
    const amounts: (Uint8Array | null)[] = [];
    let total = HEADER_BYTES;
    for (const cells of [this.minutes, this.hours]) {
      for (const cell of cells.values()) {
        const bytes = cell.amounts?.encode() ?? null;
        amounts.push(bytes);
        total += CELL_HEADER_BYTES + cell.users.encodedLength + cell.sessions.encodedLength +
          (bytes?.length ?? 0);
      }
    }
    const out = new Uint8Array(total);
    const view = new DataView(out.buffer);
    view.setUint32(0, VERSION, true);
    view.setUint32(4, amounts.length, true);
    let at = HEADER_BYTES;
    let next = 0;
    for (const cells of [this.minutes, this.hours]) {
      const bit = cells === this.hours ? HOUR_BIT : 0;
      for (const [key, cell] of cells) {
        at = encodeCell(out, view, at, key, bit, cell, amounts[next++]);
      }
    }
    return out;
  }

  /** Throws RangeError when the bytes are not an encoded delta. */
  static decode(bytes: Uint8Array): RollupDelta {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== VERSION) {
      throw new RangeError("not an encoded rollup delta of version 1");
    }
    const delta = new RollupDelta();
    let at = HEADER_BYTES;
    for (let left = view.getUint32(4, true); left > 0; left--) {
      const cell = new Cell();
      const series = view.getUint32(at, true);
      const bucket = view.getUint32(at + 4, true);
      cell.events = view.getFloat64(at + 8, true);
      cell.minTimestampMs = view.getFloat64(at + 16, true);
      cell.maxTimestampMs = view.getFloat64(at + 24, true);
      cell.amountCount = view.getFloat64(at + 32, true);
      cell.amountSum = view.getFloat64(at + 40, true);
      const users = view.getUint32(at + 48, true);
      const sessions = view.getUint32(at + 52, true);
      const amounts = view.getUint32(at + 56, true);
      at += CELL_HEADER_BYTES;
      cell.users = HyperLogLog.decode(bytes.subarray(at, at += users));
      cell.sessions = HyperLogLog.decode(bytes.subarray(at, at += sessions));
      if (amounts > 0) cell.amounts = DDSketch.decode(bytes.subarray(at, at += amounts));
      if (bucket < HOUR_BIT) delta.minutes.set(bucket * SERIES_SPAN + series, cell);
      else delta.hours.set((bucket - HOUR_BIT) * SERIES_SPAN + series, cell);
    }
    if (at !== bytes.length) throw new RangeError("an encoded rollup delta has trailing bytes");
    return delta;
  }
}

/** Writes one cell at `at`; gives the place after it. */
function encodeCell(
  out: Uint8Array,
  view: DataView,
  at: number,
  key: number,
  hourBit: number,
  cell: Cell,
  amounts: Uint8Array | null,
): number {
  const bucket = Math.floor(key / SERIES_SPAN);
  const [users, sessions] = [cell.users.encodedLength, cell.sessions.encodedLength];
  view.setUint32(at, key - bucket * SERIES_SPAN, true);
  view.setUint32(at + 4, bucket + hourBit, true);
  view.setFloat64(at + 8, cell.events, true);
  view.setFloat64(at + 16, cell.minTimestampMs, true);
  view.setFloat64(at + 24, cell.maxTimestampMs, true);
  view.setFloat64(at + 32, cell.amountCount, true);
  view.setFloat64(at + 40, cell.amountSum, true);
  view.setUint32(at + 48, users, true);
  view.setUint32(at + 52, sessions, true);
  view.setUint32(at + 56, amounts?.length ?? 0, true);
  const from = at + CELL_HEADER_BYTES;
  cell.users.encodeInto(out, from);
  cell.sessions.encodeInto(out, from + users);
  if (amounts !== null) out.set(amounts, from + users + sessions);
  return from + users + sessions + (amounts?.length ?? 0);
}
