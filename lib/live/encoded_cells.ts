/**
 * The cells of an encoded rollup delta, by their places in its bytes: enough to see which series a
 * delta names, to cut it between cells and to merge it, without building what is only read. The
 * layout is that of lib/rollup/rollup_delta.ts; a test holds the two together.
 */
import { Cell } from "../rollup/cell.ts";
import { RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { DDSketch } from "../sketch/ddsketch.ts";

/** Bytes of a delta before its first cell: version and number of cells. */
export const DELTA_HEADER_BYTES = 8;

const DELTA_VERSION = 1;
const CELL_HEADER_BYTES = 60;
/** Set in the bucket of a cell of a whole hour. */
const HOUR_BIT = 0x8000_0000;
/** Where the lengths of a cell's three sketches stand in its header. */
const LENGTHS_AT = 48;

/** One cell: what it is of, how many events it has, and where its bytes lie in the delta. */
export interface EncodedCell {
  readonly series: number;
  /** The same for two cells of one delta or several, if they are of one series and bucket. */
  readonly key: number;
  readonly events: number;
  /** Its bytes are [start, end), those of its users' sketch [usersStart, usersEnd). */
  readonly start: number;
  readonly usersStart: number;
  readonly usersEnd: number;
  readonly end: number;
}

/** The cells in the order of their bytes. Throws RangeError when the bytes are no delta. */
export function encodedCells(delta: Uint8Array): EncodedCell[] {
  const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength);
  if (delta.length < DELTA_HEADER_BYTES || view.getUint32(0, true) !== DELTA_VERSION) {
    throw new RangeError("not an encoded rollup delta of version 1");
  }
  const cells: EncodedCell[] = [];
  let at = DELTA_HEADER_BYTES;
  for (let left = view.getUint32(4, true); left > 0; left--) {
    const start = at;
    if (start + CELL_HEADER_BYTES > delta.length) {
      throw new RangeError("an encoded rollup delta is cut short");
    }
    const series = view.getUint32(start, true);
    const usersStart = start + CELL_HEADER_BYTES;
    const usersEnd = usersStart + view.getUint32(start + LENGTHS_AT, true);
    at = usersEnd + view.getUint32(start + LENGTHS_AT + 4, true) +
      view.getUint32(start + LENGTHS_AT + 8, true);
    if (at > delta.length) throw new RangeError("an encoded rollup delta is cut short");
    const key = view.getUint32(start + 4, true) * SERIES_SPAN + series;
    const events = view.getFloat64(start + 8, true);
    cells.push({ series, key, events, start, usersStart, usersEnd, end: at });
  }
  if (at !== delta.length) throw new RangeError("an encoded rollup delta has another length");
  return cells;
}

/** Writes the header of a delta of so many cells at `at`. */
export function writeDeltaHeader(view: DataView, at: number, cells: number): void {
  view.setUint32(at, DELTA_VERSION, true);
  view.setUint32(at + 4, cells, true);
}

/** How long these deltas are at least when they are merged into one, bytes; found without merging. */
export function mergedBytesLeast(deltas: readonly Uint8Array[]): number {
  const longest = new Map<number, number>();
  let bytes = DELTA_HEADER_BYTES;
  for (const delta of deltas) {
    for (const { key, start, end } of encodedCells(delta)) {
      const before = longest.get(key) ?? 0;
      if (end - start <= before) continue;
      longest.set(key, end - start);
      bytes += end - start - before;
    }
  }
  return bytes;
}

/**
 * One encoded delta that says what all of these together say. Sketches are merged from their bytes:
 * to decode each delta first takes twice as long.
 */
export function mergeEncodedDeltas(deltas: readonly Uint8Array[]): Uint8Array {
  const merged = new RollupDelta();
  for (const delta of deltas) {
    const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength);
    for (const encoded of encodedCells(delta)) {
      const bucket = view.getUint32(encoded.start + 4, true);
      const isHour = bucket >= HOUR_BIT;
      const cells = isHour ? merged.hours : merged.minutes;
      const key = (isHour ? bucket - HOUR_BIT : bucket) * SERIES_SPAN + encoded.series;
      let cell = cells.get(key);
      if (cell === undefined) cells.set(key, cell = new Cell());
      mergeEncodedCell(cell, delta, view, encoded);
    }
  }
  return merged.encode();
}

function mergeEncodedCell(into: Cell, delta: Uint8Array, view: DataView, cell: EncodedCell): void {
  const { start, usersStart, usersEnd, end } = cell;
  const sessionsEnd = usersEnd + view.getUint32(start + LENGTHS_AT + 4, true);
  into.events += cell.events;
  into.minTimestampMs = Math.min(into.minTimestampMs, view.getFloat64(start + 16, true));
  into.maxTimestampMs = Math.max(into.maxTimestampMs, view.getFloat64(start + 24, true));
  into.amountCount += view.getFloat64(start + 32, true);
  into.amountSum += view.getFloat64(start + 40, true);
  into.users.mergeEncoded(delta.subarray(usersStart, usersEnd));
  into.sessions.mergeEncoded(delta.subarray(usersEnd, sessionsEnd));
  if (sessionsEnd < end) {
    (into.amounts ??= new DDSketch()).mergeEncoded(delta.subarray(sessionsEnd, end));
  }
}
