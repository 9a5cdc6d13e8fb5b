/** The part of the EventStore contract that is about users; see event_store_contract.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isOfType } from "../../lib/query/filter/filter.ts";
import { PART_MS, type SessionPartChunk } from "../../lib/query/user/session_part.ts";
import { derivedSessionId } from "../../lib/query/user/session_table.ts";
import { UserHistory } from "../../lib/query/user/user_history.ts";
import type { PartitionStore, SessionPartsQuery } from "../../lib/store/event_store.ts";
import { sessionParts } from "../support/session_parts.ts";
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
const HOUR_MS = 3_600_000;
/** Later than any event time, ms since the epoch. */
const END_MS = 253_402_300_800_000;

/** Registers the tests of users. */
export function eventStoreUserTests(test: StoreTest): void {
  sessionPartsTests(test);
  fewRowsTests(test);
  userEventsFilterTests(test);
  findUsersTests(test);
}

function sessionPartsTests(test: StoreTest): void {
  test("sessionParts() gives all rows of one user, by session", async (place) => {
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
    for (const range of [{}, { fromSeq: 1 }, { toSeq: 2 }, { fromMs: BASE_MS + 5 }]) {
      await holdParts(store, rows, range);
    }
    const nobody = await historyIn(store, { userId: "zoe" });
    assert.deepEqual(nobody, historyOf([], {}));
    await store.close();
  });

  test("sessionParts() finds rows in many commits, with types that came later", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const all: TestRow[] = [];
    for (const count of [3_000, 1, 35_000, 10]) {
      const rows = Array.from({ length: count }, (_, i) => {
        return testRow(all.length + i, { type: `type-${all.length}`, sessionId: `s-${i % 3}` });
      });
      await store.commit(commitOf(rows, all.length, series), null);
      all.push(...rows);
      await holdParts(store, all, { userId: "user-3" });
    }
    await store.close();
    const again = await place.open();
    assert.equal(again.nextSeq, all.length);
    await holdParts(again, all, { userId: "user-4" });
    await again.close();
  });

  test("sessionParts() and sessionIds() are the same whatever was added up before", async (place) => {
    let store = await place.open();
    const series = new TestSeries();
    const all: TestRow[] = [];
    const queries = fc.record({
      userId: fc.constantFrom("ann", "bob", "cid"),
      fromSeq: fc.oneof(fc.constant(0), fc.nat(30_000)),
      toSeq: fc.oneof(fc.constant(Number.MAX_SAFE_INTEGER), fc.nat(30_000)),
      fromMs: fc.oneof(fc.constant(0), timesMs),
      toMs: fc.oneof(fc.constant(END_MS), timesMs),
    });
    for (const count of [9_000, 9_000, 12_000]) {
      const rows = fc.sample(scatteredRows, { numRuns: count, seed: count + all.length });
      await store.commit(commitOf(rows, all.length, series), null);
      all.push(...rows);
      await fc.assert(
        fc.asyncProperty(queries, (query) => holdParts(store, all, query)),
        { numRuns: 15 },
      );
      await store.close();
      store = await place.open();
    }
    await store.close();
  });
}

/** Hours in which many rows have the same times, and sessions last for hours. */
const timesMs = fc.oneof(fc.nat(20), fc.nat(5 * HOUR_MS)).map((offset) => BASE_MS + offset);

const scatteredRows = fc.record({
  i: fc.nat(1_000_000),
  userId: fc.constantFrom("ann", "bob", "cid", "dan", "eve"),
  session: fc.nat(40),
  timestampMs: timesMs,
  type: fc.constantFrom("page_view", "purchase", "subscription", "refund", "transfer", "click"),
  category: fc.constantFrom(1, 2, 4),
  amount: fc.constantFrom(null, 0.5, 2, -3),
}).map(({ i, session, ...given }) => {
  const name = `${given.userId} ${session}`;
  return testRow(i, { ...given, sessionId: session % 2 === 0 ? name : null, derivedSession: name });
});

function fewRowsTests(test: StoreTest): void {
  test("a user's few rows are found among many, however often it is asked", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const rare = [3, 4, 40_000, 40_001, 40_002, 90_000, 95_000, 150_000, 199_999];
    const rows = Array.from({ length: 200_000 }, (_, i) => {
      return testRow(i, { userId: rare.includes(i) ? "ann" : `user-${i % 5_000}` });
    });
    for (let at = 0; at < rows.length; at += 50_000) {
      const end = at + 50_000;
      await store.commit(commitOf(rows.slice(at, end), at, series), null);
      const user = { project: "shop", userId: "ann", userHash: testHash("shop ann") };
      const known = rare.filter((seq) => seq < end);
      // Ranges may overlap.
      const wide = { fromSeq: 4, toSeq: 90_001 };
      const near = [wide, ...known.map((seq) => ({ fromSeq: seq, toSeq: seq + 1 }))];
      // A store may learn in the meantime where the rows of users are: nothing may change by that.
      for (let asked = 0; asked < 6; asked++) {
        await holdParts(store, rows.slice(0, end), {});
        const page = { ...user, fromMs: 0, toMs: Infinity, limit: 5, before: null };
        const found = await store.userEvents({ ...page, near });
        assert.deepEqual(found.map(({ seq }) => seq), known.toReversed().slice(0, 5));
        const { timestampMs } = rows[known[known.length - 1]];
        const before = { timestampMs, seq: known[known.length - 1] };
        const older = await store.userEvents({ ...page, near, before, limit: 1 });
        assert.deepEqual(older.map(({ seq }) => seq), [known[known.length - 2]]);
        const sessionIdOf = ([low]: readonly [number, number]) => low % 2 === 0 ? null : "told";
        const named = await store.userEvents({ ...page, near, sessionIdOf });
        for (const [at, event] of named.entries()) {
          const sessionId = sessionIdOf(event.sessionHash!) ??
            derivedSessionId(...event.sessionHash!);
          assert.deepEqual(event, { ...found[at], sessionId });
        }
      }
    }
    await store.close();
  });

  test("sessionParts() and userEvents() end with the signal's reason", async (place) => {
    const store = await place.open();
    await store.commit(commitOf(testRows(10), 0, new TestSeries()), null);
    const reason = new Error("enough");
    const gone = AbortSignal.abort(reason);
    const query = { ...everything, userHash: testHash("shop user-1") };
    await assert.rejects(store.sessionParts(query, () => {}, gone), reason);
    const page = { project: "shop", userId: "user-1", fromMs: 0, toMs: Infinity, limit: 1 };
    await assert.rejects(store.userEvents({ ...page, before: null }, gone), reason);
    const search = { project: "shop", prefix: "", after: null, limit: 1 };
    await assert.rejects(store.findUsers(search, gone), reason);
    assert.equal((await historyIn(store, { userId: "user-1" })).totals[0], 2);
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
  toMs: END_MS,
};

type AskedParts = Partial<Omit<SessionPartsQuery, "userHash">> & { readonly userId?: string };

/** Adds up parts; what all of them come to is in an order of its own. */
function sumOfParts() {
  const history = new UserHistory();
  const ids = new Map<string, string | null>();
  const add = (chunk: SessionPartChunk) => {
    history.addParts(chunk);
    for (let part = 0; part < chunk.count; part++) {
      const hash = chunk.sessionHash.subarray(2 * part, 2 * part + 2);
      ids.set(hash.join(":"), chunk.sessionId(part));
    }
  };
  const sums = () => {
    const { sessions, activity, firstSeenMs, lastSeenMs } = history;
    const { events, transactions, revenue } = activity;
    return {
      totals: [events, transactions, revenue, firstSeenMs, lastSeenMs],
      days: activity.activeDays("Europe/Berlin"),
      sessions: sessions.all().map((session) => ({
        ...session,
        id: ids.get(session.hash.join(":")),
      }))
        .sort((a, b) => a.hash[0] - b.hash[0] || a.hash[1] - b.hash[1]),
    };
  };
  return { add, sums };
}

/** What the store's parts of ann, or of another user, come to. */
async function historyIn(store: PartitionStore, query: AskedParts) {
  const { add, sums } = sumOfParts();
  const { userId = "ann", ...range } = query;
  const asked = { ...everything, userHash: testHash(`shop ${userId}`), ...range };
  await store.sessionParts(asked, (parts) => {
    for (let part = 0; part < parts.count; part++) {
      const hours = [parts.firstMs, parts.lastMs].map((ms) => Math.floor(ms[part] / PART_MS));
      assert.equal(hours[0], hours[1], "a part lies in one hour");
    }
    add(parts);
  });
  return sums();
}

/** The same, of the rows themselves. */
function historyOf(rows: readonly TestRow[], query: AskedParts) {
  const { userId = "ann", fromSeq, toSeq, fromMs, toMs } = { ...everything, ...query };
  const own = rows.flatMap((row, seq) => {
    const isInRange = seq >= fromSeq && seq < toSeq && row.timestampMs >= fromMs &&
      row.timestampMs < toMs;
    const isOwn = row.userId === userId && row.project === "shop" && isInRange;
    return isOwn ? [{ ...row, seq, session: sessionHashOf(row) }] : [];
  });
  const { add, sums } = sumOfParts();
  add(sessionParts(own));
  return sums();
}

function sessionHashOf(row: TestRow): [low: number, high: number] {
  return testHash(row.sessionId ?? row.derivedSession);
}

/** Holds the store to the rows that were committed: the sums of a query, and its sessions' ids. */
async function holdParts(store: PartitionStore, rows: readonly TestRow[], query: AskedParts) {
  const found = await historyIn(store, query);
  assert.deepEqual(found, historyOf(rows, query));
  const seqs = found.sessions.map(({ minSeq }) => minSeq);
  const userHash = testHash(`shop ${query.userId ?? "ann"}`);
  const ids = await store.sessionIds({ project: "shop", userHash, seqs });
  assert.deepEqual(seqs.map((seq) => ids.get(seq)), seqs.map((seq) => rows[seq].sessionId));
}
