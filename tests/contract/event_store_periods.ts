/** The part of the EventStore contract that is about the periods of users. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { USER_SLICE_USERS_MAX } from "../../lib/config/limits.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import type { PartitionStore, UserPeriodsQuery } from "../../lib/store/event_store.ts";
import type { BruteEvent } from "../support/brute_retention.ts";
import { madeSpans, madeVisits, periodsOfUsers } from "../support/made_visits.ts";
import { planPeriods } from "../../lib/query/retention/periods.ts";
import type { StoreTest } from "./event_store_contract.ts";
import { BASE_MS, commitOf, testRow, TestSeries } from "./event_store_rows.ts";

const NEVER = new AbortController().signal;

/** Whether an event is a start and a return, by its type; the kinds also have a property. */
const TYPES = { neither: "x", start: "s", return: "r", both: "sr" };

const ofTypes = (...values: string[]): Filter => (
  { kind: "in", subject: subjectNamed("type"), values, negated: false }
);
const STARTS = ofTypes(TYPES.start, TYPES.both);
const RETURNS = ofTypes(TYPES.return, TYPES.both);
/** The same returns, told by a property. */
const RETURNS_BY_PROPERTY: Filter = {
  kind: "in",
  subject: subjectNamed("r"),
  values: ["yes"],
  negated: false,
};

/** Registers the tests of userPeriods(). */
export function eventStorePeriodTests(test: StoreTest): void {
  periodTest(test);
  manyUsersTest(test);
}

function periodTest(test: StoreTest): void {
  test("userPeriods() gives each user's periods, as plain code would", async (place) => {
    const store = await place.open();
    const series = new TestSeries();
    let sets = 0;
    let rows = 0;
    const since = fc.constantFrom("none", "in range", "ever");
    const starts = fc.constantFrom(null, STARTS);
    const returns = fc.constantFrom(null, STARTS, RETURNS, RETURNS_BY_PROPERTY);
    await fc.assert(
      fc.asyncProperty(
        madeVisits,
        madeSpans,
        since,
        starts,
        returns,
        async (events, span, rule, start, again) => {
          const project = `shop-${sets++}`;
          const made = events.map((event, i) => rowOf(event, rows + i, project));
          await store.commit(commitOf(made, rows, series), null);
          rows += made.length;
          const planned = planPeriods(span, 60);
          assert.ok(planned.ok);
          const { boundsMs } = planned.plan;
          const fromMs = rule === "none" ? null : rule === "ever" ? 0 : boundsMs[0];
          const query: UserPeriodsQuery = {
            project,
            boundsMs,
            filter: again,
            since: fromMs === null ? null : { fromMs, filter: start },
          };
          const seen = events.map((event) => ({
            ...event,
            isStart: start === null || event.isStart,
            isReturn: again === null || (again === STARTS ? event.isStart : event.isReturn),
          }));
          const expected = periodsOfUsers(seen, boundsMs, fromMs);
          assert.deepEqual(await read(store, query), listOf(expected, boundsMs));
        },
      ),
      { numRuns: 300 },
    );
    await store.close();
  });
}

function manyUsersTest(test: StoreTest): void {
  test("userPeriods() gives each user once when there are many of them", async (place) => {
    const store = await place.open();
    const users = USER_SLICE_USERS_MAX + 40_000;
    const series = new TestSeries();
    const batch = 65_536;
    for (let from = 0; from < users; from += batch) {
      const rows = Array.from(
        { length: Math.min(batch, users - from) },
        (_, i) =>
          testRow(from + i, {
            userId: `user-${from + i}`,
            timestampMs: BASE_MS + (from + i) % 2,
            properties: null,
          }),
      );
      await store.commit(commitOf(rows, from, series), null);
    }
    const counts = [0, 0, 0, 0];
    const boundsMs = [BASE_MS, BASE_MS + 1, BASE_MS + 2];
    for (const since of [null, { fromMs: 0, filter: null }]) {
      const query = { project: "shop", boundsMs, filter: null, since };
      await store.userPeriods(query, ({ count, active }) => {
        for (let i = 0; i < count; i++) counts[active[2 * i]]++;
      }, NEVER);
    }
    assert.deepEqual(counts, [0, users, users, 0]);
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    const query = { project: "shop", boundsMs, filter: null, since: null };
    await assert.rejects(store.userPeriods(query, () => {}, stop.signal), /enough/);
    await store.close();
  });
}

function rowOf(event: BruteEvent, i: number, project: string) {
  const { userId, timestampMs, isStart, isReturn } = event;
  const kind = isStart ? (isReturn ? "both" : "start") : isReturn ? "return" : "neither";
  const properties = isReturn ? `{"r":"yes"}` : `{"r":"no"}`;
  return testRow(i, { userId, timestampMs, project, type: TYPES[kind], properties });
}

async function read(store: PartitionStore, query: UserPeriodsQuery): Promise<string[]> {
  const found: string[] = [];
  await store.userPeriods(query, (users) => {
    assert.equal(users.firstMs !== null, query.since !== null);
    found.push(...listOf(users, query.boundsMs));
  }, NEVER);
  return found.sort();
}

/** Users in an order of their own; bits before the first event mean nothing. */
function listOf(
  { count, firstMs, active }: Pick<
    ReturnType<typeof periodsOfUsers>,
    "count" | "firstMs" | "active"
  >,
  boundsMs: readonly number[],
): string[] {
  return Array.from({ length: count }, (_, i) => {
    const first = firstMs?.[i] ?? boundsMs[0];
    const before = BigInt(boundsMs.findLastIndex((bound) => bound <= first));
    const bits = BigInt(active[2 * i]) | (BigInt(active[2 * i + 1]) << 32n);
    return `${first} ${(bits >> before).toString(2)}`;
  }).sort();
}
