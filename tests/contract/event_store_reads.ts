/** The part of the EventStore contract that is about reads; see event_store_contract.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  LEVEL_DAY,
  LEVEL_HOUR,
  LEVEL_MINUTE,
  type PartitionStore,
  type StoredEvent,
  type UserEventsQuery,
  WANT_AMOUNTS,
  WANT_SESSIONS,
  WANT_USERS,
} from "../../lib/store/event_store.ts";
import { type StoreTest, testCell } from "./event_store_contract.ts";
import { eventStoreUserTests } from "./event_store_users.ts";
import {
  BASE_MS,
  commitOf,
  storedOf,
  testHash,
  type TestRow,
  testRow,
  testRows,
  TestSeries,
} from "./event_store_rows.ts";

/** Registers the tests of reads. */
export function eventStoreReadTests(test: StoreTest): void {
  recentTests(test);
  cellTests(test);
  rangeTests(test);
  userEventsTests(test);
  eventStoreUserTests(test);
  modelTest(test);
}

/** What dedup and sessions read back; of a store without rows too. */
export function recentTests(test: StoreTest): void {
  test("recentIds() gives each id received at or after a time", async (place) => {
    const store = await place.open();
    const rows = testRows(6000);
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const since = rows[1000].receivedAtMs;
    const found = new Map<string, number>();
    await store.recentIds(since, (idHash, receivedAtMs, count) => {
      for (let i = 0; i < count; i++) {
        found.set(`${idHash[2 * i]},${idHash[2 * i + 1]}`, receivedAtMs[i]);
      }
    });
    const expected = rows.slice(1000)
      .map((row) => [testHash(`shop ${row.id}`).join(), row.receivedAtMs] as const);
    assert.deepEqual(found, new Map(expected));
    await store.close();
  });

  test("recentSessions() gives each user's latest derived session", async (place) => {
    const store = await place.open();
    const rows = [
      testRow(0, { userId: "ann", derivedSession: "a1", timestampMs: BASE_MS + 50 }),
      testRow(1, { userId: "ann", derivedSession: "a2", timestampMs: BASE_MS + 90 }),
      testRow(2, { userId: "ann", derivedSession: "a0", timestampMs: BASE_MS + 10 }),
      testRow(3, { userId: "bob", sessionId: "given" }),
      testRow(4, { userId: "cem", derivedSession: "c1", receivedAtMs: BASE_MS - 1 }),
      testRow(5, { userId: "dan", derivedSession: "d1", receivedAtMs: BASE_MS }),
    ];
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const found = new Map<string, unknown>();
    await store.recentSessions(BASE_MS, (users, sessions, timestamps, received, count) => {
      for (let i = 0; i < count; i++) {
        const session = [sessions[2 * i], sessions[2 * i + 1]];
        found.set(`${users[2 * i]},${users[2 * i + 1]}`, [session, timestamps[i], received[i]]);
      }
    });
    assert.deepEqual(
      found,
      new Map([
        [testHash("shop ann").join(), [testHash("a2"), BASE_MS + 90, rows[2].receivedAtMs]],
        [testHash("shop dan").join(), [testHash("d1"), rows[5].timestampMs, BASE_MS]],
      ]),
    );
    await store.close();
  });

  test("recentIds() passes on what its callback throws and reads on after it", async (place) => {
    const store = await place.open();
    await store.commit(commitOf(testRows(50_000), 0, new TestSeries()), null);
    for (let i = 0; i < 10; i++) {
      const failed = store.recentIds(0, () => {
        throw new Error("enough");
      });
      await assert.rejects(failed, /enough/);
    }
    let ids = 0;
    await store.recentIds(0, (_ids, _received, count) => ids += count);
    assert.equal(ids, 50_000);
    await store.close();
  });
}

function cellTests(test: StoreTest): void {
  const sketches = {
    users: new Uint8Array([1]),
    sessions: new Uint8Array(16_384).fill(2),
    amounts: new Uint8Array([3, 3, 3]),
  };
  const empty = { users: null, sessions: null, amounts: null };

  test("readCells() gives the sketches that are wanted and no others", async (place) => {
    const store = await place.open();
    const cells = [testCell(5, 1, sketches), testCell(5, 2, {}), testCell(6, 1, sketches)];
    await store.commit(commitOf([], 0, new TestSeries()), { cells });
    for (let want = 0; want < 8; want++) {
      const given = await store.readCells({
        level: LEVEL_MINUTE,
        fromBucket: 5,
        toBucket: 7,
        series: null,
        want,
      });
      const expected = cells.map((cell) => ({
        ...cell,
        ...empty,
        ...(want & WANT_USERS ? { users: cell.users } : {}),
        ...(want & WANT_SESSIONS ? { sessions: cell.sessions } : {}),
        ...(want & WANT_AMOUNTS ? { amounts: cell.amounts } : {}),
      }));
      assert.deepEqual(given, expected);
    }
    await store.close();
  });

  test("readCells() keeps to level, buckets and series", async (place) => {
    const store = await place.open();
    const cells = [0, 1, 2].flatMap((level) =>
      [10, 11, 12].flatMap((bucket) =>
        [1, 2, 3].map((series) => testCell(bucket, series, { level: level as 0 | 1 | 2 }))
      )
    );
    await store.commit(commitOf([], 0, new TestSeries()), { cells });
    const query = { level: LEVEL_HOUR, fromBucket: 10, toBucket: 12, want: 0 } as const;
    const keys = async (series: number[] | null, more = {}) => {
      const given = await store.readCells({ ...query, series, ...more });
      return given.map((cell) => `${cell.level}:${cell.bucket}:${cell.series}`);
    };
    assert.deepEqual(await keys([3, 1]), ["1:10:1", "1:10:3", "1:11:1", "1:11:3"]);
    assert.deepEqual(await keys([]), []);
    assert.deepEqual(await keys([9]), []);
    assert.equal((await keys(null, { fromBucket: -5, toBucket: 99 })).length, 9);
    assert.deepEqual(await keys(null, { fromBucket: 12, toBucket: 12 }), []);
    assert.deepEqual(await keys([2], { level: LEVEL_DAY }), ["2:10:2", "2:11:2"]);
    assert.deepEqual(await store.storedBuckets(LEVEL_DAY), [10, 11, 12]);
    await store.close();
  });
}

function rangeTests(test: StoreTest): void {
  test("rowsInRange() takes the first instant and leaves the last", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const rows = testRows(5000);
    await store.commit(commitOf(rows, 0, series), null);
    const given = await store.rowsInRange(rows[100].timestampMs, rows[4000].timestampMs, null);
    const expected = rows.slice(100, 4000);
    assert.equal(given.count, expected.length);
    assert.deepEqual([...given.timestampMs], expected.map((row) => row.timestampMs));
    assert.deepEqual([...given.amount], expected.map((row) => row.amount ?? NaN));
    assert.deepEqual([...given.series], expected.map((row) => series.idOf("shop", row.type)));
    assert.deepEqual(
      [...given.userHash],
      expected.flatMap((row) => testHash(`shop ${row.userId}`)),
    );
    assert.deepEqual(
      [...given.sessionHash],
      expected.flatMap((row) => testHash(row.derivedSession)),
    );
    await store.close();
  });

  test("rowsInRange() keeps to the series and takes any bounds", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    await store.commit(commitOf(testRows(300), 0, series), null);
    const count = async (from: number, to: number, ids: number[] | null) =>
      (await store.rowsInRange(from, to, ids)).count;
    const [purchase, signup] = [series.idOf("shop", "purchase"), series.idOf("shop", "signup")];
    assert.equal(await count(0, Infinity, [purchase]), 100);
    assert.equal(await count(-Infinity, 1e300, [purchase, signup]), 200);
    assert.equal(await count(0, Infinity, []), 0);
    assert.equal(await count(BASE_MS, BASE_MS, null), 0);
    assert.equal(await count(BASE_MS - 0.5, BASE_MS + 0.5, null), 1);
    await store.close();
  });
}

function userEventsTests(test: StoreTest): void {
  test("userEvents() pages through all events when times are equal", async (place) => {
    const store = await place.open();
    const rows = testRows(500).map((row, i) => ({
      ...row,
      userId: "ann",
      timestampMs: BASE_MS + 1000 * Math.floor(i / 50) - (i % 3),
    }));
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const events = await allEvents(store, { project: "shop", userId: "ann" }, 37);
    assert.deepEqual(events, newestFirst(rows.map(storedOf)));
    await store.close();
  });

  test("userEvents() keeps to project, user and time", async (place) => {
    const store = await place.open();
    const rows = testRows(300).map((row, i) => ({ ...row, project: i % 2 ? "shop" : "blog" }));
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const [fromMs, toMs] = [rows[50].timestampMs, rows[250].timestampMs];
    const expected = newestFirst(
      rows.map(storedOf).filter(({ seq, userId }) =>
        seq % 2 === 0 && userId === "user-3" && seq >= 50 && seq < 250
      ),
    );
    const user = { project: "blog", userId: "user-3", fromMs, toMs };
    assert.deepEqual(await allEvents(store, user, 100), expected);
    const userHash = testHash("blog user-3");
    assert.deepEqual(await allEvents(store, { ...user, userHash }, 100), expected);
    assert.deepEqual(await allEvents(store, { ...user, project: "none" }, 100), []);
    assert.deepEqual(await allEvents(store, { ...user, userId: "it's" }, 100), []);
    assert.deepEqual(await allEvents(store, { ...user, toMs: fromMs }, 100), []);
    await store.close();
  });
}

function modelTest(test: StoreTest): void {
  const text = fc.string({ unit: "grapheme", maxLength: 40 })
    .filter((value) => value.isWellFormed() && !value.includes("\0"));
  const row = fc.record({
    userId: fc.constantFrom("ann", "böb", "a much longer user id"),
    type: fc.constantFrom("view", "buy"),
    sessionId: fc.option(text),
    derivedSession: fc.constantFrom("x", "y"),
    timestampMs: fc.integer({ min: 1, max: 3 }).map((ms) => BASE_MS + ms),
    source: fc.option(text),
    properties: fc.option(text.map((value) => JSON.stringify({ a: value }))),
    amount: fc.option(fc.double({ noNaN: true, min: 0, max: 1e15 })),
  });

  test("userEvents() gives back what was committed, whatever it was", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    const all: TestRow[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 50 }), async (given) => {
        const rows = given.map((fields, i) => testRow(all.length + i, fields));
        await store.commit(commitOf(rows, all.length, series), null);
        all.push(...rows);
        for (const userId of ["ann", "böb", "a much longer user id"]) {
          const expected = newestFirst(all.map(storedOf).filter((e) => e.userId === userId));
          assert.deepEqual(await allEvents(store, { project: "shop", userId }, 64), expected);
        }
      }),
      { numRuns: 30 },
    );
    await store.close();
  });
}

/** All events of a user, by pages of `limit`. */
async function allEvents(
  store: PartitionStore,
  user: Pick<UserEventsQuery, "project" | "userId"> & Partial<UserEventsQuery>,
  limit: number,
): Promise<StoredEvent[]> {
  const query = { fromMs: 0, toMs: Infinity, ...user, limit };
  const events: StoredEvent[] = [];
  while (true) {
    const page = await store.userEvents({ ...query, before: events.at(-1) ?? null });
    events.push(...page);
    if (page.length < limit) return events;
  }
}

function newestFirst(events: StoredEvent[]): StoredEvent[] {
  return events.sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq);
}
