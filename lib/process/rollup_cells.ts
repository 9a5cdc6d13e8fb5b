/**
 * The cells of one partition at all three levels: what is in memory, over what is in the store.
 *
 * A cell in memory is the whole truth of its key; what a commit changed is `dirty` until the next
 * flush has stored it, and only clean cells are ever forgotten. Cells of old buckets are read from
 * the store when a late event or a question needs them, with only the sketches that are wanted.
 * An entry of null says that the store has nothing under that key, so it is not asked again.
 */
import assert from "node:assert/strict";
import { Cell } from "../rollup/cell.ts";
import { CellTable } from "./cell_table.ts";
import type { HourGrains } from "./hour_grains.ts";
import { MINUTE_MS, type RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { WANT_ALL, WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import {
  type Level,
  LEVEL_DAY,
  LEVEL_HOUR,
  LEVEL_MINUTE,
  type PartitionStore,
  type RangeRows,
  type StoredCell,
} from "../store/event_store.ts";

/** Memory of an entry that says "nothing stored", bytes. */
const ABSENT_BYTES = 64;

/** A cell in memory. */
export interface CellEntry {
  readonly cell: Cell;
  /** WANT_* bits of the sketches that are loaded. */
  have: number;
  dirty: boolean;
  /** Looked at since the last sweep. */
  used: boolean;
  bytes: number;
}

export class RollupCells {
  readonly #levels: readonly [LevelCells, LevelCells, LevelCells] = [
    new CellTable(),
    new CellTable(),
    new CellTable(),
  ];
  /** Buckets with stored cells, by level. */
  readonly #stored: [Set<number>, Set<number>, Set<number>] = [new Set(), new Set(), new Set()];
  readonly #dirty: [Set<number>, Set<number>, Set<number>] = [new Set(), new Set(), new Set()];
  #bytes = 0;
  /** Counts changes, so that whoever remembers a merged range can tell that it went stale. */
  version = 0;
  #flushes = 0;
  #readers = 0;
  /** Keys of the minutes that were counted from rows, by hour. */
  readonly #derived = new Map<number, number[]>();
  /** By hour without minutes: the version of its last change. */
  readonly #wholeChanged = new Map<number, number>();

  constructor(
    readonly store: PartitionStore,
    readonly grains: HourGrains,
    readonly allSeriesOf: (series: number) => number,
  ) {}

  /** Learns which buckets the store has. */
  async load(): Promise<void> {
    for (const level of LEVELS) {
      for (const bucket of await this.store.storedBuckets(level)) this.#stored[level].add(bucket);
    }
    for (const hour of this.#stored[LEVEL_HOUR]) this.grains.restore(hour, true);
    for (const minute of this.#stored[LEVEL_MINUTE]) {
      this.grains.restore(Math.floor(minute / 60), false);
    }
  }

  /** Learns from a stored delta which hours have minutes. */
  restoreGrains(delta: RollupDelta): void {
    for (const key of delta.hours.keys()) {
      this.grains.restore(Math.floor(key / SERIES_SPAN), true);
    }
    for (const key of delta.minutes.keys()) {
      this.grains.restore(Math.floor(Math.floor(key / SERIES_SPAN) / 60), false);
    }
  }

  get byteSize(): number {
    return this.#bytes;
  }

  get dirtyCount(): number {
    return this.#dirty[0].size + this.#dirty[1].size + this.#dirty[2].size;
  }

  /** Reads from the store what `apply(delta)` will change and memory does not hold whole. */
  async prepare(delta: RollupDelta): Promise<void> {
    const needed: Map<number, Set<number>>[] = [new Map(), new Map(), new Map()];
    for (const { level, bucket, series } of targetsOf(delta)) {
      if (!this.#stored[level].has(bucket)) continue;
      for (const each of [series, this.allSeriesOf(series)]) {
        const entry = this.#levels[level].get(bucket, each);
        if (entry === null || entry?.have === WANT_ALL) continue;
        let wanted = needed[level].get(bucket);
        if (!wanted) needed[level].set(bucket, wanted = new Set());
        wanted.add(each);
      }
    }
    for (const level of LEVELS) {
      for (const run of runsOf([...needed[level].keys()].sort((a, b) => a - b))) {
        const series = new Set<number>();
        for (let bucket = run.from; bucket < run.to; bucket++) {
          for (const each of needed[level].get(bucket)!) series.add(each);
        }
        await this.ensure(level, run.from, run.to, [...series], WANT_ALL);
      }
    }
  }

  /** Merges the delta into its minutes, hours and days. What it touches was `prepare`d. */
  apply(delta: RollupDelta): void {
    for (const { level, bucket, series, cell } of targetsOf(delta)) {
      this.#mergeInto(level, bucket, series, cell);
      this.#mergeInto(level, bucket, this.allSeriesOf(series), cell);
    }
    this.version++;
    for (const key of delta.hours.keys()) {
      const hour = Math.floor(key / SERIES_SPAN);
      this.#wholeChanged.set(hour, this.version);
      this.#forgetDerived(hour);
    }
  }

  /** Whether an hour without minutes has its minutes in memory, counted from rows. */
  hasDerived(hour: number): boolean {
    return this.#derived.has(hour);
  }

  /** The `version` at which an hour without minutes changed last; 0 = not since the start. */
  wholeChangedAt(hour: number): number {
    return this.#wholeChanged.get(hour) ?? 0;
  }

  /** Takes the minutes of an hour that has none, counted from all of its rows. */
  putDerived(
    hour: number,
    parts: readonly RangeRows[],
    rollupOf: (series: number) => number,
  ): void {
    this.#forgetDerived(hour);
    const cells = new Map<number, Cell>();
    for (const rows of parts) {
      for (let i = 0; i < rows.count; i++) {
        const minute = Math.floor(rows.timestampMs[i] / MINUTE_MS);
        const series = rollupOf(rows.series[i]);
        for (const each of [series, this.allSeriesOf(series)]) {
          const key = minute * SERIES_SPAN + each;
          let cell = cells.get(key);
          if (cell === undefined) cells.set(key, cell = new Cell());
          addRow(cell, rows, i);
        }
      }
    }
    for (const [key, cell] of cells) {
      const entry = { cell, have: WANT_ALL, dirty: false, used: true, bytes: 0 };
      const minute = Math.floor(key / SERIES_SPAN);
      this.#levels[LEVEL_MINUTE].set(minute, key - minute * SERIES_SPAN, entry);
      this.#account(entry);
    }
    this.#derived.set(hour, [...cells.keys()]);
  }

  #forgetDerived(hour: number): void {
    for (const key of this.#derived.get(hour) ?? []) {
      const minute = Math.floor(key / SERIES_SPAN);
      const entry = this.#levels[LEVEL_MINUTE].get(minute, key - minute * SERIES_SPAN);
      if (!entry) continue;
      this.#levels[LEVEL_MINUTE].delete(minute, key - minute * SERIES_SPAN);
      this.#bytes -= entry.bytes;
    }
    this.#derived.delete(hour);
  }

  /** Makes sure memory knows these cells, with these sketches; reads what is missing. */
  async ensure(
    level: Level,
    fromBucket: number,
    toBucket: number,
    series: readonly number[],
    want: number,
  ): Promise<void> {
    let from = Infinity;
    let to = -Infinity;
    let missing = 0;
    for (let bucket = fromBucket; bucket < toBucket; bucket++) {
      if (!this.#stored[level].has(bucket)) continue;
      for (const each of series) {
        const entry = this.#levels[level].get(bucket, each);
        if (entry === null) continue;
        if (entry !== undefined && (entry.have & want) === want) continue;
        missing |= entry === undefined ? want : want & ~entry.have;
        from = Math.min(from, bucket);
        to = Math.max(to, bucket + 1);
      }
    }
    if (from >= to) return;
    const flushes = this.#flushes;
    const stored = await this.store.readCells({
      level,
      fromBucket: from,
      toBucket: to,
      series: [...series],
      want: missing,
    });
    // A flush during the read may have made its answer old: what it changed is asked for again.
    if (flushes !== this.#flushes) return this.ensure(level, fromBucket, toBucket, series, want);
    for (const cell of stored) this.#takeStored(cell, missing);
    for (let bucket = from; bucket < to; bucket++) {
      for (const each of series) {
        if (this.#levels[level].get(bucket, each) !== undefined) continue;
        this.#levels[level].set(bucket, each, null);
        this.#bytes += ABSENT_BYTES;
      }
    }
  }

  /** Runs `read` with nothing evicted between its `ensure` and its `get`. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    this.#readers++;
    try {
      return await read();
    } finally {
      this.#readers--;
    }
  }

  /** The cell if memory has one; call `ensure` first. */
  get(level: Level, bucket: number, series: number): Cell | null {
    const entry = this.#levels[level].get(bucket, series);
    if (!entry) return null;
    entry.used = true;
    return entry.cell;
  }

  /** All that changed since the last flush, encoded for the store. */
  dirtyCells(): StoredCell[] {
    const cells: StoredCell[] = [];
    for (const level of LEVELS) {
      for (const key of this.#dirty[level]) {
        const bucket = Math.floor(key / SERIES_SPAN);
        const series = key - bucket * SERIES_SPAN;
        const entry = this.#levels[level].get(bucket, series)!;
        cells.push(storedForm(level, bucket, series, entry.cell));
      }
    }
    return cells;
  }

  /** The cells of the last `dirtyCells()` are in the store now. No change may have come between. */
  markFlushed(): void {
    this.#flushes++;
    for (const level of LEVELS) {
      for (const key of this.#dirty[level]) {
        const bucket = Math.floor(key / SERIES_SPAN);
        this.#levels[level].get(bucket, key - bucket * SERIES_SPAN)!.dirty = false;
        this.#stored[level].add(bucket);
      }
      this.#dirty[level].clear();
    }
  }

  /** Forgets clean cells, those not used since the last sweep first, down to the budget. */
  evict(budgetBytes: number): void {
    if (this.#readers > 0 || this.#bytes <= budgetBytes) return;
    for (const hour of this.#derived.keys()) this.#forgetDerived(hour);
    for (let sweep = 0; sweep < 2 && this.#bytes > budgetBytes; sweep++) {
      for (const level of LEVELS) {
        for (const [bucket, series, entry] of this.#levels[level].entries()) {
          if (this.#bytes <= budgetBytes) return;
          if (entry === null) {
            this.#levels[level].delete(bucket, series);
            this.#bytes -= ABSENT_BYTES;
          } else if (entry.used) entry.used = false;
          else if (!entry.dirty) {
            this.#levels[level].delete(bucket, series);
            this.#bytes -= entry.bytes;
          }
        }
      }
    }
  }

  #mergeInto(level: Level, bucket: number, series: number, change: Cell): void {
    let entry = this.#levels[level].get(bucket, series);
    if (!entry) {
      if (entry === null) this.#bytes -= ABSENT_BYTES;
      entry = { cell: new Cell(), have: WANT_ALL, dirty: false, used: true, bytes: 0 };
      this.#levels[level].set(bucket, series, entry);
    }
    assert(entry.have === WANT_ALL, "a cell is changed only when all of it is in memory");
    entry.cell.merge(change);
    entry.used = true;
    if (!entry.dirty) {
      entry.dirty = true;
      this.#dirty[level].add(bucket * SERIES_SPAN + series);
    }
    this.#account(entry);
  }

  #takeStored(stored: StoredCell, want: number): void {
    const table = this.#levels[stored.level];
    let entry = table.get(stored.bucket, stored.series);
    // A cell that is whole in memory is newer than what the store has.
    if (entry && (entry.dirty || entry.have === WANT_ALL)) return;
    if (!entry) {
      if (entry === null) this.#bytes -= ABSENT_BYTES;
      entry = { cell: new Cell(), have: 0, dirty: false, used: true, bytes: 0 };
      table.set(stored.bucket, stored.series, entry);
    }
    const cell = entry.cell;
    cell.events = stored.events;
    cell.minTimestampMs = stored.minTimestampMs;
    cell.maxTimestampMs = stored.maxTimestampMs;
    cell.amountCount = stored.amountCount;
    cell.amountSum = stored.amountSum;
    if (want & WANT_USERS && stored.users) cell.users = HyperLogLog.decode(stored.users);
    if (want & WANT_SESSIONS && stored.sessions) {
      cell.sessions = HyperLogLog.decode(stored.sessions);
    }
    if (want & WANT_AMOUNTS && stored.amounts) cell.amounts = DDSketch.decode(stored.amounts);
    entry.have |= want;
    this.#account(entry);
  }

  #account(entry: CellEntry): void {
    const bytes = entry.cell.byteSize;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }
}

type LevelCells = CellTable<CellEntry>;

const LEVELS: readonly Level[] = [LEVEL_MINUTE, LEVEL_HOUR, LEVEL_DAY];

function storedForm(level: Level, bucket: number, series: number, cell: Cell): StoredCell {
  return {
    level,
    bucket,
    series,
    events: cell.events,
    minTimestampMs: cell.minTimestampMs,
    maxTimestampMs: cell.maxTimestampMs,
    amountCount: cell.amountCount,
    amountSum: cell.amountSum,
    users: cell.users.encode(),
    sessions: cell.sessions.encode(),
    amounts: cell.amounts ? cell.amounts.encode() : null,
  };
}

/** Each cell of a delta at every level that it belongs to. */
function* targetsOf(delta: RollupDelta): Generator<Target> {
  for (const [key, cell] of delta.minutes) {
    const minute = Math.floor(key / SERIES_SPAN);
    const series = key - minute * SERIES_SPAN;
    yield { level: LEVEL_MINUTE, bucket: minute, series, cell };
    yield { level: LEVEL_HOUR, bucket: Math.floor(minute / 60), series, cell };
    yield { level: LEVEL_DAY, bucket: Math.floor(minute / 1440), series, cell };
  }
  for (const [key, cell] of delta.hours) {
    const hour = Math.floor(key / SERIES_SPAN);
    const series = key - hour * SERIES_SPAN;
    yield { level: LEVEL_HOUR, bucket: hour, series, cell };
    yield { level: LEVEL_DAY, bucket: Math.floor(hour / 24), series, cell };
  }
}

interface Target {
  readonly level: Level;
  readonly bucket: number;
  readonly series: number;
  readonly cell: Cell;
}

/** Counts one row into a cell. */
export function addRow(cell: Cell, rows: RangeRows, row: number): void {
  cell.add(
    rows.timestampMs[row],
    rows.userHash[2 * row],
    rows.userHash[2 * row + 1],
    rows.sessionHash[2 * row],
    rows.sessionHash[2 * row + 1],
    rows.amount[row],
  );
}

/** Neighbouring numbers of a sorted list, as half-open runs. */
function runsOf(sorted: readonly number[]): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (const value of sorted) {
    const last = runs[runs.length - 1];
    if (last && last.to === value) last.to = value + 1;
    else runs.push({ from: value, to: value + 1 });
  }
  return runs;
}
