/** The part of the EventStore contract that is about scans; see event_store_contract.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { PropertyValue } from "../../lib/event/event.ts";
import { makeProperties } from "../../lib/event/event.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import {
  type EventView,
  matchesFilter,
  textView,
  valueOf,
} from "../../lib/query/filter/match_filter.ts";
import type { PartitionStore, RowScan, ScannedRows } from "../../lib/store/event_store.ts";
import { madeFilters, propertiesText, propertySets } from "../support/made_filters.ts";
import type { StoreTest } from "./event_store_contract.ts";
import {
  BASE_MS,
  commitOf,
  storedOf,
  type TestRow,
  testRow,
  testRows,
  TestSeries,
} from "./event_store_rows.ts";

const NEVER = new AbortController().signal;

const ALL: RowScan = {
  project: "shop",
  fromMs: 0,
  toMs: Infinity,
  filter: null,
  columns: ["seq"],
  matches: [],
  keepsUnmatched: false,
  values: [],
  userPart: null,
};

/** Registers the tests of scans. */
export function eventStoreScanTests(test: StoreTest): void {
  matchTest(test);
  labelTest(test);
  scopeTests(test);
  endTests(test);
}

function matchTest(test: StoreTest): void {
  test("scanRows() gives the rows that match, as plain code would", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, fc.sample(propertySets, { numRuns: 300, seed: 7 }));
    const subjects = ["page", "n", "ü", "type", "category", "amount", "session_id", "source"]
      .map(subjectNamed);
    await fc.assert(
      fc.asyncProperty(fc.array(madeFilters, { minLength: 1, maxLength: 4 }), async (made) => {
        const [{ filter }, ...others] = made;
        const matches = others.map((each) => each.filter ?? { kind: "and", filters: [] } as const);
        const scan: RowScan = { ...ALL, filter, matches, keepsUnmatched: true, values: subjects };
        const found = await read(store, scan);
        const expected = rows.filter(({ view }) => matchesFilter(filter, view));
        assert.deepEqual(found.map(({ seq }) => seq), expected.map(({ seq }) => seq));
        expected.forEach(({ view }, i) => {
          const bits = matches.map((each) => matchesFilter(each, view));
          assert.deepEqual(found[i].bits.slice(0, bits.length), bits);
          const texts = subjects.map((subject) => textOf(subject, view));
          assert.deepEqual(found[i].values, texts);
        });
      }),
      { numRuns: 300 },
    );
    await store.close();
  });
}

function labelTest(test: StoreTest): void {
  test("scanRows() labels the rows that the label is for, and tells their order", async (place) => {
    const store = await place.open();
    // The fourth row is made without properties.
    const sets: Record<string, PropertyValue | null>[] = [
      { page: "x", n: 1 },
      { page: "y", n: null },
      { page: null, n: 2 },
      {},
      {
        page: 5,
        n: "1",
      },
    ];
    await commitMade(store, sets);
    const hasN = { kind: "exists", subject: subjectNamed("n"), negated: false } as const;
    const label = { subject: subjectNamed("page"), of: hasN };
    const labels: (string | null)[] = [];
    await store.scanRows({ ...ALL, filter: hasN, label, checksOrder: true }, (rows) => {
      assert.equal(rows.inOrder, true);
      labels.push(...Array.from(rows.label!.ids, (id) => rows.label!.texts[id]));
    }, NEVER);
    assert.deepEqual(labels, ["x", null, "5"]);
    await store.close();
  });
}

function scopeTests(test: StoreTest): void {
  test("scanRows() keeps to range, project, masks and users", async (place) => {
    const store = await place.open();
    await commitMade(store, fc.sample(propertySets, { numRuns: 100, seed: 3 }));
    const seqs = async (given: Partial<RowScan>) =>
      (await read(store, { ...ALL, ...given })).map(({ seq }) => seq);
    const inRange = await seqs({ fromMs: BASE_MS + 100, toMs: BASE_MS + 150 });
    assert.deepEqual(inRange, [10, 11, 12, 13, 14]);
    assert.deepEqual(await seqs({ project: "other" }), []);
    const isPurchase = { kind: "in", subject: subjectNamed("type"), values: ["purchase"] } as const;
    const purchases = await seqs({ matches: [{ ...isPurchase, negated: false }] });
    assert.deepEqual(purchases, Array.from({ length: 33 }, (_, i) => 3 * i + 1));
    const matches = [{ ...isPurchase, negated: false }];
    assert.deepEqual(await seqs({ project: "other", matches }), []);
    assert.deepEqual(
      await seqs({ matches: [{ ...isPurchase, values: ["never"], negated: false }] }),
      [],
    );
    await pickedByType(store);
    const parts = await Promise.all([0, 1, 2].map((index) => seqs({ userPart: { index, of: 3 } })));
    assert.ok(parts.every((part) => part.length < 100));
    assert.deepEqual(parts.flat().sort((a, b) => a - b), await seqs({}));
    await store.close();
  });
}

function endTests(test: StoreTest): void {
  test("scanRows() ends with what is thrown into it, and the store goes on", async (place) => {
    const store = await place.open();
    await store.commit(commitOf(testRows(5_000), 0, new TestSeries()), null);
    const scanning = store.scanRows(ALL, () => {
      throw new Error("not these");
    }, NEVER);
    await assert.rejects(scanning, /not these/);
    assert.equal((await read(store, ALL)).length, 5_000);
    await store.close();
  });

  test("scanRows() ends soon when it is aborted, and the store goes on", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const rows = Array.from({ length: 50_000 }, (_, i) => testRow(i));
    await store.commit(commitOf(rows, 0, series), null);
    const stop = new AbortController();
    let seen = 0;
    const scanning = store.scanRows(ALL, (chunk) => {
      seen += chunk.count;
      stop.abort(new Error("enough"));
    }, stop.signal);
    await assert.rejects(scanning, /^Error: enough$/);
    assert.ok(seen < 50_000, `${seen} rows were read`);
    await assert.rejects(store.scanRows(ALL, () => {}, stop.signal), /enough/);
    assert.equal((await read(store, ALL)).length, 50_000);
    await store.close();
  });

  test("userIdsOf() names the users of rows in the order asked", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, Array.from({ length: 30 }, () => ({})));
    const seqs = [17, 3, 29, 0];
    const ids = seqs.map((seq) => rows[seq].view.userId);
    assert.deepEqual(await store.userIdsOf(seqs, NEVER), ids);
    assert.deepEqual(await store.userIdsOf([], NEVER), []);
    await store.close();
  });

  test("knownKeys() tells which keys events have", async (place) => {
    const store = await place.open();
    await commitMade(store, [{ page: "x", n: null }, { "a/b~c": 5 }]);
    const keys = ["page", "n", "a/b~c", "nothing"];
    const range = { project: "shop", fromMs: 0, toMs: Infinity, keys };
    assert.deepEqual(await store.knownKeys(range, NEVER), ["page", "a/b~c"]);
    assert.deepEqual(await store.knownKeys({ ...range, toMs: BASE_MS + 5 }, NEVER), ["page"]);
    await store.close();
  });
}

/** A row as committed, and what filters see of it. */
export interface MadeRow {
  readonly seq: number;
  readonly view: EventView;
  readonly row: TestRow;
}

/** Commits a row for each of these properties, every tenth with long ones. */
export async function commitMade(
  store: PartitionStore,
  sets: readonly Record<string, PropertyValue | null>[],
): Promise<MadeRow[]> {
  const made = sets.map((set, i) => {
    const properties = i % 10 === 0 ? { ...set, long: "ü".repeat(1_200) } : set;
    const row: TestRow = {
      ...testRow(i),
      sessionId: i % 4 === 0 ? `session-${i % 3}` : null,
      properties: i % 17 === 3 ? null : propertiesText(properties, i % 2 === 0),
    };
    return { row, properties: i % 17 === 3 ? {} : properties };
  });
  await store.commit(commitOf(made.map(({ row }) => row), 0, new TestSeries()), null);
  return made.map(({ row, properties }, seq) => {
    const { sessionId, source } = storedOf(row, seq);
    const view = {
      ...row,
      sessionId,
      source,
      properties: makeProperties(Object.entries(properties)),
    };
    return { seq, view, row };
  });
}

/** Rows told by types that lie apart have all of their columns, whatever lies between them. */
async function pickedByType(store: PartitionStore): Promise<void> {
  const ofType = (type: string) => (
    { kind: "in", subject: subjectNamed("type"), values: [type], negated: false } as const
  );
  const columns = ["seq", "user_hash", "session_hash", "timestamp", "amount"] as const;
  const matches = [ofType("signup"), ofType("page_view")];
  const picked: unknown[] = [];
  const expected: unknown[] = [];
  const rowOf = (rows: ScannedRows, i: number) => ({
    seq: rows.seq![i],
    series: rows.series[i],
    userHash: [...rows.userHash!.subarray(2 * i, 2 * i + 2)],
    sessionHash: [...rows.sessionHash!.subarray(2 * i, 2 * i + 2)],
    timestampMs: rows.timestampMs![i],
    amount: rows.amount![i],
    match: rows.match![i],
  });
  const scan: RowScan = { ...ALL, columns, matches, checksOrder: true };
  await store.scanRows(scan, (rows) => {
    assert.equal(rows.inOrder, true);
    for (let i = 0; i < rows.count; i++) picked.push(rowOf(rows, i));
  }, NEVER);
  await store.scanRows({ ...scan, keepsUnmatched: true }, (rows) => {
    for (let i = 0; i < rows.count; i++) {
      if (rows.match![i] !== 0) expected.push(rowOf(rows, i));
    }
  }, NEVER);
  assert.equal(picked.length, 67);
  assert.deepEqual(picked, expected);
}

interface FoundRow {
  readonly seq: number;
  readonly bits: readonly boolean[];
  readonly values: readonly (string | null)[];
}

async function read(store: PartitionStore, scan: RowScan): Promise<FoundRow[]> {
  const found: FoundRow[] = [];
  await store.scanRows(scan, (rows: ScannedRows) => {
    for (let i = 0; i < rows.count; i++) {
      const match = rows.match?.[i] ?? 0;
      found.push({
        seq: rows.seq![i],
        bits: Array.from({ length: 31 }, (_, bit) => (match >>> bit & 1) === 1),
        values: rows.values.map((texts) => texts[i]),
      });
    }
  }, NEVER);
  return found.sort((a, b) => a.seq - b.seq);
}

/** The text view of a subject; of the category, its name. */
export function textOf(subject: Parameters<typeof valueOf>[0], view: EventView): string | null {
  if (subject.kind === "field" && subject.name === "category") {
    return [
      "",
      "EVENT_TYPE_USER",
      "EVENT_TYPE_TRANSACTION",
      "EVENT_TYPE_SYSTEM",
      "EVENT_TYPE_CUSTOM",
    ][
      view.category
    ];
  }
  return textView(valueOf(subject, view));
}
