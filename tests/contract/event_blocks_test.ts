/**
 * Blocks of events (lib/store/duckdb/event_blocks.ts): scans that they answer give what SQL gives,
 * and what becomes of the file when it is lost, damaged or of other rows.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Condition } from "../../lib/query/filter/filter.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import type { PartitionStore, RowColumn, RowScan } from "../../lib/store/event_store.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import { openWithRuns, RUN_ROWS, testInFolder } from "../support/side_file_scene.ts";
import { BASE_MS, commitOf, testRow, TestSeries } from "./event_store_rows.ts";

const NEVER = new AbortController().signal;
const ROWS = 200;
const BLOCKS = Math.floor(ROWS / RUN_ROWS);
const BLOCK_BYTES = 20 * RUN_ROWS + 40;
const FILE = "events-000.duckdb.blocks";
const TYPES = ["page_view", "purchase", "signup"];

const test = testInFolder("event blocks");

/** Rows of three types, of two projects in turns of five, now and then a late one. */
async function commitRows(store: PartitionStore, idsFrom = 0): Promise<void> {
  const rows = Array.from({ length: ROWS }, (_, i) => ({
    ...testRow(idsFrom + i),
    project: i % 5 === 4 ? "other" : "shop",
    type: TYPES[i * i % 3],
    timestampMs: BASE_MS + 10 * i - (i % 23 === 0 ? 700 : 0),
  }));
  await store.commit(commitOf(rows, 0, new TestSeries()), null);
}

const ofTypes = (values: readonly string[]): Condition => (
  { kind: "in", subject: subjectNamed("type"), values, negated: false }
);

const ALL: RowScan = {
  project: "shop",
  fromMs: 0,
  toMs: Infinity,
  filter: null,
  columns: ["seq", "user_hash", "timestamp"],
  matches: [ofTypes(["purchase"]), ofTypes(["signup", "page_view"])],
  keepsUnmatched: false,
  values: [],
  userPart: null,
};

/** Everything that a scan tells of each row. */
async function read(store: PartitionStore, scan: RowScan): Promise<unknown[]> {
  const found: unknown[] = [];
  await store.scanRows(scan, (rows) => {
    assert.equal(rows.inOrder, scan.checksOrder ? true : null);
    for (let i = 0; i < rows.count; i++) {
      found.push({
        type: rows.types.get(rows.series[i]),
        match: rows.match![i],
        seq: rows.seq?.[i],
        user: rows.userHash?.slice(2 * i, 2 * i + 2).join(),
        timestampMs: rows.timestampMs?.[i],
      });
    }
  }, NEVER);
  return found;
}

function blocksOf(folder: string): number {
  try {
    return Deno.statSync(`${folder}/${FILE}`).size / BLOCK_BYTES;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** A store of ROWS rows, all blocks of which are made. */
async function withBlocks(folder: string, idsFrom = 0): Promise<PartitionStore> {
  const store = await openWithRuns(folder);
  await commitRows(store, idsFrom);
  await untilMade(store, folder);
  return store;
}

async function untilMade(store: PartitionStore, folder: string): Promise<void> {
  await read(store, ALL);
  await waitUntil(() => blocksOf(folder) === BLOCKS, { what: `${BLOCKS} blocks` });
}

test("scanRows() gives what it gives without them", async (folder) => {
  const store = await withBlocks(folder);
  // Runs that never come to be.
  const plain = await openWithRuns(`${folder}/plain`, [], 1_000);
  await commitRows(plain);
  const subsets = fc.subarray(["seq", "user_hash", "timestamp"] satisfies RowColumn[]);
  const filters = fc.subarray([...TYPES, "never"]).map(ofTypes);
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        project: fc.constantFrom("shop", "other", "none"),
        fromMs: fc.integer({ min: -800, max: 2_100 }).map((each) => BASE_MS + each),
        toMs: fc.integer({ min: -800, max: 2_100 }).map((each) => BASE_MS + each),
        columns: subsets,
        matches: fc.array(filters, { minLength: 1, maxLength: 3 }),
        checksOrder: fc.boolean(),
      }),
      async (made) => {
        const scan: RowScan = { ...ALL, ...made };
        assert.deepEqual(await read(store, scan), await read(plain, scan));
      },
    ),
    { numRuns: 200 },
  );
  assert.equal((await read(store, ALL)).length, ROWS * 4 / 5);
  await store.close();
  await plain.close();
});

test("scanRows() ends when it is aborted, and with what is thrown into it", async (folder) => {
  const store = await withBlocks(folder);
  const stop = new AbortController();
  let calls = 0;
  const scanning = store.scanRows(ALL, () => {
    calls++;
    stop.abort(new Error("enough"));
  }, stop.signal);
  await assert.rejects(scanning, /^Error: enough$/);
  assert.equal(calls, 1);
  await assert.rejects(
    store.scanRows(ALL, () => {
      throw new Error("not these");
    }, NEVER),
    /not these/,
  );
  assert.equal((await read(store, ALL)).length, ROWS * 4 / 5);
  await store.close();
});

test("the file follows, and is there at another start", async (folder) => {
  const store = await withBlocks(folder);
  const series = new TestSeries();
  const more = Array.from({ length: RUN_ROWS }, (_, i) => testRow(ROWS + i));
  await store.commit(commitOf(more, ROWS, series), null);
  await waitUntil(() => blocksOf(folder) === BLOCKS + 1, { what: "a block more" });
  const before = await read(store, ALL);
  await store.close();
  const told: string[] = [];
  const again = await openWithRuns(folder, told);
  assert.deepEqual(await read(again, ALL), before);
  await again.close();
  assert.deepEqual(told, []);
});

test("close() leaves whole blocks, whenever it comes", async (folder) => {
  for (let round = 0; round < 10; round++) {
    const place = `${folder}/${round}`;
    const store = await openWithRuns(place);
    await commitRows(store);
    await read(store, ALL);
    await someTime(round);
    await store.close();
    const left = blocksOf(place);
    assert.ok(Number.isInteger(left), `${left} blocks`);
    Deno.removeSync(place, { recursive: true });
  }
});

test("it is made anew from where it is damaged, and answers go on", async (folder) => {
  const store = await withBlocks(folder);
  const expected = await read(store, ALL);
  await store.close();
  const made = Deno.readFileSync(`${folder}/${FILE}`);
  const other = await withBlocks(`${folder}/others`, 5);
  await other.close();
  const file = `${folder}/${FILE}`;
  const anew = "blocks of events are made anew";
  const edit = (at: number, bytes: readonly number[]) => {
    const content = Deno.readFileSync(file);
    content.set(bytes, at);
    Deno.writeFileSync(file, content);
  };
  const spoils: { spoil: () => void; tells: readonly string[] }[] = [
    { spoil: () => {}, tells: [] },
    { spoil: () => Deno.removeSync(file), tells: [] },
    { spoil: () => Deno.truncateSync(file, 2 * BLOCK_BYTES + 5), tells: [] },
    { spoil: () => edit(2 * BLOCK_BYTES + 11, [1, 2, 3]), tells: [anew] },
    { spoil: () => edit(3 * BLOCK_BYTES - 40, [0]), tells: [anew] },
    { spoil: () => Deno.copyFileSync(`${folder}/others/${FILE}`, file), tells: [anew] },
    { spoil: () => Deno.writeTextFileSync(file, "x".repeat(10_000)), tells: [anew] },
  ];
  for (const { spoil, tells } of spoils) {
    spoil();
    const told: string[] = [];
    const again = await openWithRuns(folder, told);
    assert.deepEqual(await read(again, ALL), expected);
    // A damaged file may be as long as a whole one.
    const isMade = () => {
      const bytes = blocksOf(folder) === BLOCKS ? Deno.readFileSync(file) : new Uint8Array(0);
      return bytes.length === made.length && bytes.every((byte, i) => byte === made[i]);
    };
    await waitUntil(isMade, { what: "the same file as before" });
    assert.deepEqual(await read(again, ALL), expected);
    await again.close();
    assert.deepEqual(told, tells);
  }
});

test("answers do without it, and say so, when it can't be opened", async (folder) => {
  await Deno.mkdir(`${folder}/${FILE}`);
  const told: string[] = [];
  const store = await openWithRuns(folder, told);
  await commitRows(store);
  for (let asked = 0; asked < 3; asked++) {
    assert.equal((await read(store, ALL)).length, ROWS * 4 / 5);
  }
  await store.close();
  assert.match(told.join(), /^blocks of events can't be (opened|made): rows are read/);
  assert.equal(told.length, 1);
});
