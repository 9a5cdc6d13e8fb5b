/**
 * Row batches of one shard, handed from partition to partition: a full batch is 16 MB, and only the
 * partition that catches up needs one, so they are not kept per partition.
 */
import type { RowBatch } from "../store/event_store.ts";
import { createRowBatch, resetRowBatch, rowBatchCapacity } from "../store/row_batch.ts";

/** Rows that a fresh batch has room for. */
const ROWS_INITIAL = 1024;
/** Batches that wait for use; more are let go. */
const SPARE_MAX = 2;

export class RowBatchPool {
  #spare: RowBatch[] = [];

  /** An empty batch, the smallest there is: who needs more room exchanges it. */
  take(): RowBatch {
    this.#spare.sort((a, b) => rowBatchCapacity(b) - rowBatchCapacity(a));
    return this.#spare.pop() ?? createRowBatch(ROWS_INITIAL);
  }

  /** Takes a batch back; its rows are forgotten. */
  give(batch: RowBatch): void {
    resetRowBatch(batch);
    this.#spare.push(batch);
    if (this.#spare.length <= SPARE_MAX) return;
    this.#spare.sort((a, b) => rowBatchCapacity(b) - rowBatchCapacity(a));
    this.#spare.splice(1, 1);
  }

  /** A batch with more room than the empty `batch`, which is taken back for it; else `batch`. */
  exchange(batch: RowBatch): RowBatch {
    let best = -1;
    for (let i = 0; i < this.#spare.length; i++) {
      const room = rowBatchCapacity(this.#spare[i]);
      if (room > rowBatchCapacity(best < 0 ? batch : this.#spare[best])) best = i;
    }
    if (best < 0) return batch;
    const larger = this.#spare[best];
    this.#spare[best] = batch;
    return larger;
  }
}
