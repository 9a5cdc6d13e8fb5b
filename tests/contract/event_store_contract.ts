/**
 * What every EventStore adapter must do (lib/store/event_store.ts), as tests: call
 * eventStoreContract in a test file with the adapter's name and a maker of empty places.
 */
import assert from "node:assert/strict";
import {
  LEVEL_HOUR,
  LEVEL_MINUTE,
  type PartitionStore,
  type StoredCell,
  StoreError,
} from "../../lib/store/event_store.ts";
import { eventStorePeriodTests } from "./event_store_periods.ts";
import { eventStoreGroupTests } from "./event_store_groups.ts";
import { eventStoreReadTests } from "./event_store_reads.ts";
import { eventStoreScanTests } from "./event_store_scans.ts";
import { eventStoreWindowTests } from "./event_store_windows.ts";
import {
  BASE_MS,
  batchOf,
  commitOf,
  storedOf,
  testRow,
  testRows,
  TestSeries,
} from "./event_store_rows.ts";

/** A place that can hold one partition: opened, closed and opened again by a test. */
export interface StorePlace {
  open(): Promise<PartitionStore>;
  remove(): Promise<void>;
}

/** Registers a test on a fresh place. */
export type StoreTest = (what: string, body: (place: StorePlace) => Promise<void>) => void;

/** Registers the suite for one adapter. */
export function eventStoreContract(name: string, make: () => Promise<StorePlace>): void {
  const test: StoreTest = (what, body) => {
    Deno.test(`${name} store ${what}`, async () => {
      const place = await make();
      try {
        await body(place);
      } finally {
        await place.remove();
      }
    });
  };
  commitTests(test);
  rowTests(test);
  failureTests(test);
  flushTests(test);
  concurrencyTests(test);
  closeTests(test);
  eventStoreReadTests(test);
  eventStoreScanTests(test);
  eventStoreWindowTests(test);
  eventStorePeriodTests(test);
  eventStoreGroupTests(test);
}

function commitTests(test: StoreTest): void {
  test("load() gives the beginning when the partition is new", async (place) => {
    const store = await place.open();
    assert.deepEqual(await store.load(), {
      nextOffset: 0,
      nextSeq: 0,
      lastReceivedAtMs: 0,
      series: [],
      deltas: [],
    });
    assert.deepEqual(await store.storedBuckets(LEVEL_MINUTE), []);
    assert.equal((await store.rowsInRange(0, Infinity, null)).count, 0);
    await store.close();
  });

  test("load() gives what was committed when the store is opened again", async (place) => {
    const series = new TestSeries();
    series.idOf("shop", null);
    let store = await place.open();
    const commit = commitOf(testRows(3), 0, series, {
      nextOffset: 9_007_199_254_740_000,
      nextSeq: 3,
      delta: new Uint8Array([1, 2, 3]),
    });
    await store.commit(commit, null);
    await store.commit(commitOf([], 3, series, { delta: new Uint8Array([4]) }), null);
    await store.close();
    store = await place.open();
    const loaded = await store.load();
    assert.equal(loaded.nextOffset, 3);
    assert.equal(loaded.nextSeq, 3);
    assert.equal(loaded.lastReceivedAtMs, BASE_MS);
    assert.deepEqual(loaded.series, series.all);
    assert.deepEqual(loaded.deltas, [new Uint8Array([1, 2, 3]), new Uint8Array([4])]);
    await store.commit(commitOf([], 3, series, { delta: new Uint8Array(0) }), null);
    assert.deepEqual((await store.load()).deltas.map((delta) => delta.length), [3, 1, 0]);
    assert.ok(store.sizeBytes() > 0);
    await store.close();
  });
}

function rowTests(test: StoreTest): void {
  for (const count of [1, 2047, 2048, 2049, 5000]) {
    test(`commit() keeps every field of every row when there are ${count}`, async (place) => {
      const store = await place.open();
      const rows = testRows(count).map((row) => ({ ...row, userId: "ann" }));
      const firstSeq = 2 ** 32 - 2000;
      await store.commit(commitOf(rows, firstSeq, new TestSeries()), null);
      const limit = count + 1;
      const query = { project: "shop", userId: "ann", fromMs: 0, toMs: Infinity, limit };
      const events = await store.userEvents({ ...query, before: null });
      assert.deepEqual(events, rows.map((row, i) => storedOf(row, firstSeq + i)).reverse());
      await store.close();
      const again = await place.open();
      assert.deepEqual(await again.userEvents({ ...query, before: null }), events);
      await again.close();
    });
  }

  test("commit() keeps the texts when they are empty, long or not ASCII", async (place) => {
    const store = await place.open();
    const texts = ["", "x", "zwölf Byte", "twelve bytes", "thirteen byte", "🦆".repeat(128)];
    texts.push("日本語のとても長い文字列です", '\u0001\u001f"\\');
    const long = ["0123456789ab".repeat(2730), "x".repeat(3992), "y".repeat(3993)];
    long.push(...["", "a", "ab", "abc"].map((start) => start + "🦆é".repeat(4000)));
    const rows = [...texts, ...long].map((text, i) =>
      testRow(i, {
        id: `${i}${[...text].slice(0, 100).join("")}`,
        userId: "ann",
        source: [...text].slice(0, 256).join(""),
        properties: `{"a":"${text}"}`,
      })
    );
    rows.push(testRow(90, { userId: "ann", source: null, properties: null, sessionId: "given" }));
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const query = { project: "shop", userId: "ann", fromMs: 0, toMs: Infinity, limit: 100 };
    const events = await store.userEvents({ ...query, before: null });
    assert.deepEqual(events, rows.map(storedOf).reverse());
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.userEvents({ ...query, before: null }), events);
    await again.close();
  });

  for (const rowsPerSource of [1, 3, 100_000]) {
    test(`commit() takes rows that share a source by ${rowsPerSource}`, async (place) => {
      const store = await place.open();
      const series = new TestSeries();
      const rows = testRows(2500).map((row) => ({ ...row, userId: "ann" }));
      const batch = batchOf(rows, 0, series, rowsPerSource);
      await store.commit({ ...commitOf(rows, 0, series), rows: batch }, null);
      const query = { project: "shop", userId: "ann", fromMs: 0, toMs: Infinity, limit: 3000 };
      const events = await store.userEvents({ ...query, before: null });
      assert.deepEqual(events, rows.map(storedOf).reverse());
      await store.close();
    });
  }
}

function failureTests(test: StoreTest): void {
  test("commit() leaves nothing behind when its last row is bad", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    await store.commit(commitOf(testRows(10), 0, series), null);
    const before = await store.load();
    const bad = commitOf(testRows(40_000, 10), 10, series, { delta: new Uint8Array(9) });
    bad.rows.sourceOf[39_999] = 1_000_000;
    await assert.rejects(store.commit(bad, null), StoreError);
    assert.deepEqual(await store.load(), before);
    assert.equal((await store.rowsInRange(0, Infinity, null)).count, 10);
    await store.commit(commitOf(testRows(40_000, 10), 10, series), null);
    await store.close();
    const again = await place.open();
    assert.equal((await again.rowsInRange(0, Infinity, null)).count, 40_010);
    assert.equal((await again.load()).nextSeq, 40_010);
    await again.close();
  });

  test("commit() leaves nothing behind when a cell or the offset is bad", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    await store.commit(commitOf(testRows(5), 0, series, { delta: new Uint8Array(2) }), {
      cells: [testCell(100, 1, { users: new Uint8Array(4) })],
    });
    await store.commit(commitOf([], 5, series, { delta: new Uint8Array(3) }), null);
    const before = await store.load();
    const badCell = testCell(Number.NaN, 1, {});
    const rows = testRows(5, 5);
    const withBadCell = { cells: [testCell(100, 1, {}), badCell] };
    await assert.rejects(store.commit(commitOf(rows, 5, series), withBadCell), StoreError);
    const badOffset = commitOf(rows, 5, series, { nextOffset: Number.NaN });
    await assert.rejects(store.commit(badOffset, { cells: [] }), StoreError);
    assert.deepEqual(await store.load(), before);
    assert.equal((await store.rowsInRange(0, Infinity, null)).count, 5);
    const [cell] = await store.readCells({ ...minuteCells, want: 1 });
    assert.deepEqual(cell.users, new Uint8Array(4));
    await store.close();
  });
}

function flushTests(test: StoreTest): void {
  test("commit() replaces cells and forgets the deltas when it flushes", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const withDelta = { delta: new Uint8Array([7]) };
    await store.commit(commitOf(testRows(2), 0, series, withDelta), null);
    const first = [
      testCell(100, 1, { events: 1 }),
      testCell(100, 2, { events: 2 }),
      testCell(101, 1, { events: 3 }),
      testCell(100, 1, { level: LEVEL_HOUR, events: 4 }),
    ];
    await store.commit(commitOf(testRows(2, 2), 2, series, withDelta), { cells: first });
    assert.deepEqual((await store.load()).deltas, []);
    assert.equal((await store.load()).nextSeq, 4);
    await store.commit(commitOf([], 4, series, withDelta), null);
    const second = [testCell(100, 2, { events: 20 }), testCell(99, 1, { events: 30 })];
    await store.commit(commitOf([], 4, series), { cells: second });
    assert.deepEqual((await store.load()).deltas, []);
    assert.deepEqual(
      await store.readCells({ ...minuteCells, want: 0 }),
      [second[1], first[0], second[0], first[2]],
    );
    assert.deepEqual(await store.readCells({ ...minuteCells, level: LEVEL_HOUR, want: 0 }), [
      first[3],
    ]);
    await store.commit(commitOf([], 4, series, withDelta), { cells: [] });
    assert.deepEqual((await store.load()).deltas, []);
    await store.close();
  });

  test("commit() adds cells that are said to be new beside others", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const [old, changed, fresh] = [
      testCell(100, 1, { events: 1 }),
      testCell(100, 1, { events: 2 }),
      testCell(101, 1, { events: 3 }),
    ];
    await store.commit(commitOf([], 0, series), { cells: [old] });
    const cells = [changed, { ...fresh, isNew: true }];
    await store.commit(commitOf([], 0, series), { cells });
    assert.deepEqual(await store.readCells({ ...minuteCells, want: 0 }), [changed, fresh]);
    await store.close();
  });

  test("commit() replaces thousands of cells at once", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const cells = (events: number) =>
      Array.from({ length: 3000 }, (_, i) => {
        return testCell(Math.floor(i / 10), i % 10, { events, users: new Uint8Array(i % 5000) });
      });
    await store.commit(commitOf([], 0, series), { cells: cells(1) });
    await store.commit(commitOf([], 0, series), { cells: cells(2) });
    const query = { ...minuteCells, fromBucket: 0, want: 1 };
    assert.deepEqual(await store.readCells(query), cells(2));
    await store.close();
  });
}

function concurrencyTests(test: StoreTest): void {
  test("rowsInRange() sees all of a commit or nothing of it while it runs", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    await store.commit(commitOf(testRows(10), 0, series), null);
    let committed = false;
    const commit = store.commit(commitOf(testRows(40_000, 10), 10, series), null)
      .then(() => committed = true);
    const counts: number[] = [];
    while (!committed) counts.push((await store.rowsInRange(0, Infinity, null)).count);
    await commit;
    assert.ok(counts.every((count) => count === 10 || count === 40_010), counts.join());
    assert.equal((await store.rowsInRange(0, Infinity, null)).count, 40_010);
    await store.close();
  });

  test("commit() runs one after the other when several are asked for", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const commits = Array.from({ length: 8 }, (_, i) => {
      return store.commit(commitOf(testRows(100, 100 * i), 100 * i, series), null);
    });
    await Promise.all(commits);
    assert.equal((await store.load()).nextSeq, 800);
    assert.equal((await store.rowsInRange(0, Infinity, null)).count, 800);
    await store.close();
  });

  test("reads answer alike when many are asked for at once", async (place) => {
    const store = await place.open();
    await store.commit(commitOf(testRows(5000), 0, new TestSeries()), null);
    const reads = Array.from({ length: 20 }, () => store.rowsInRange(0, Infinity, null));
    const counts = (await Promise.all(reads)).map((rows) => rows.count);
    assert.deepEqual(counts, new Array(20).fill(5000));
    await store.close();
  });
}

function closeTests(test: StoreTest): void {
  test("close() may be called twice and ends what the store can do", async (place) => {
    const store = await place.open();
    await store.close();
    await store.close();
    const closed = { name: "StoreError", code: "RTA_STORE_UNAVAILABLE" };
    await assert.rejects(store.load(), closed);
    await assert.rejects(store.commit(commitOf([], 0, new TestSeries()), null), closed);
  });

  test("close() waits for the commits that were asked for", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const commit = store.commit(commitOf(testRows(20_000), 0, series), null);
    await Promise.all([store.close(), commit]);
    const again = await place.open();
    assert.equal((await again.rowsInRange(0, Infinity, null)).count, 20_000);
    await again.close();
  });

  test("open() is refused while the partition is open already", async (place) => {
    const store = await place.open();
    await assert.rejects(place.open(), { name: "StoreError", code: "RTA_STORE_LOCKED" });
    await store.close();
    await (await place.open()).close();
  });
}

const minuteCells = { level: LEVEL_MINUTE, fromBucket: 0, toBucket: 1000, series: null } as const;

/** A minute cell with sums that tell it from others. */
export function testCell(
  bucket: number,
  series: number,
  given: Partial<StoredCell>,
): StoredCell {
  return {
    level: LEVEL_MINUTE,
    bucket,
    series,
    events: 1,
    minTimestampMs: BASE_MS + series,
    maxTimestampMs: BASE_MS + 2 * series,
    amountCount: 2 ** 33 + series,
    amountSum: 0.5 + series,
    users: null,
    sessions: null,
    amounts: null,
    ...given,
  };
}
