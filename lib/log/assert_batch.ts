/** What every adapter of the log holds its callers to. */
import assert from "node:assert/strict";
import type { AppendBatch } from "./event_log.ts";

const NEWLINE = 0x0a;

/** A malformed batch is a broken invariant of the caller: nothing of it may reach the log. */
export function assertBatch(batch: AppendBatch, partitions: number): void {
  const { partition, events, value } = batch;
  assert.ok(
    Number.isInteger(partition) && partition >= 0 && partition < partitions,
    `partition ${partition} of a log with ${partitions}`,
  );
  assert.ok(Number.isInteger(events) && events >= 1, "a batch has at least one event");
  assert.ok(value.at(-1) === NEWLINE, "the lines of a batch end with a newline");
}
