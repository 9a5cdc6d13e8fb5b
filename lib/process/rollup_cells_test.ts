import assert from "node:assert/strict";
import fc from "fast-check";
import { emptyTable } from "../query/count_table.ts";
import { HOUR_MS, MINUTE_MS, RollupDelta } from "../rollup/rollup_delta.ts";
import { WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { CellQuery, Level, PartitionStore, StoredCell } from "../store/event_store.ts";
import { HourGrains } from "./hour_grains.ts";
import { MissingCells } from "./missing_cells.ts";
import { RollupCells } from "./rollup_cells.ts";

const WIDTHS_MS = [MINUTE_MS, HOUR_MS, 24 * HOUR_MS];
const T0 = 20_000 * 24 * HOUR_MS;
const SPAN_MS = 20 * 24 * HOUR_MS;
const ALL = 0;

interface Event {
  readonly series: number;
  readonly timestampMs: number;
  readonly user: number;
  readonly amount: number;
}

/** What the store's cells are to RollupCells: the reads, and what a flush would write. */
class MemoryStore {
  readonly cells = new Map<string, StoredCell>();

  put(cell: StoredCell): void {
    this.cells.set(`${cell.level} ${cell.bucket} ${cell.series}`, cell);
  }

  storedBuckets(level: Level): Promise<number[]> {
    const stored = [...this.cells.values()].filter((cell) => cell.level === level);
    return Promise.resolve([...new Set(stored.map((cell) => cell.bucket))]);
  }

  readCells({ level, fromBucket, toBucket, series, want }: CellQuery): Promise<StoredCell[]> {
    const found = [...this.cells.values()].filter((cell) =>
      cell.level === level && fromBucket <= cell.bucket && cell.bucket < toBucket &&
      series!.includes(cell.series)
    );
    return Promise.resolve(found.map((cell) => ({
      ...cell,
      users: want & 1 ? cell.users : null,
      sessions: want & 2 ? cell.sessions : null,
      amounts: want & 4 ? cell.amounts : null,
    })));
  }
}

function cellsOver(store: MemoryStore): RollupCells {
  return new RollupCells(store as unknown as PartitionStore, new HourGrains(), () => ALL);
}

const event: fc.Arbitrary<Event> = fc.record({
  series: fc.integer({ min: 1, max: 3 }),
  timestampMs: fc.oneof(fc.nat(SPAN_MS - 1), fc.nat(3 * HOUR_MS)).map((ms) => T0 + ms),
  user: fc.nat(40),
  amount: fc.oneof(fc.constant(NaN), fc.nat(400).map((quarters) => quarters / 4)),
});

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ apply: fc.array(event, { minLength: 1, maxLength: 8 }) }) },
  { weight: 1, arbitrary: fc.constantFrom({ flush: true }, { reopen: true }) },
  { weight: 1, arbitrary: fc.record({ evictTo: fc.constantFrom(0, 5_000, 20_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      // Often the same run again, so that it is there to go stale.
      level: fc.constantFrom<Level>(0, 1, 2, 2),
      fromMs: fc.oneof(fc.constantFrom(0, 5 * HOUR_MS), fc.nat(SPAN_MS)),
      cells: fc.oneof(fc.constantFrom(10, 20), fc.integer({ min: 1, max: 40 })),
      series: fc.constantFrom(ALL, ALL, 1, 2),
      step: fc.constantFrom<0 | 1>(0, 0, 1),
      want: fc.constantFrom(0, WANT_USERS | WANT_SESSIONS),
    }),
  },
);

type Question = Extract<typeof step extends fc.Arbitrary<infer Step> ? Step : never, {
  cells: number;
}>;

async function apply(cells: RollupCells, events: readonly Event[]): Promise<void> {
  const delta = new RollupDelta();
  for (const { series, timestampMs, user, amount } of events) {
    delta.cellAt(series, timestampMs).add(timestampMs, user + 1, 7, user % 5, 9, amount);
  }
  await cells.prepare(delta);
  cells.apply(delta);
}

function flush(cells: RollupCells, store: MemoryStore): void {
  for (const cell of cells.dirtyCells()) store.put(cell);
  cells.markFlushed();
}

/** Asks until nothing is missing, and holds the answer against the events. */
async function check(
  cells: RollupCells,
  events: readonly Event[],
  { level, fromMs, cells: count, series, step, want }: Question,
): Promise<void> {
  const from = Math.floor((T0 + fromMs) / WIDTHS_MS[level]);
  const tile = { level, from, to: from + count, bucket: 0, step };
  const buckets = step === 1 ? count : 1;
  for (let tries = 0;; tries++) {
    assert(tries < 4, "always something missing");
    const missing = new MissingCells();
    const table = emptyTable(buckets);
    const users: HyperLogLog[][] = Array.from({ length: buckets }, () => []);
    const sessions: HyperLogLog[][] = Array.from({ length: buckets }, () => []);
    cells.addCounts(tile, [{ series, table, first: 0, eventsOnly: false }], missing);
    if (want & WANT_USERS) {
      cells.distincts(tile, series, WANT_USERS, missing, (at, part) => users[at].push(part));
    }
    if (want & WANT_SESSIONS) {
      cells.distincts(tile, series, WANT_SESSIONS, missing, (at, part) => sessions[at].push(part));
    }
    if (!missing.isEmpty) {
      await cells.fill(missing);
      continue;
    }
    for (let bucket = 0; bucket < buckets; bucket++) {
      const startMs = (from + bucket) * WIDTHS_MS[level];
      const endMs = startMs + (step === 1 ? 1 : count) * WIDTHS_MS[level];
      const inside = events.filter((each) =>
        (series === ALL || each.series === series) &&
        each.timestampMs >= startMs && each.timestampMs < endMs
      );
      const amounts = inside.map((each) => each.amount).filter((amount) => !Number.isNaN(amount));
      assert.equal(table.events[bucket], inside.length);
      assert.equal(table.amountCount[bucket], amounts.length);
      assert.equal(table.amountSum[bucket], amounts.reduce((sum, amount) => sum + amount, 0));
      const different = (of: (each: Event) => number) => new Set(inside.map(of)).size;
      if (want & WANT_USERS) {
        const found = HyperLogLog.union(users[bucket]).estimate();
        assert.equal(found, different((each) => each.user));
      }
      if (want & WANT_SESSIONS) {
        const found = HyperLogLog.union(sessions[bucket]).estimate();
        assert.equal(found, different((each) => each.user % 5));
      }
    }
    return;
  }
}

Deno.test("RollupCells answers equal a recount when late events, flushes, evictions and questions alternate", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const store = new MemoryStore();
      let cells = cellsOver(store);
      const events: Event[] = [];
      for (const each of steps) {
        if ("apply" in each) {
          await apply(cells, each.apply);
          events.push(...each.apply);
        } else if ("flush" in each) flush(cells, store);
        else if ("evictTo" in each) {
          flush(cells, store);
          cells.evict(each.evictTo);
          assert(cells.byteSize <= each.evictTo, "down to the budget");
        } else if ("reopen" in each) {
          flush(cells, store);
          cells = cellsOver(store);
          await cells.load();
        } else await check(cells, events, each);
      }
      flush(cells, store);
      cells.evict(0);
      assert.equal(cells.byteSize, 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("RollupCells forgets nothing while a question reads or a commit is prepared", async () => {
  const store = new MemoryStore();
  const cells = cellsOver(store);
  await apply(cells, [{ series: 1, timestampMs: T0, user: 1, amount: NaN }]);
  flush(cells, store);
  const before = cells.byteSize;
  await cells.reading(() => {
    cells.evict(0);
    assert.equal(cells.byteSize, before);
    return Promise.resolve();
  });
  const delta = new RollupDelta();
  await cells.prepare(delta);
  cells.evict(0);
  assert.equal(cells.byteSize, before);
  cells.apply(delta);
  cells.evict(0);
  assert.equal(cells.byteSize, 0);
});
