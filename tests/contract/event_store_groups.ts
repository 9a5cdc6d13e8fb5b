/** The part of the EventStore contract that is about groups of rows; see event_store_contract.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { matchesFilter, numberView, valueOf } from "../../lib/query/filter/match_filter.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import type { GroupScan, GroupSplit, PartitionStore } from "../../lib/store/event_store.ts";
import { madeFilters, propertySets } from "../support/made_filters.ts";
import type { StoreTest } from "./event_store_contract.ts";
import { BASE_MS, testHash } from "./event_store_rows.ts";
import { commitMade, type MadeRow, textOf } from "./event_store_scans.ts";

const NEVER = new AbortController().signal;

/** A group as both the store and plain code tell it. */
interface MadeGroup {
  readonly key: string;
  events: number;
  valueCount: number;
  valueSum: number;
  valueMin: number;
  valueMax: number;
}

const SUBJECTS = ["page", "n", "ü", "a/b~c", "type", "category", "amount", "source", "user_id"];
const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 3_050 }), {
  minLength: 2,
  maxLength: 6,
}).map((offsets) => Float64Array.from(offsets.sort((a, b) => a - b), (each) => BASE_MS + each));
const grids = fc.record({ fromMs: fc.nat(900), stepMs: fc.nat(200), steps: fc.nat(9) }).map(
  ({ fromMs, stepMs, steps }) => {
    const firstMs = BASE_MS + fromMs + 7;
    const inner = Array.from({ length: steps + 1 }, (_, i) => firstMs + 3 + i * (stepMs + 9));
    return Float64Array.from([firstMs - 5, firstMs, ...inner, inner[steps] + 4]);
  },
);
const scans = fc.record({
  made: madeFilters,
  boundsMs: fc.oneof(bounds, grids),
  by: fc.uniqueArray(fc.constantFrom(...SUBJECTS), { maxLength: 2 }),
  value: fc.constantFrom(null, "amount", "n", "page", "timestamp"),
  splits: fc.uniqueArray(fc.constantFrom("user", "session", "value" as const)),
});

/** Registers the tests of groups. */
export function eventStoreGroupTests(test: StoreTest): void {
  test("groupRows() counts groups as plain code would", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, fc.sample(propertySets, { numRuns: 300, seed: 11 }));
    await fc.assert(
      fc.asyncProperty(scans, async ({ made: { filter }, boundsMs, by, value, splits }) => {
        const scan: GroupScan = {
          project: "shop",
          boundsMs,
          filter,
          by: by.map(subjectNamed),
          value: value === null ? null : subjectNamed(value),
          splits: splits as GroupSplit[],
        };
        const expected = plainGroups(rows, scan);
        for (const [split, found] of await readGroups(store, scan)) {
          const groups = found.map(({ key, ...numbers }) => ({
            key: withoutSplit(key),
            ...numbers,
          }));
          assert.deepEqual(joined(groups), joined(expected));
          if (split === "value") assertSameBins(found);
          if (split !== "user" && split !== "session") continue;
          const pairs = new Set(found.map(({ key }) => key));
          const hashed = rows.filter((row) => isIn(row, scan)).map((row) =>
            `${keyOf(row, scan)} ${hashOf(row, split)}`
          );
          assert.deepEqual(pairs, new Set(hashed));
        }
      }),
      { numRuns: 300 },
    );
    await store.close();
  });

  test("groupRows() ends soon when it is aborted, or what it calls throws", async (place) => {
    const store = await place.open();
    await commitMade(store, [{ page: "x" }, { page: "y" }]);
    const stop = new AbortController();
    const scan = { ...ALL_GROUPS, by: [subjectNamed("page")] };
    const stopped = store.groupRows(scan, () => stop.abort(new Error("enough")), stop.signal);
    await assert.rejects(stopped, /^Error: enough$/);
    await assert.rejects(store.groupRows(scan, () => {
      throw new Error("no more");
    }, NEVER));
    assert.equal((await readGroups(store, scan)).get(null)!.length, 2);
    assert.deepEqual(await readGroups(store, { ...scan, project: "other" }), new Map());
    await store.close();
  });
}

const ALL_GROUPS: GroupScan = {
  project: "shop",
  boundsMs: Float64Array.of(0, Date.UTC(2100, 0)),
  filter: null,
  by: [],
  value: null,
  splits: [],
};

function isIn({ view }: MadeRow, { boundsMs, filter }: GroupScan): boolean {
  const at = view.timestampMs;
  return at >= boundsMs[0] && at < boundsMs[boundsMs.length - 1] && matchesFilter(filter, view);
}

/** Bucket and text views. */
function keyOf({ view }: MadeRow, { boundsMs, by }: GroupScan): string {
  const bucket = boundsMs.findLastIndex((bound) => view.timestampMs >= bound);
  return JSON.stringify([bucket, ...by.map((subject) => textOf(subject, view))]);
}

function hashOf({ view, row }: MadeRow, split: "user" | "session"): string {
  const session = row.sessionId ?? row.derivedSession;
  const [low, high] = testHash(split === "user" ? `${row.project} ${view.userId}` : session);
  return `${low} ${high}`;
}

function plainGroups(rows: readonly MadeRow[], scan: GroupScan): MadeGroup[] {
  return rows.filter((row) => isIn(row, scan)).map((row) => {
    const { value } = scan;
    const number = value === null ? null : numberView(valueOf(value, row.view));
    return {
      key: keyOf(row, scan),
      events: 1,
      valueCount: number === null ? 0 : 1,
      valueSum: number ?? 0,
      valueMin: number ?? Infinity,
      valueMax: number ?? -Infinity,
    };
  });
}

/** The groups of each reading as they come, keys with whose they are. */
async function readGroups(
  store: PartitionStore,
  scan: GroupScan,
): Promise<Map<GroupSplit | null, MadeGroup[]>> {
  const found = new Map<GroupSplit | null, MadeGroup[]>();
  await store.groupRows(scan, (groups) => {
    const list = found.get(groups.split) ?? [];
    found.set(groups.split, list);
    for (let i = 0; i < groups.count; i++) {
      const texts = groups.keys.map(({ ids, texts }) => texts[ids[i]]);
      const { hash } = groups;
      const whose = hash === null ? "" : ` ${hash[2 * i]} ${hash[2 * i + 1]}`;
      const hasValues = groups.valueCount[i] > 0;
      list.push({
        key: JSON.stringify([groups.bucket[i], ...texts]) + whose,
        events: groups.events[i],
        valueCount: groups.valueCount[i],
        valueSum: groups.valueSum[i],
        valueMin: hasValues ? groups.valueMin[i] : Infinity,
        valueMax: hasValues ? groups.valueMax[i] : -Infinity,
      });
    }
  }, NEVER);
  return found;
}

function withoutSplit(key: string): string {
  return key.slice(0, key.lastIndexOf("]") + 1);
}

/** Groups of the same key added up; sums to 9 digits, as doubles are added in any order. */
function joined(groups: readonly MadeGroup[]): Map<string, MadeGroup> {
  const byKey = new Map<string, MadeGroup>();
  for (const group of groups) {
    const own = byKey.get(group.key);
    if (own === undefined) {
      byKey.set(group.key, { ...group });
      continue;
    }
    own.events += group.events;
    own.valueCount += group.valueCount;
    own.valueSum += group.valueSum;
    own.valueMin = Math.min(own.valueMin, group.valueMin);
    own.valueMax = Math.max(own.valueMax, group.valueMax);
  }
  for (const group of byKey.values()) {
    group.valueSum = Number(group.valueSum.toPrecision(9)) + 0;
    // Of 0 and -0 either may be found the smaller one.
    group.valueMin += 0;
    group.valueMax += 0;
  }
  return new Map([...byKey].sort(([a], [b]) => a < b ? -1 : 1));
}

/** Whether numbers that come together lie within 1 % of their middle, on one side of 0. */
function assertSameBins(groups: readonly MadeGroup[]): void {
  for (const { valueCount, valueMin, valueMax } of groups) {
    if (valueCount === 0) continue;
    assert.equal(Math.sign(valueMin), Math.sign(valueMax));
    const [low, high] = [Math.abs(valueMin), Math.abs(valueMax)].sort((a, b) => a - b);
    assert(high <= low * 1.0203, `${low} and ${high}`);
  }
}
