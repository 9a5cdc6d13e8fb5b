/**
 * The cells of one partition at all three levels: what is in memory, over what is in the store.
 *
 * A cell in memory is the whole truth of its key; what a commit changed is `dirty` until the next
 * flush has stored it, and only clean cells are ever forgotten. Cells of old buckets are read from
 * the store when a late event or a question needs them, with only the sketches that are wanted.
 * Memory also knows of cells that the store does not have, so it is not asked again.
 *
 * A question reads without waiting: what memory lacks is noted in MissingCells, the question has it
 * loaded and reads again from the beginning. So all numbers of an answer are of the same moment.
 */
import assert from "node:assert/strict";
import type { Tile } from "../query/plan_tiles.ts";
import { Cell } from "../rollup/cell.ts";
import { MINUTE_MS, type RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { WANT_ALL, WANT_AMOUNTS } from "../rollup/want.ts";
import type { DDSketch } from "../sketch/ddsketch.ts";
import type { HyperLogLog } from "../sketch/hyperloglog.ts";
import {
  type FlushedCell,
  type Level,
  LEVEL_DAY,
  LEVEL_HOUR,
  LEVEL_MINUTE,
  type PartitionStore,
  type RangeRows,
} from "../store/event_store.ts";
import { type CellSketches, CHUNK_CELLS, DERIVED, DIRTY } from "./cell_chunk.ts";
import { CellLevel, type CellView, type CountTarget } from "./cell_level.ts";
import type { HourGrains } from "./hour_grains.ts";
import { type DistinctKind, MergedRuns } from "./merged_runs.ts";
import { MissingCells } from "./missing_cells.ts";

/** The minutes of an hour that were counted from rows. */
interface DerivedHour {
  readonly keys: readonly number[];
  used: boolean;
}

export class RollupCells {
  readonly #levels = [
    new CellLevel(LEVEL_MINUTE),
    new CellLevel(LEVEL_HOUR),
    new CellLevel(LEVEL_DAY),
  ] as const;
  readonly #dirty = [new Set<number>(), new Set<number>(), new Set<number>()] as const;
  readonly #runs: MergedRuns;
  /** What the run that is being merged found missing. */
  #missing = new MissingCells();
  /** Counts changes, so that whoever remembers a merged range can tell that it went stale. */
  version = 0;
  #flushes = 0;
  /** Questions that read, and the commit between `prepare` and `apply`: nothing is forgotten. */
  #holders = 0;
  readonly #derived = new Map<number, DerivedHour>();
  /** By hour without minutes: the version of its last change. */
  readonly #wholeChanged = new Map<number, number>();

  constructor(
    readonly store: PartitionStore,
    readonly grains: HourGrains,
    readonly allSeriesOf: (series: number) => number,
  ) {
    this.#runs = new MergedRuns((level, bucket, series, kind) =>
      this.#levels[level].distinctAt(bucket, series, kind, this.#missing)
    );
  }

  /** Learns which buckets the store has. */
  async load(): Promise<void> {
    for (const level of [LEVEL_DAY, LEVEL_HOUR, LEVEL_MINUTE] as const) {
      for (const bucket of await this.store.storedBuckets(level)) {
        this.#levels[level].markStored(bucket);
        if (level === LEVEL_HOUR) this.grains.restore(bucket, true);
        else if (level === LEVEL_MINUTE) this.grains.restore(Math.floor(bucket / 60), false);
      }
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
    return this.#levels.reduce((sum, level) => sum + level.byteSize, this.#runs.byteSize);
  }

  get dirtyCount(): number {
    return this.#dirty[0].size + this.#dirty[1].size + this.#dirty[2].size;
  }

  /**
   * Reads from the store what `apply(delta)` will change and memory does not hold whole. `apply`
   * must follow: until then nothing is forgotten.
   */
  async prepare(delta: RollupDelta): Promise<void> {
    this.#holders++;
    try {
      const missing = new MissingCells();
      for (const { level, bucket, series } of targetsOf(delta)) {
        for (const each of [series, this.allSeriesOf(series)]) {
          if (this.#levels[level].isWhole(bucket, each)) continue;
          missing.note(level, bucket, bucket + 1, each, WANT_ALL);
        }
      }
      await this.fill(missing);
    } catch (error) {
      this.#holders--;
      throw error;
    }
  }

  /**
   * Merges the delta into its minutes, hours and days. What it touches was `prepare`d. The delta is
   * given away: its sketches become those of the finest cells here where there were none.
   */
  apply(delta: RollupDelta): void {
    this.#holders--;
    for (const { level, bucket, series, cell, own } of targetsOf(delta)) {
      this.#mergeInto(level, bucket, series, cell, own);
      this.#mergeInto(level, bucket, this.allSeriesOf(series), cell, false);
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
    const derived = this.#derived.get(hour);
    if (derived === undefined) return false;
    derived.used = true;
    return true;
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
    const minutes = this.#levels[LEVEL_MINUTE];
    for (const [key, cell] of cells) {
      const bucket = Math.floor(key / SERIES_SPAN);
      const chunk = minutes.chunkAt(bucket, key - bucket * SERIES_SPAN);
      chunk.merge(bucket % CHUNK_CELLS, cell, true);
      chunk.state[bucket % CHUNK_CELLS] |= DERIVED;
      chunk.derived++;
      minutes.charge(chunk);
      this.#runs.touch(LEVEL_MINUTE, bucket, chunk.series);
    }
    this.#derived.set(hour, { keys: [...cells.keys()], used: true });
  }

  /** Loads what was noted. */
  async fill(missing: MissingCells): Promise<void> {
    for (const { level, from, to, series, want } of missing.runs()) {
      for (;;) {
        const flushes = this.#flushes;
        const stored = await this.store.readCells({
          level,
          fromBucket: from,
          toBucket: to,
          series,
          want,
        });
        // A flush during the read may have made its answer old: what it changed is asked for again.
        if (flushes !== this.#flushes) continue;
        for (const cell of stored) this.#levels[level].takeStored(cell, want);
        for (const each of series) this.#levels[level].markKnown(from, to, each);
        break;
      }
    }
  }

  /** Runs `read` with nothing forgotten between its `fill` and its reading. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    this.#holders++;
    try {
      return await read();
    } finally {
      this.#holders--;
    }
  }

  /** Adds the numbers of a tile's cells, each at its bucket of the tile, for all targets. */
  addCounts(tile: Tile, targets: readonly CountTarget[], missing: MissingCells): void {
    this.#levels[tile.level].addCounts(tile, targets, missing);
  }

  /**
   * Gives the users or sessions of a tile's cells by bucket of the tile, to be read only. A long
   * run of one bucket comes merged, minutes of one bucket come in parts of them.
   */
  distincts(
    { level, from, to, bucket, step }: Tile,
    series: number,
    kind: DistinctKind,
    missing: MissingCells,
    take: (bucket: number, sketch: HyperLogLog) => void,
  ): void {
    this.#missing = missing;
    if (step === 0 && level === LEVEL_MINUTE) {
      this.#runs.parts(level, from, to, series, kind, (sketch) => take(bucket, sketch));
      return;
    }
    if (step === 0 && to - from > 1) {
      const sketch = this.#runs.of(level, from, to, series, kind);
      if (sketch) take(bucket, sketch);
      return;
    }
    for (let at = from; at < to; at++) {
      const sketch = this.#levels[level].distinctAt(at, series, kind, missing);
      if (sketch) take(bucket + step * (at - from), sketch);
    }
  }

  /** The same of the amounts, one sketch per cell that has some. */
  amounts(
    { level, from, to, bucket, step }: Tile,
    series: number,
    missing: MissingCells,
    take: (bucket: number, sketch: DDSketch) => void,
  ): void {
    for (let at = from; at < to; at++) {
      const cell = this.cellAt(level, at, series, WANT_AMOUNTS, missing);
      if (cell?.sketches?.amounts) take(bucket + step * (at - from), cell.sketches.amounts);
    }
  }

  /** One cell with the sketches wanted; null when there is none, or it is missing and noted so. */
  cellAt(
    level: Level,
    bucket: number,
    series: number,
    want: number,
    missing: MissingCells,
  ): CellView | null {
    return this.#levels[level].cellAt(bucket, series, want, missing);
  }

  /**
   * All that changed since the last flush, for the store: encoded when it is read, as all at once
   * would take more memory than the cells do. Nothing may be applied before the store has them.
   */
  dirtyCells(): FlushedCell[] {
    const cells: FlushedCell[] = [];
    for (const level of LEVELS) {
      for (const key of this.#dirty[level]) {
        const bucket = Math.floor(key / SERIES_SPAN);
        const series = key - bucket * SERIES_SPAN;
        const isNew = !this.#levels[level].isStored(bucket);
        const cell = this.#levels[level].cellAt(bucket, series, WANT_ALL, NONE_MISSING)!;
        cells.push(new CellToFlush(level, bucket, series, isNew, cell));
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
        const chunk = this.#levels[level].find(bucket, key - bucket * SERIES_SPAN)!;
        chunk.state[bucket % CHUNK_CELLS] &= ~DIRTY;
        chunk.dirty--;
        this.#levels[level].markStored(bucket);
      }
      this.#dirty[level].clear();
    }
  }

  /**
   * Forgets clean cells down to the budget: those not used since the last sweep first, and sketches
   * before numbers, which are small and which every question reads.
   */
  evict(budgetBytes: number): void {
    const goOn = () => this.byteSize > budgetBytes;
    if (this.#holders > 0) return;
    for (let sweep = 0; sweep < 2 && goOn(); sweep++) {
      for (const [hour, derived] of this.#derived) {
        if (!goOn()) return;
        if (derived.used) derived.used = false;
        else this.#forgetDerived(hour);
      }
      for (const level of this.#levels) level.sweep("sketches", goOn);
      this.#runs.sweep(goOn);
      for (const level of this.#levels) level.sweep("chunks", goOn);
    }
  }

  #forgetDerived(hour: number): void {
    const minutes = this.#levels[LEVEL_MINUTE];
    for (const key of this.#derived.get(hour)?.keys ?? []) {
      const bucket = Math.floor(key / SERIES_SPAN);
      const chunk = minutes.chunkAt(bucket, key - bucket * SERIES_SPAN);
      chunk.forget(bucket % CHUNK_CELLS);
      chunk.derived--;
      minutes.charge(chunk);
      this.#runs.touch(LEVEL_MINUTE, bucket, chunk.series);
    }
    this.#derived.delete(hour);
  }

  #mergeInto(level: Level, bucket: number, series: number, change: Cell, own: boolean): void {
    const cells = this.#levels[level];
    assert(cells.isWhole(bucket, series), "a cell is changed only when all of it is in memory");
    const chunk = cells.chunkAt(bucket, series);
    const i = bucket % CHUNK_CELLS;
    chunk.merge(i, change, own);
    if ((chunk.state[i] & DIRTY) === 0) {
      chunk.state[i] |= DIRTY;
      chunk.dirty++;
      this.#dirty[level].add(bucket * SERIES_SPAN + series);
    }
    cells.charge(chunk);
    this.#runs.touch(level, bucket, series);
  }
}

const LEVELS: readonly Level[] = [LEVEL_MINUTE, LEVEL_HOUR, LEVEL_DAY];
/** For cells that are in memory for sure. */
const NONE_MISSING = new MissingCells();

/** A changed cell on its way to the store, whose sketches are encoded one cell at a time. */
class CellToFlush implements FlushedCell {
  readonly #sketches: CellSketches;
  readonly events: number;
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly amountCount: number;
  readonly amountSum: number;

  constructor(
    readonly level: Level,
    readonly bucket: number,
    readonly series: number,
    readonly isNew: boolean,
    cell: CellView,
  ) {
    this.#sketches = cell.sketches!;
    this.events = cell.events;
    this.minTimestampMs = cell.minTimestampMs;
    this.maxTimestampMs = cell.maxTimestampMs;
    this.amountCount = cell.amountCount;
    this.amountSum = cell.amountSum;
  }

  get users(): Uint8Array {
    return this.#sketches.users.encode();
  }

  get sessions(): Uint8Array {
    return this.#sketches.sessions.encode();
  }

  get amounts(): Uint8Array | null {
    return this.#sketches.amounts?.encode() ?? null;
  }
}

/** Each cell of a delta at every level that it belongs to. */
function* targetsOf(delta: RollupDelta): Generator<Target> {
  for (const [key, cell] of delta.minutes) {
    const minute = Math.floor(key / SERIES_SPAN);
    const series = key - minute * SERIES_SPAN;
    yield { level: LEVEL_MINUTE, bucket: minute, series, cell, own: true };
    yield { level: LEVEL_HOUR, bucket: Math.floor(minute / 60), series, cell, own: false };
    yield { level: LEVEL_DAY, bucket: Math.floor(minute / 1440), series, cell, own: false };
  }
  for (const [key, cell] of delta.hours) {
    const hour = Math.floor(key / SERIES_SPAN);
    const series = key - hour * SERIES_SPAN;
    yield { level: LEVEL_HOUR, bucket: hour, series, cell, own: true };
    yield { level: LEVEL_DAY, bucket: Math.floor(hour / 24), series, cell, own: false };
  }
}

interface Target {
  readonly level: Level;
  readonly bucket: number;
  readonly series: number;
  readonly cell: Cell;
  /** The finest level: this cell has no other place there. */
  readonly own: boolean;
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
