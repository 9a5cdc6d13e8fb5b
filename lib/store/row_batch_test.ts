import assert from "node:assert/strict";
import {
  createRowBatch,
  growRowBatch,
  resetRowBatch,
  rowBatchCapacity,
  ROWS_PER_COMMIT_MAX,
} from "./row_batch.ts";

Deno.test("createRowBatch() makes room for the rows asked for in every column", () => {
  const batch = createRowBatch(5);
  assert.equal(rowBatchCapacity(batch), 5);
  assert.equal(batch.count, 0);
  assert.equal(batch.timestampMs.length, 10);
  assert.equal(batch.propertiesEnd.length, 5);
});

Deno.test("growRowBatch() doubles in place and keeps the rows", () => {
  const batch = createRowBatch(3);
  const columns = Object.values(batch).filter(ArrayBuffer.isView) as unknown as Uint32Array[];
  for (const column of columns) column.forEach((_, i) => column[i] = 100 - i);
  const sources = [new Uint8Array(1)];
  Object.assign(batch, { count: 3, firstSeq: 42, sources });
  const before = structuredClone(batch);
  assert.equal(growRowBatch(batch), true);
  assert.equal(rowBatchCapacity(batch), 6);
  assert.equal(batch.count, 3);
  assert.equal(batch.firstSeq, 42);
  assert.equal(batch.sources, sources);
  for (const [name, column] of Object.entries(before)) {
    if (!ArrayBuffer.isView(column)) continue;
    const grown = batch[name as keyof typeof batch] as Uint32Array;
    const kept = column as unknown as Uint32Array;
    assert.equal(grown.length, 2 * kept.length, name);
    assert.deepEqual(grown.slice(0, kept.length), kept, name);
    assert.ok(grown.subarray(kept.length).every((value) => value === 0), name);
  }
});

Deno.test("growRowBatch() stops at the most rows of a commit", () => {
  const batch = createRowBatch(ROWS_PER_COMMIT_MAX - 1);
  assert.equal(growRowBatch(batch), true);
  assert.equal(rowBatchCapacity(batch), ROWS_PER_COMMIT_MAX);
  const { series } = batch;
  assert.equal(growRowBatch(batch), false);
  assert.equal(batch.series, series);
  assert.equal(growRowBatch(createRowBatch(8), 8), false);
});

Deno.test("growRowBatch() makes room when there was none", () => {
  const batch = createRowBatch(0);
  assert.equal(growRowBatch(batch), true);
  assert.equal(rowBatchCapacity(batch), 1);
});

Deno.test("resetRowBatch() lets go of the sources and keeps the arrays", () => {
  const batch = createRowBatch(4);
  batch.count = 2;
  batch.sources.push(new Uint8Array(9));
  const { series } = batch;
  resetRowBatch(batch);
  assert.equal(batch.count, 0);
  assert.deepEqual(batch.sources, []);
  assert.equal(batch.series, series);
});
