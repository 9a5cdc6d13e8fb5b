/** The DuckDB store that was made to keep no rows: what is left of them, and what is refused. */
import assert from "node:assert/strict";
import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import type { PartitionStore } from "../../lib/store/event_store.ts";
import { type StoreTest, testCell } from "./event_store_contract.ts";
import { recentTests } from "./event_store_reads.ts";
import { commitOf, testRows, TestSeries } from "./event_store_rows.ts";

const test: StoreTest = (what, body) => {
  Deno.test(`duckdb store without rows ${what}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const open = () => openIn(folder, false);
      await body({ open, remove: () => Promise.resolve() });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
};

function openIn(folder: string, keepsRows: boolean): Promise<PartitionStore> {
  return openDuckdbPartition({ folder, partition: 0, memoryLimitMb: 32, keepsRows });
}

async function countIds(store: PartitionStore): Promise<number> {
  let count = 0;
  await store.recentIds(0, (_ids, _received, ids) => count += ids);
  return count;
}

recentTests(test);

test("refuses every read of rows", async (place) => {
  const store = await place.open();
  assert.equal(store.keepsRows, false);
  await store.commit(commitOf(testRows(10), 0, new TestSeries()), null);
  const refused = { code: "RTA_STORE_NO_ROWS", message: "rows are not kept: RTA_ROWS=off" };
  const user = { project: "shop", userId: "user-1", fromMs: 0, toMs: Infinity };
  await assert.rejects(store.rowsInRange(0, Infinity, null), refused);
  await assert.rejects(store.userEvents({ ...user, limit: 1, before: null }), refused);
  const userHash: [number, number] = [1, 2];
  const rows = { project: "shop", userHash, fromSeq: 0, toSeq: 9, fromMs: 0, toMs: Infinity };
  await assert.rejects(store.sessionParts(rows, () => {}), refused);
  const search = { project: "shop", prefix: "", after: null, limit: 1 };
  await assert.rejects(store.findUsers(search, new AbortController().signal), refused);
  await store.close();
});

test("keeps ids, cells, deltas and the offset over a restart", async (place) => {
  const store = await place.open();
  const series = new TestSeries();
  const cells = [testCell(5, 1, {})];
  await store.commit(commitOf(testRows(70_000), 0, series), { cells });
  const delta = new Uint8Array([1, 2, 3]);
  await store.commit(commitOf(testRows(500, 70_000), 70_000, series, { delta }), null);
  const before = await store.load();
  assert.deepEqual([before.nextOffset, before.nextSeq, before.deltas], [70_500, 70_500, [delta]]);
  await store.close();

  const again = await place.open();
  assert.deepEqual(await again.load(), before);
  assert.equal(await countIds(again), 70_500);
  assert.equal((await again.readCells(everyMinute)).length, 1);
  await again.close();
});

test("forgets with a flush what was received too long ago, and not before", async (place) => {
  const store = await place.open();
  const rows = testRows(100_000);
  const recentSinceMs = rows[60_000].receivedAtMs;
  const series = new TestSeries();
  await store.commit(commitOf(rows, 0, series, { recentSinceMs }), null);
  assert.equal(await countIds(store), 100_000);
  await store.commit(commitOf([], 100_000, series, { recentSinceMs }), { cells: [] });
  assert.equal(await countIds(store), 40_000);
  await store.close();
  const again = await place.open();
  assert.equal(await countIds(again), 40_000);
  await again.close();
});

test("stays small however much goes through it", async (place) => {
  const store = await place.open();
  const commit = commitOf(testRows(40_000), 0, new TestSeries(), { recentSinceMs: Date.now() });
  let largest = 0;
  for (let round = 0; round < 60; round++) {
    await store.commit({ ...commit, newSeries: [] }, { cells: [] });
    largest = Math.max(largest, store.sizeBytes());
  }
  assert.equal(await countIds(store), 0);
  assert.ok(largest < 35e6, `${largest} bytes, after 90 MB of ids`);
  await store.close();
});

for (const made of [true, false]) {
  const [was, is] = made ? ["on", "off"] : ["off", "on"];
  Deno.test(`open() refuses RTA_ROWS=${is} on a store made with ${was}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await (await openIn(folder, made)).close();
      await assert.rejects(openIn(folder, !made), (error: Error & { code: string }) => {
        assert.equal(error.code, "RTA_STORE_FORMAT");
        assert.match(error.message, new RegExp(`made with RTA_ROWS=${was}.*set it back`));
        return true;
      });
      await (await openIn(folder, made)).close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const everyMinute = { level: 0, fromBucket: 0, toBucket: 1e9, series: null, want: 0 } as const;
