/**
 * Columns of properties (lib/store/duckdb/property_columns.ts): the store answers as its contract
 * says while they are made and when they are, and what is in their file.
 */
import assert from "node:assert/strict";
import {
  PROPERTY_COLUMNS_KEPT,
  PROPERTY_COLUMNS_MAX,
  PROPERTY_TEXT_BYTES_MAX,
} from "../../lib/config/store_limits.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import { native } from "../../lib/store/duckdb/native.ts";
import { readStream } from "../../lib/store/duckdb/read_stream.ts";
import type { GroupScan, PartitionStore } from "../../lib/store/event_store.ts";
import { openWithRuns, RUN_ROWS, testInFolder } from "../support/side_file_scene.ts";
import type { StoreTest } from "./event_store_contract.ts";
import { eventStoreGroupTests } from "./event_store_groups.ts";
import { eventStorePeriodTests } from "./event_store_periods.ts";
import { BASE_MS, commitOf, testRow, TestSeries } from "./event_store_rows.ts";
import { eventStoreScanTests } from "./event_store_scans.ts";

const NEVER = new AbortController().signal;
/** More than any test here has runs to make. */
const TURNS = 60;
const FILE = "events-000.duckdb.properties";

const test = testInFolder("property columns");

/** What of the contract there may be columns in. */
const WITH_PROPERTIES = /as plain code would|labels the rows|keeps to range/;

/** Contract tests, after which there must be columns of the properties they ask for. */
const contractTest = (keys: readonly string[], rows: number): StoreTest => (what, body) => {
  if (!WITH_PROPERTIES.test(what)) return;
  test(what, async (folder) => {
    await body({ open: () => openWithRuns(folder), remove: () => Promise.resolve() });
    if (!what.includes("as plain code would")) return;
    const ends = await columnEnds(folder);
    for (const key of keys) assert.ok(ends.get(key)! >= rows, `${key} of ${[...ends]}`);
  });
};

const keys = ["page", "n", "ü", "a/b~c"];
eventStoreScanTests(contractTest(keys, 296));
eventStoreGroupTests(contractTest(keys, 296));
eventStorePeriodTests(contractTest(["r"], RUN_ROWS));

test("a long text ends them where it is, and answers go on", async (folder) => {
  const store = await openWithRuns(folder);
  await commitTexts(store, (i) => ({ page: i % 3, long: i === 100 ? "x".repeat(1_200) : "y" }));
  const ends = await untilEnds(store, folder, ["page", "long"], { page: 185, long: 74 });
  assert.deepEqual([...ends.keys()].sort(), ["long", "page"]);
});

test("texts that are long on average are not kept", async (folder) => {
  const store = await openWithRuns(folder);
  await commitTexts(store, (i) => ({ page: i % 3, url: `${i}`.repeat(60) }));
  await untilEnds(store, folder, ["page", "url"], { page: 185 });
});

test("the longest text there may be is kept", async (folder) => {
  const store = await openWithRuns(folder);
  const long = "x".repeat(PROPERTY_TEXT_BYTES_MAX - 2);
  await commitTexts(store, (i) => ({ page: i % 3, long: i % 37 === 0 ? long : "y" }));
  await untilEnds(store, folder, ["long"], { long: 185 });
});

test("there are so many and no more, of which those asked for last stay", async (folder) => {
  const store = await openWithRuns(folder);
  const names = Array.from({ length: PROPERTY_COLUMNS_MAX + 2 }, (_, i) => `p${i}`);
  await commitTexts(store, (i) => Object.fromEntries(names.map((name) => [name, i % 3])));
  const first = names.slice(0, PROPERTY_COLUMNS_MAX);
  const all = Object.fromEntries(first.map((name) => [name, 185]));
  await untilEnds(store, folder, names, all);
  const again = await openWithRuns(folder);
  await again.close();
  // Opened by the first who asks for one.
  assert.equal((await columnEnds(folder)).size, PROPERTY_COLUMNS_MAX);
  const third = await openWithRuns(folder);
  assert.equal(await countOf(third, first.at(-1)!, "1"), 67);
  await third.close();
  assert.equal((await columnEnds(folder)).size, PROPERTY_COLUMNS_KEPT);
});

test("new rows and another start follow", async (folder) => {
  const store = await openWithRuns(folder);
  const series = new TestSeries();
  await commitTexts(store, (i) => ({ page: i % 3 }), series);
  await untilEnds(store, folder, ["page"], { page: 185 });
  const again = await openWithRuns(folder);
  assert.equal(await countOf(again, "page", "1"), 67);
  await commitTexts(again, (i) => ({ page: i % 3 }), series, 200);
  assert.equal(await countOf(again, "page", "1"), 134);
  await untilEnds(again, folder, ["page"], { page: 370 });
});

test("they are made anew when their file is lost, broken or of other rows", async (folder) => {
  const others = `${folder}/others`;
  const other = await openWithRuns(others);
  await commitTexts(other, (i) => ({ page: `other ${i % 3}` }), new TestSeries(), 0, 5);
  await untilEnds(other, others, ["page"], { page: 185 });
  const store = await openWithRuns(folder);
  await commitTexts(store, (i) => ({ page: i % 3 }));
  await untilEnds(store, folder, ["page"], { page: 185 });
  const file = `${folder}/${FILE}`;
  const anew = "columns of properties are made anew";
  const spoils = [
    { spoil: () => Deno.remove(file), tells: [] },
    { spoil: () => Deno.writeTextFile(file, "x".repeat(50_000)), tells: [anew] },
    { spoil: () => Deno.copyFile(`${others}/${FILE}`, file), tells: [anew] },
    { spoil: () => Promise.resolve(), tells: [] },
  ];
  for (const { spoil, tells } of spoils) {
    await spoil();
    const told: string[] = [];
    const again = await openWithRuns(folder, told);
    assert.equal(await countOf(again, "page", "1"), 67);
    await untilEnds(again, folder, ["page"], { page: 185 });
    assert.deepEqual(told, tells);
  }
});

test("answers do without them, and say so, when they can't be opened", async (folder) => {
  // A folder with something in it, where the file belongs.
  await Deno.mkdir(`${folder}/${FILE}/sub`, { recursive: true });
  const told: string[] = [];
  const store = await openWithRuns(folder, told);
  await commitTexts(store, (i) => ({ page: i % 3 }));
  for (let asked = 0; asked < 3; asked++) assert.equal(await countOf(store, "page", "1"), 67);
  await store.close();
  assert.deepEqual(told, [
    "columns of properties are made anew",
    "columns of properties can't be opened: rows are read in their place",
  ]);
});

/** Commits 200 rows with these properties, the first of them the `from`th. */
async function commitTexts(
  store: PartitionStore,
  properties: (i: number) => Record<string, string | number>,
  series = new TestSeries(),
  from = 0,
  idsFrom = from,
): Promise<void> {
  const rows = Array.from({ length: 200 }, (_, i) => ({
    ...testRow(idsFrom + i),
    timestampMs: BASE_MS + from + i,
    properties: JSON.stringify(properties(i)),
  }));
  await store.commit(commitOf(rows, from, series), null);
}

/** How many events have this text view of a property; every question counts all of them. */
async function countOf(store: PartitionStore, key: string, text: string): Promise<number> {
  const scan: GroupScan = {
    ...{ project: "shop", boundsMs: Float64Array.of(0, Date.UTC(2100, 0)), filter: null },
    ...{ by: [subjectNamed(key)], value: null, splits: [] },
  };
  let found = 0, all = 0;
  await store.groupRows(scan, ({ count, keys: [{ ids, texts }], events }) => {
    for (let i = 0; i < count; i++) {
      all += events[i];
      if (texts[ids[i]] === text) found += events[i];
    }
  }, NEVER);
  assert.equal(all, store.nextSeq);
  return found;
}

/**
 * Asks for these properties, and closes the store when no more can be made of them.
 *
 * @param expected the end of the last run by key, of all columns there are
 * @returns the same as it is in the file
 */
async function untilEnds(
  store: PartitionStore,
  folder: string,
  names: readonly string[],
  expected: Record<string, number>,
): Promise<Map<string, number>> {
  for (const name of names) await countOf(store, name, "1");
  // A commit waits for the run that is being made, and the next run for the commit.
  for (let turn = 0; turn < TURNS; turn++) {
    await store.commit(commitOf([], store.nextSeq, new TestSeries()), null);
  }
  await store.close();
  const ends = await columnEnds(folder);
  assert.deepEqual(Object.fromEntries([...ends].sort()), expected);
  return ends;
}

/** By key, where the runs of its column end. */
async function columnEnds(folder: string): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  const database = await native.open(`${folder}/${FILE}`, native.create_config());
  const connection = await native.connect(database);
  await readStream(connection, "SELECT key, end_seq FROM properties", [], (chunk) => {
    const seqs = chunk.int64(1);
    chunk.strings(0).forEach((key, i) => ends.set(key!, seqs[i]));
  });
  native.disconnect_sync(connection);
  native.close_sync(database);
  return ends;
}
