/**
 * Cuts a time range into the rollup cells that cover it and the edges that no cell covers.
 *
 * Cells stand at whole UTC minutes, hours and days. A range is covered by as few of them as
 * possible, the widest in the middle, so that 30 days read about 30 day cells a type and not 43,200
 * minutes; what is left at its two ends is shorter than a minute and is counted from rows.
 *
 *     start                                                                    end
 *       |edge| minutes | hours |        days        | hours | minutes |edge|
 */

/** Width of a cell's bucket at each level, ms: minute, hour, day. */
export const LEVEL_WIDTHS_MS = [60_000, 3_600_000, 86_400_000] as const;

/** Whole cells of one level, buckets [fromBucket, toBucket) counted since the epoch (UTC). */
export interface CellPiece {
  readonly level: 0 | 1 | 2;
  readonly fromBucket: number;
  readonly toBucket: number;
}

/** Part of a minute, half open [fromMs, toMs), ms since the epoch. */
export interface RangeEdge {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What covers a range: pieces and edges do not overlap, and together are exactly the range. */
export interface RangeTiles {
  readonly pieces: CellPiece[];
  readonly edges: RangeEdge[];
}

/** The tiles of [startMs, endMs), each list in the order of time. Takes whole ms. */
export function tileRange(startMs: number, endMs: number): RangeTiles {
  const pieces: CellPiece[] = [];
  const edges: RangeEdge[] = [];
  if (startMs >= endMs) return { pieces, edges };
  const minuteMs = LEVEL_WIDTHS_MS[0];
  const fromMinute = Math.ceil(startMs / minuteMs);
  const toMinute = Math.floor(endMs / minuteMs);
  if (fromMinute >= toMinute) {
    // No whole minute inside: one edge, also where it reaches across the turn of a minute.
    edges.push({ fromMs: startMs, toMs: endMs });
    return { pieces, edges };
  }
  if (startMs < fromMinute * minuteMs) {
    edges.push({ fromMs: startMs, toMs: fromMinute * minuteMs });
  }
  tileCells(0, fromMinute, toMinute, pieces);
  if (toMinute * minuteMs < endMs) edges.push({ fromMs: toMinute * minuteMs, toMs: endMs });
  return { pieces, edges };
}

/** Covers buckets [from, to) of a level: wider cells where whole ones fit, this level around. */
function tileCells(level: 0 | 1 | 2, from: number, to: number, pieces: CellPiece[]): void {
  if (from >= to) return;
  if (level === 2) {
    pieces.push({ level, fromBucket: from, toBucket: to });
    return;
  }
  const wider = level === 0 ? 1 : 2;
  const cellsPerWider = LEVEL_WIDTHS_MS[wider] / LEVEL_WIDTHS_MS[level];
  const widerFrom = Math.ceil(from / cellsPerWider);
  const widerTo = Math.floor(to / cellsPerWider);
  if (widerFrom >= widerTo) {
    pieces.push({ level, fromBucket: from, toBucket: to });
    return;
  }
  const head = widerFrom * cellsPerWider;
  const tail = widerTo * cellsPerWider;
  if (from < head) pieces.push({ level, fromBucket: from, toBucket: head });
  tileCells(wider, widerFrom, widerTo, pieces);
  if (tail < to) pieces.push({ level, fromBucket: tail, toBucket: to });
}
