/**
 * A plan's buckets as the cells and edges that cover them, in a form that is quick to make and to
 * walk: neighbouring buckets that are one cell each, such as the hours of an hourly series, are one
 * strip and not a list of objects.
 *
 *     buckets   |   0    | 1 | 2 | 3 | 4 |    5    |
 *     tiles     | 0 0 0  |  strip, step 1  | 5 5 5 |     the number is the bucket counted in
 */
import { LEVEL_WIDTHS_MS, type RangeEdge, tileRange } from "./tile_range.ts";

/** Whole cells of one level, [from, to) counted since the epoch (UTC). */
export interface Tile {
  readonly level: 0 | 1 | 2;
  readonly from: number;
  readonly to: number;
  /** Bucket of the plan that the first cell is counted in. */
  readonly bucket: number;
  /** 0: all cells are counted in that bucket; 1 (a strip): each in a bucket of its own. */
  readonly step: 0 | 1;
}

/** Part of a minute that no cell covers, and the bucket it is counted in. */
export interface BucketEdge extends RangeEdge {
  readonly bucket: number;
}

/** What covers the buckets of a plan: together exactly [first bound, last bound). */
export interface PlanTiles {
  /** Bucket i is [boundsMs[i], boundsMs[i + 1]). */
  readonly boundsMs: Float64Array;
  /** In the order of time. */
  readonly tiles: readonly Tile[];
  readonly edges: readonly BucketEdge[];
}

/** The tiles of buckets with these bounds, whole ms, ascending. */
export function tilesOf(boundsMs: Float64Array): PlanTiles {
  const tiles: Tile[] = [];
  const edges: BucketEdge[] = [];
  const buckets = boundsMs.length - 1;
  for (let bucket = 0; bucket < buckets;) {
    const level = levelOf(boundsMs[bucket], boundsMs[bucket + 1]);
    if (level !== null) {
      const widthMs = LEVEL_WIDTHS_MS[level];
      const from = boundsMs[bucket] / widthMs;
      const first = bucket;
      do bucket++; while (
        bucket < buckets && boundsMs[bucket + 1] - boundsMs[bucket] === widthMs
      );
      const cells = bucket - first;
      tiles.push({ level, from, to: from + cells, bucket: first, step: cells === 1 ? 0 : 1 });
      continue;
    }
    const range = tileRange(boundsMs[bucket], boundsMs[bucket + 1]);
    for (const { level, fromBucket, toBucket } of range.pieces) {
      tiles.push({ level, from: fromBucket, to: toBucket, bucket, step: 0 });
    }
    for (const { fromMs, toMs } of range.edges) edges.push({ fromMs, toMs, bucket });
    bucket++;
  }
  return { boundsMs, tiles, edges };
}

/** The level of which [startMs, endMs) is one cell, or null. */
function levelOf(startMs: number, endMs: number): 0 | 1 | 2 | null {
  for (const level of [0, 1, 2] as const) {
    const widthMs = LEVEL_WIDTHS_MS[level];
    if (endMs - startMs === widthMs) return startMs % widthMs === 0 ? level : null;
  }
  return null;
}

/** Index of the bucket that holds a time, or -1. */
export function bucketAt(boundsMs: Float64Array, timeMs: number): number {
  let low = 0;
  let high = boundsMs.length - 2;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (timeMs < boundsMs[middle]) high = middle - 1;
    else if (timeMs >= boundsMs[middle + 1]) low = middle + 1;
    else return middle;
  }
  return -1;
}
