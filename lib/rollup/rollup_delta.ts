/**
 * The rollup change of one batch of rows: cells by (series, minute) that hold only that batch.
 * The hot path adds events here; the commit stores the encoded form in the rows' transaction, and
 * the cells of all levels then take it in. Since a delta is itself mergeable, the same bytes can
 * feed a restart, a live stream or another process.
 *
 * Encoded (little endian):
 *
 *     u32 version = 1 | u32 cells | then per cell:
 *     u32 series | u32 minute | f64 events | f64 min ts | f64 max ts | f64 amount count | f64 sum
 *     u32 users bytes | u32 sessions bytes | u32 amounts bytes | users | sessions | amounts
 */
import { Cell } from "./cell.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";

/** Bound of series ids: the key of a cell is minute * SERIES_SPAN + series, below 2^53. */
export const SERIES_SPAN = 1 << 20;
export const MINUTE_MS = 60_000;

const VERSION = 1;
const HEADER_BYTES = 8;
const CELL_HEADER_BYTES = 60;

export class RollupDelta {
  /** minute * SERIES_SPAN + series -> cell. */
  readonly cells = new Map<number, Cell>();
  // Events of one type come in runs of the same minute, so the last cell of a series nearly always
  // fits, and the map is asked only when the minute turns.
  #lastMinute: number[] = [];
  #lastCell: Cell[] = [];

  /** The cell of a series at the minute of `timestampMs`, made if need be. */
  cellAt(series: number, timestampMs: number): Cell {
    const minute = Math.floor(timestampMs / MINUTE_MS);
    if (this.#lastMinute[series] === minute) return this.#lastCell[series];
    const key = minute * SERIES_SPAN + series;
    let cell = this.cells.get(key);
    if (cell === undefined) {
      cell = new Cell();
      this.cells.set(key, cell);
    }
    while (this.#lastMinute.length <= series) {
      this.#lastMinute.push(-1);
      this.#lastCell.push(cell);
    }
    this.#lastMinute[series] = minute;
    this.#lastCell[series] = cell;
    return cell;
  }

  get isEmpty(): boolean {
    return this.cells.size === 0;
  }

  encode(): Uint8Array {
    const parts: Uint8Array[] = [];
    let total = HEADER_BYTES;
    for (const cell of this.cells.values()) {
      const users = cell.users.encode();
      const sessions = cell.sessions.encode();
      const amounts = cell.amounts ? cell.amounts.encode() : EMPTY;
      parts.push(users, sessions, amounts);
      total += CELL_HEADER_BYTES + users.length + sessions.length + amounts.length;
    }
    const out = new Uint8Array(total);
    const view = new DataView(out.buffer);
    view.setUint32(0, VERSION, true);
    view.setUint32(4, this.cells.size, true);
    let at = HEADER_BYTES;
    let part = 0;
    for (const [key, cell] of this.cells) {
      const minute = Math.floor(key / SERIES_SPAN);
      view.setUint32(at, key - minute * SERIES_SPAN, true);
      view.setUint32(at + 4, minute, true);
      view.setFloat64(at + 8, cell.events, true);
      view.setFloat64(at + 16, cell.minTimestampMs, true);
      view.setFloat64(at + 24, cell.maxTimestampMs, true);
      view.setFloat64(at + 32, cell.amountCount, true);
      view.setFloat64(at + 40, cell.amountSum, true);
      for (let i = 0; i < 3; i++) view.setUint32(at + 48 + 4 * i, parts[part + i].length, true);
      at += CELL_HEADER_BYTES;
      for (let i = 0; i < 3; i++, part++) {
        out.set(parts[part], at);
        at += parts[part].length;
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
      const minute = view.getUint32(at + 4, true);
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
      delta.cells.set(minute * SERIES_SPAN + series, cell);
    }
    if (at !== bytes.length) throw new RangeError("an encoded rollup delta has trailing bytes");
    return delta;
  }
}

const EMPTY = new Uint8Array(0);
