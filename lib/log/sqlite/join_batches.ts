/**
 * The batches of one append as the records to write: neighbours within a partition that belong to
 * one project, and to one trace or none, become one record. A commit that gathered a hundred requests of one event each costs
 * a row per partition, not a hundred, here and again when it is read.
 */
import { LOG_RECORD_BYTES_MAX } from "../../config/limits.ts";
import { assertBatch } from "../assert_batch.ts";
import type { AppendBatch } from "../event_log.ts";
import { isOfOneOrigin } from "../one_origin.ts";

/** Joins batches; reuses one buffer, so a record is valid until the next one is made. */
export class BatchJoiner {
  readonly #byPartition: AppendBatch[][];
  readonly #joined = new Uint8Array(LOG_RECORD_BYTES_MAX);

  constructor(readonly partitions: number) {
    this.#byPartition = Array.from({ length: partitions }, () => []);
  }

  /** Calls `write` for each record, partition by partition, in the order of the batches. */
  forEachRecord(batches: readonly AppendBatch[], write: (record: AppendBatch) => void): void {
    for (const list of this.#byPartition) list.length = 0;
    for (const batch of batches) {
      assertBatch(batch, this.partitions);
      this.#byPartition[batch.partition].push(batch);
    }
    for (const list of this.#byPartition) {
      let from = 0;
      while (from < list.length) {
        const to = runEnd(list, from);
        write(to - from === 1 ? list[from] : this.#join(list, from, to));
        from = to;
      }
    }
  }

  #join(list: readonly AppendBatch[], from: number, to: number): AppendBatch {
    let bytes = 0;
    let events = 0;
    // The newest of the times: a reader that checks an event against the time of ingest must not
    // refuse one that came later than the record's first.
    let receivedAtMs = 0;
    for (let i = from; i < to; i++) {
      this.#joined.set(list[i].value, bytes);
      bytes += list[i].value.length;
      events += list[i].events;
      receivedAtMs = Math.max(receivedAtMs, list[i].receivedAtMs);
    }
    return { ...list[from], events, receivedAtMs, value: this.#joined.subarray(0, bytes) };
  }
}

/** End of the batches from `from` on that make one record: one project, bounded bytes. */
function runEnd(list: readonly AppendBatch[], from: number): number {
  let bytes = list[from].value.length;
  let to = from + 1;
  while (to < list.length && isOfOneOrigin(list[from], list[to])) {
    bytes += list[to].value.length;
    if (bytes > LOG_RECORD_BYTES_MAX) break;
    to++;
  }
  return to;
}
