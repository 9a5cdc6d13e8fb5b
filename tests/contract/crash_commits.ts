/** Commits numbered from 0, so that what a store holds tells exactly which of them it has. */
import assert from "node:assert/strict";
import {
  type CellFlush,
  LEVEL_MINUTE,
  type PartitionCommit,
  type PartitionStore,
} from "../../lib/store/event_store.ts";
import { testCell } from "./event_store_contract.ts";
import { BASE_MS, commitOf, testHash, testRow, TestSeries } from "./event_store_rows.ts";

const FLUSH_EVERY = 7;
const CELLS = 20;
/** Users whose rows are looked at. */
const USERS_CHECKED = 16;
/** Rows that a store adds up by session at a time. */
export const CRASH_RUN_ROWS = 500;

/** The series of all crash commits. */
export function crashSeries(): TestSeries {
  const series = new TestSeries();
  series.idOf("shop", "view");
  series.takeNew();
  return series;
}

/** Commit number `n`: some hundred rows, sometimes a full row group; a delta, sometimes a flush. */
export function crashCommit(
  n: number,
  series: TestSeries,
): { commit: PartitionCommit; flush: CellFlush | null } {
  const firstSeq = rowsBefore(n);
  const rows = Array.from({ length: rowsOf(n) }, (_, i) => {
    const seq = firstSeq + i;
    return testRow(seq, { type: "view", timestampMs: BASE_MS + seq, userId: `user-${seq}` });
  });
  const commit = commitOf(rows, firstSeq, series, {
    nextOffset: n + 1,
    delta: new Uint8Array(5000).fill(n),
    newSeries: n === 0 ? series.all : [],
  });
  const cells = Array.from({ length: CELLS }, (_, i) => {
    return testCell(i % 5, Math.floor(i / 5), { events: n, users: new Uint8Array(9000).fill(n) });
  });
  return { commit, flush: n % FLUSH_EVERY === FLUSH_EVERY - 1 ? { cells } : null };
}

/** Throws unless the store holds exactly the first `nextOffset` commits; answers that number. */
export async function checkCrashCommits(store: PartitionStore): Promise<number> {
  const { nextOffset, nextSeq, deltas } = await store.load();
  assert.equal(nextSeq, rowsBefore(nextOffset));
  const rows = await store.rowsInRange(0, Infinity, null);
  assert.equal(rows.count, nextSeq);
  rows.timestampMs.forEach((timestampMs, seq) => assert.equal(timestampMs, BASE_MS + seq));
  for (let i = 0; i < USERS_CHECKED && nextSeq > 0; i++) {
    const seq = Math.floor((nextSeq - 1) * i / (USERS_CHECKED - 1));
    assert.equal(await crashUserEvents(store, seq), 1, `the event of user ${seq}`);
  }
  const flushes = Math.floor(nextOffset / FLUSH_EVERY);
  const unflushed = Array.from({ length: nextOffset - flushes * FLUSH_EVERY }, (_, i) => {
    return new Uint8Array(5000).fill(flushes * FLUSH_EVERY + i);
  });
  assert.deepEqual(deltas, unflushed);
  const cells = await store.readCells({
    level: LEVEL_MINUTE,
    fromBucket: 0,
    toBucket: 100,
    series: null,
    want: 1,
  });
  assert.equal(cells.length, flushes === 0 ? 0 : CELLS);
  for (const cell of cells) {
    const flushed = flushes * FLUSH_EVERY - 1;
    assert.equal(cell.events, flushed);
    assert.deepEqual(cell.users, new Uint8Array(9000).fill(flushed));
  }
  return nextOffset;
}

/** How many events the store knows of the user of a row. */
export async function crashUserEvents(store: PartitionStore, seq: number): Promise<number> {
  let events = 0;
  const userHash = testHash(`shop user-${seq}`);
  const all = { fromSeq: 0, toSeq: Infinity, fromMs: 0, toMs: Infinity };
  await store.sessionParts({ project: "shop", userHash, ...all }, (parts) => {
    for (const each of parts.events) events += each;
  });
  return events;
}

function rowsOf(n: number): number {
  return n % 20 === 9 ? 31_000 : 1 + (n * 37) % 700;
}

function rowsBefore(n: number): number {
  let rows = 0;
  for (let i = 0; i < n; i++) rows += rowsOf(i);
  return rows;
}
