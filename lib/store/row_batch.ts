/**
 * Makes, grows and empties RowBatch, the struct of arrays that carries rows to a PartitionStore.
 *
 * A batch starts small and doubles as rows arrive, so that an idle partition holds a few hundred KB
 * and only one that catches up holds the 13 MB of a full batch (97 bytes a row).
 */

import type { RowBatch } from "./event_store.ts";

/** Rows of one commit at most. The DuckDB store commits half as many just as fast, row for row. */
export const ROWS_PER_COMMIT_MAX = 131_072;

/** An empty batch with room for `capacity` rows. */
export function createRowBatch(capacity: number): RowBatch {
  return {
    count: 0,
    firstSeq: 0,
    series: new Int32Array(capacity),
    category: new Uint8Array(capacity),
    timestampMs: new Uint32Array(2 * capacity),
    receivedAtMs: new Uint32Array(2 * capacity),
    idHash: new Uint32Array(2 * capacity),
    userHash: new Uint32Array(2 * capacity),
    sessionHash: new Uint32Array(2 * capacity),
    amount: new Float64Array(capacity),
    sources: [],
    sourceOf: new Int32Array(capacity),
    idStart: new Int32Array(capacity),
    idEnd: new Int32Array(capacity),
    userStart: new Int32Array(capacity),
    userEnd: new Int32Array(capacity),
    sessionStart: new Int32Array(capacity),
    sessionEnd: new Int32Array(capacity),
    sourceStart: new Int32Array(capacity),
    sourceEnd: new Int32Array(capacity),
    propertiesStart: new Int32Array(capacity),
    propertiesEnd: new Int32Array(capacity),
  };
}

/** How many rows fit before the batch has to grow. */
export function rowBatchCapacity(batch: RowBatch): number {
  return batch.series.length;
}

/** Forgets the rows and lets go of their sources; keeps the arrays. */
export function resetRowBatch(batch: RowBatch): void {
  batch.count = 0;
  batch.sources = [];
}

/**
 * Doubles the arrays of `batch` in place, up to `capacityMax` rows, and keeps the rows in it.
 * Answers false, and changes nothing, when it already has that capacity: time to commit.
 */
export function growRowBatch(batch: RowBatch, capacityMax: number = ROWS_PER_COMMIT_MAX): boolean {
  const capacity = rowBatchCapacity(batch);
  if (capacity >= capacityMax) return false;
  const grown = createRowBatch(Math.min(capacityMax, Math.max(1, 2 * capacity)));
  grown.count = batch.count;
  grown.firstSeq = batch.firstSeq;
  grown.sources = batch.sources;
  for (const key of Object.keys(grown) as (keyof RowBatch)[]) {
    const to = grown[key], from = batch[key];
    if (ArrayBuffer.isView(to)) (to as Uint32Array).set(from as Uint32Array);
  }
  Object.assign(batch, grown);
  return true;
}
