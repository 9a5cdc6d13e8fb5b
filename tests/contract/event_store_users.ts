/** The part of the EventStore contract that is about users; see event_store_contract.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isOfType } from "../../lib/query/filter/filter.ts";
import type { PartitionStore, UserRowsQuery } from "../../lib/store/event_store.ts";
import type { StoreTest } from "./event_store_contract.ts";
import {
  BASE_MS,
  commitOf,
  testHash,
  type TestRow,
  testRow,
  testRows,
  TestSeries,
} from "./event_store_rows.ts";

const never = new AbortController().signal;

/** Registers the tests of users. */
export function eventStoreUserTests(test: StoreTest): void {
  userRowsTests(test);
  userIndexTests(test);
  userEventsFilterTests(test);
  findUsersTests(test);
}

function userRowsTests(test: StoreTest): void {
  test("userRows() gives all rows of one user and their numbers", async (place) => {
    const store = await place.open();
    const rows = [
      testRow(0, { userId: "ann", derivedSession: "s1", timestampMs: BASE_MS + 5, amount: 2.5 }),
      testRow(1, { userId: "ann", derivedSession: "s2", timestampMs: BASE_MS + 3, amount: null }),
      testRow(2, { userId: "ann", sessionId: "a given one", timestampMs: BASE_MS + 9 }),
      testRow(3, { userId: "ann", project: "blog", timestampMs: BASE_MS + 99 }),
      testRow(4, { userId: "bob", timestampMs: BASE_MS + 1 }),
      testRow(5, { userId: "ann", sessionId: "s", timestampMs: BASE_MS + 9 }),
    ];
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    assert.equal(store.nextSeq, 6);
    const expected = [0, 1, 2, 5].map((seq) => rowLine(rows[seq], seq));
    assert.deepEqual(await userRows(store), expected);
    const ranges: [Partial<UserRowsQuery>, number[]][] = [
      [{ fromSeq: 1 }, [1, 2, 5]],
      [{ toSeq: 2 }, [0, 1]],
      [{ fromMs: BASE_MS + 5, toMs: BASE_MS + 9 }, [0]],
      [{ userHash: testHash("shop zoe") }, []],
    ];
    for (const [range, seqs] of ranges) {
      const lines = seqs.map((seq) => rowLine(rows[seq], seq));
      assert.deepEqual(await userRows(store, range), lines);
    }
    await store.close();
  });

  test("userRows() finds rows in many commits, with types that came later", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const all: TestRow[] = [];
    for (const count of [3_000, 1, 35_000, 10]) {
      const rows = Array.from({ length: count }, (_, i) => {
        return testRow(all.length + i, { type: `type-${all.length}`, sessionId: `s-${i % 3}` });
      });
      await store.commit(commitOf(rows, all.length, series), null);
      all.push(...rows);
      const expected = all.flatMap((row, seq) =>
        row.userId === "user-3" ? [rowLine(row, seq)] : []
      );
      const userHash = testHash("shop user-3");
      assert.deepEqual(await userRows(store, { userHash }), expected);
    }
    await store.close();
    const again = await place.open();
    assert.equal(again.nextSeq, all.length);
    await again.close();
  });
}

function userIndexTests(test: StoreTest): void {
  test("userRows() finds the few rows of a user among many, however often it is asked", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const rare = [3, 4, 40_000, 40_001, 90_000, 150_000, 199_999];
    const rows = Array.from({ length: 200_000 }, (_, i) => {
      return testRow(i, { userId: rare.includes(i) ? "ann" : `user-${i % 5_000}` });
    });
    for (let at = 0; at < rows.length; at += 50_000) {
      await store.commit(commitOf(rows.slice(at, at + 50_000), at, series), null);
      // A store may learn in the meantime where the rows of users are: nothing may change by that.
      for (let asked = 0; asked < 12; asked++) {
        const known = rare.filter((seq) => seq < at + 50_000);
        assert.deepEqual(await userRows(store), known.map((seq) => rowLine(rows[seq], seq)));
        const fromSeq = known[known.length - 1], toSeq = fromSeq + 1;
        const one = { fromSeq, toSeq, fromMs: 0, toMs: Infinity, limit: 5, before: null };
        const user = { project: "shop", userId: "ann", userHash: testHash("shop ann") };
        const [event, ...others] = await store.userEvents({ ...user, ...one, isNarrow: true });
        assert.deepEqual([event.id, others], [rows[fromSeq].id, []]);
      }
    }
    await store.close();
  });

  test("userRows() and userEvents() end with the signal's reason", async (place) => {
    const store = await place.open();
    await store.commit(commitOf(testRows(10), 0, new TestSeries()), null);
    const reason = new Error("enough");
    const gone = AbortSignal.abort(reason);
    const query = { ...everything, userHash: testHash("shop user-1") };
    await assert.rejects(store.userRows(query, () => {}, gone), reason);
    const page = { project: "shop", userId: "user-1", fromMs: 0, toMs: Infinity, limit: 1 };
    await assert.rejects(store.userEvents({ ...page, before: null }, gone), reason);
    const search = { project: "shop", prefix: "", after: null, limit: 1 };
    await assert.rejects(store.findUsers(search, gone), reason);
    assert.equal((await userRows(store, { userHash: query.userHash })).length, 2);
    await store.close();
  });
}

function userEventsFilterTests(test: StoreTest): void {
  test("userEvents() keeps to a filter and to rows before a place", async (place) => {
    const store = await place.open();
    const rows = Array.from({ length: 9 }, (_, i) => {
      const properties = JSON.stringify({ n: i, long: "x".repeat(i === 6 ? 3_000 : 1) });
      return testRow(i, { userId: "ann", properties });
    });
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const user = { project: "shop", userId: "ann", fromMs: 0, toMs: Infinity, before: null };
    for (const userHash of [undefined, testHash("shop ann")]) {
      const query = { ...user, userHash, limit: 2 };
      const seqsOf = async (more: Partial<Parameters<PartitionStore["userEvents"]>[0]>) => {
        return (await store.userEvents({ ...query, ...more })).map(({ seq }) => seq);
      };
      assert.deepEqual(await seqsOf({ filter: isOfType(["page_view"]) }), [6, 3]);
      const subject = { kind: "property", key: "n" } as const;
      const filter = { kind: "lte", subject, number: 6 } as const;
      const [newest] = await store.userEvents({ ...query, filter });
      assert.deepEqual([newest.seq, newest.properties], [6, rows[6].properties]);
      const before = { timestampMs: newest.timestampMs, seq: newest.seq };
      assert.deepEqual(await seqsOf({ filter, before }), [5, 4]);
      assert.deepEqual(await seqsOf({ toSeq: 3 }), [2, 1]);
    }
    await store.close();
  });
}

function findUsersTests(test: StoreTest): void {
  const ids = ["ann", "Ann", "anna", "an%", "a_b", "böb", "b", "\u{1f600}", "\u{ffee}", "it's"];

  test("findUsers() finds users by the beginning of their id", async (place) => {
    const store = await place.open();
    const rows = Array.from({ length: 60 }, (_, i) => {
      return testRow(i, {
        userId: ids[(i * 7) % ids.length],
        project: i % 11 === 0 ? "blog" : "shop",
        timestampMs: BASE_MS + (i * 37) % 50,
      });
    });
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const searches = fc.record({
      project: fc.constantFrom("shop", "shop", "blog", "none"),
      prefix: fc.constantFrom("", "a", "an", "an%", "A", "b", "\u{1f600}", "it'", "zz"),
      after: fc.option(fc.constantFrom(...ids, "", "zzz")),
      limit: fc.constantFrom(1, 2, 100),
    });
    await fc.assert(
      fc.asyncProperty(searches, async (search) => {
        assert.deepEqual(await store.findUsers(search, never), foundIn(rows, search));
      }),
      { numRuns: 60 },
    );
    await store.close();
  });
}

/** What a search must find, worked out from the rows. */
function foundIn(
  rows: readonly TestRow[],
  { project, prefix, after, limit }: Parameters<PartitionStore["findUsers"]>[0],
) {
  const users = Map.groupBy(rows.filter((row) => row.project === project), (row) => row.userId);
  return [...users.keys()]
    .filter((id) => id.startsWith(prefix) && (after === null || compareBytes(id, after) > 0))
    .sort(compareBytes).slice(0, limit)
    .map((userId) => {
      const times = users.get(userId)!.map(({ timestampMs }) => timestampMs);
      const [firstSeenMs, lastSeenMs] = [Math.min(...times), Math.max(...times)];
      return { userId, events: times.length, firstSeenMs, lastSeenMs };
    });
}

function compareBytes(a: string, b: string): number {
  const encoder = new TextEncoder();
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at < 0 ? left.length - right.length : left[at] - (right[at] ?? -1);
}

const everything = {
  project: "shop",
  fromSeq: 0,
  toSeq: Number.MAX_SAFE_INTEGER,
  fromMs: 0,
  toMs: Infinity,
};

/** The rows of ann, or of another user, in the order of their places. */
async function userRows(store: PartitionStore, query: Partial<UserRowsQuery> = {}) {
  const lines: unknown[][] = [];
  await store.userRows({ ...everything, userHash: testHash("shop ann"), ...query }, (rows) => {
    for (let i = 0; i < rows.count; i++) {
      const session = [rows.sessionHash[2 * i], rows.sessionHash[2 * i + 1]].join();
      lines.push([
        rows.seq[i],
        rows.types.get(rows.series[i]),
        rows.category[i],
        rows.timestampMs[i],
        session,
        rows.sessionIdOf(i),
        rows.amount[i],
      ]);
    }
  });
  return lines.sort((a, b) => (a[0] as number) - (b[0] as number));
}

function rowLine(row: TestRow, seq: number): unknown[] {
  const session = testHash(row.sessionId ?? row.derivedSession).join();
  const { type, category, timestampMs, sessionId, amount } = row;
  return [seq, type, category, timestampMs, session, sessionId, amount ?? NaN];
}
