/** Scans of rows that are told by their type alone, from blocks of events (event_blocks.ts). */

import type { RowScan, ScannedRows } from "../event_store.ts";
import type { BlockRows, EventBlocks } from "./event_blocks.ts";
import type { TypeNames } from "./filter_sql.ts";
import { CHUNK_ROWS } from "./native.ts";
import { picksRows } from "./row_reader.ts";
import { isOfTypeAlone } from "./type_masks.ts";

/** Whether blocks have all that a scan reads. */
export function fitsBlocks(scan: RowScan): boolean {
  if (scan.matches.length === 0 || !scan.matches.every(isOfTypeAlone)) return false;
  const isThere = scan.columns.every((name) =>
    name === "seq" || name === "user_hash" || name === "timestamp"
  );
  return isThere && picksRows(scan) && scan.filter === null && scan.userPart === null;
}

/**
 * Calls `onRows` for the rows of the scan that are in blocks.
 *
 * @param bits by series: what of `matches` it matches
 * @returns the place in the log from which on rows are still to be read
 */
export async function scanBlocks(
  blocks: EventBlocks,
  scan: RowScan,
  { bits, types }: { readonly bits: Int32Array; readonly types: TypeNames },
  onRows: (rows: ScannedRows) => void,
  signal: AbortSignal,
): Promise<number> {
  const reader = await blocks.reader();
  if (reader === null) return 0;
  const { runRows, endSeq } = blocks;
  const picker = new BlockPicker(scan, bits, types);
  try {
    for (let index = 0; index * runRows < endSeq; index++) {
      const time = blocks.timeOf(index, scan.fromMs, scan.toMs);
      if (time === "outside") continue;
      // While a block is read the thread's other work has its turn.
      const rows = await reader.read(index);
      signal.throwIfAborted();
      if (rows === null) return index * runRows;
      for (let from = 0; from < runRows; from += CHUNK_ROWS) {
        const end = Math.min(runRows, from + CHUNK_ROWS);
        onRows(picker.pick(rows, from, end, index * runRows, time === "across"));
      }
    }
  } finally {
    reader.close();
  }
  return endSeq;
}

/** The rows of a part of a block whose type has bits, in arrays that serve for all parts. */
class BlockPicker {
  readonly #scan: RowScan;
  readonly #bits: Int32Array;
  readonly #types: TypeNames;
  readonly #places = new Int32Array(CHUNK_ROWS);
  readonly #series = new Int32Array(CHUNK_ROWS);
  readonly #match = new Int32Array(CHUNK_ROWS);
  readonly #seq = new Float64Array(CHUNK_ROWS);
  readonly #timestampMs = new Float64Array(CHUNK_ROWS);
  readonly #userHash = new Uint32Array(2 * CHUNK_ROWS);

  constructor(scan: RowScan, bits: Int32Array, types: TypeNames) {
    this.#scan = scan;
    this.#bits = bits;
    this.#types = types;
  }

  /** @param checksTime whether rows may lie outside of the scan's range */
  pick(
    rows: BlockRows,
    from: number,
    end: number,
    firstSeq: number,
    checksTime: boolean,
  ): ScannedRows {
    const { columns, checksOrder } = this.#scan;
    const count = this.#pick(rows, from, end, checksTime);
    return {
      count,
      types: this.#types,
      series: this.#series.subarray(0, count),
      match: this.#match.subarray(0, count),
      seq: columns.includes("seq") ? this.#seqs(firstSeq, count) : null,
      userHash: columns.includes("user_hash") ? this.#users(rows, count) : null,
      timestampMs: columns.includes("timestamp") ? this.#times(rows, count) : null,
      sessionHash: null,
      amount: null,
      inOrder: checksOrder ? true : null,
      values: [],
      label: null,
    };
  }

  /** How many there are; their places and what is known of their types is noted. */
  #pick(rows: BlockRows, from: number, end: number, checksTime: boolean): number {
    const { fromMs, toMs } = this.#scan;
    const { series, timestampMs } = rows;
    const bits = this.#bits, places = this.#places, types = this.#series, matches = this.#match;
    let count = 0;
    for (let row = from; row < end; row++) {
      const id = series[row];
      // Types that are newer than the question, and of other projects.
      const match = id < bits.length ? bits[id] : 0;
      places[count] = row;
      types[count] = id;
      matches[count] = match;
      // 1 where any bit is set, without a branch: which type comes next can't be foreseen.
      count += (match | -match) >>> 31;
      if (checksTime && match !== 0 && (timestampMs[row] < fromMs || timestampMs[row] >= toMs)) {
        count--;
      }
    }
    return count;
  }

  #seqs(firstSeq: number, count: number): Float64Array {
    for (let i = 0; i < count; i++) this.#seq[i] = firstSeq + this.#places[i];
    return this.#seq.subarray(0, count);
  }

  #users({ userHash }: BlockRows, count: number): Uint32Array {
    const places = this.#places, into = this.#userHash;
    for (let i = 0; i < count; i++) {
      const at = 2 * places[i];
      into[2 * i] = userHash[at];
      into[2 * i + 1] = userHash[at + 1];
    }
    return into.subarray(0, 2 * count);
  }

  #times({ timestampMs }: BlockRows, count: number): Float64Array {
    const places = this.#places, into = this.#timestampMs;
    for (let i = 0; i < count; i++) into[i] = timestampMs[places[i]];
    return into.subarray(0, count);
  }
}
