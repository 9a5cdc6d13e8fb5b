/**
 * Puts the rows of one user in order of time; rows of equal times keep the order of the log. Most
 * users are in order already, and the others have a few late events, which insertion moves by a few
 * places; where it would move too many, the places of the rows are sorted.
 */

import type { RowArrays } from "./row_blocks.ts";

/** Insertion may move this many places for each row, all in all. */
const MOVES_PER_ROW = 16;

/**
 * Sorts rows [from, to) of the columns.
 *
 * @param inOrder the rows are in order of the log; else `seq` is there and tells it
 */
export function orderByTime(rows: RowArrays, from: number, to: number, inOrder: boolean): void {
  const time = rows.timestampMs;
  const seq = inOrder ? null : rows.seq!;
  let row = from + 1;
  while (row < to && !isBefore(time, seq, row, row - 1)) row++;
  if (row >= to) return;
  const order = insertionOrder(time, seq, from, to) ?? sortedOrder(time, seq, from, to);
  rearrange(rows, from, order);
}

function isBefore(time: Float64Array, seq: Float64Array | null, a: number, b: number): boolean {
  return time[a] < time[b] || (time[a] === time[b] && seq !== null && seq[a] < seq[b]);
}

/** The places of the rows in their order, counted from `from`; null = too much to move. */
function insertionOrder(
  time: Float64Array,
  seq: Float64Array | null,
  from: number,
  to: number,
): Int32Array | null {
  const order = new Int32Array(to - from);
  let movesLeft = MOVES_PER_ROW * order.length;
  for (let i = 1; i < order.length; i++) {
    let at = i;
    for (; at > 0 && isBefore(time, seq, from + i, from + order[at - 1]); at--) {
      order[at] = order[at - 1];
      if (--movesLeft < 0) return null;
    }
    order[at] = i;
  }
  return order;
}

/** The same by sorting. */
function sortedOrder(
  time: Float64Array,
  seq: Float64Array | null,
  from: number,
  to: number,
): Int32Array {
  const order = Int32Array.from({ length: to - from }, (_, i) => i);
  return order.sort((a, b) => {
    const byTime = time[from + a] - time[from + b];
    if (byTime !== 0) return byTime;
    return seq === null ? a - b : seq[from + a] - seq[from + b];
  });
}

function rearrange(rows: RowArrays, from: number, order: Int32Array): void {
  const to = from + order.length;
  for (
    const column of [rows.timestampMs, rows.match, rows.series, rows.seq, rows.amount, rows.label]
  ) {
    if (column === null) continue;
    const before = column.slice(from, to);
    for (let i = 0; i < order.length; i++) column[from + i] = before[order[i]];
  }
  const { sessionHash } = rows;
  if (sessionHash === null) return;
  const before = sessionHash.slice(2 * from, 2 * to);
  for (let i = 0; i < order.length; i++) {
    sessionHash[2 * (from + i)] = before[2 * order[i]];
    sessionHash[2 * (from + i) + 1] = before[2 * order[i] + 1];
  }
}
