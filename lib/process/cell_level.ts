/**
 * The cells of one level in memory, in chunks, and which buckets the store has cells of.
 *
 * Chunks are found by chunk index first and series second: a question looks up a stretch of time
 * once and then walks the series that it counts.
 */
import type { CountTable } from "../query/count_table.ts";
import type { Tile } from "../query/plan_tiles.ts";
import { WANT_ALL, WANT_USERS } from "../rollup/want.ts";
import type { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { Level, StoredCell } from "../store/event_store.ts";
import {
  AMOUNT_COUNT,
  AMOUNT_SUM,
  CellChunk,
  type CellSketches,
  CHUNK_CELLS,
  chunkOf,
  DIRTY,
  EVENTS,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  PRESENT,
} from "./cell_chunk.ts";
import type { DistinctKind } from "./merged_runs.ts";
import type { MissingCells } from "./missing_cells.ts";

/** A cell to be read only; its sketches are those that were asked for. */
export interface CellView {
  readonly events: number;
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly amountCount: number;
  readonly amountSum: number;
  readonly sketches: CellSketches | undefined;
}

/** Where the numbers of a series are added: place `first` + bucket of the table. */
export interface CountTarget {
  readonly series: number;
  readonly table: CountTable;
  readonly first: number;
  /** Amounts are not summed up. */
  readonly eventsOnly: boolean;
}

export class CellLevel {
  readonly #rows = new Map<number, (CellChunk | undefined)[]>();
  /** Buckets with stored cells: by chunk index, bit i for the bucket of cell i. */
  readonly #stored = new Map<number, number>();
  #bytes = 0;

  constructor(readonly level: Level) {}

  /** Memory of all chunks, bytes. */
  get byteSize(): number {
    return this.#bytes;
  }

  /** The store has cells of the bucket. */
  markStored(bucket: number): void {
    const index = chunkOf(bucket);
    this.#stored.set(index, this.#storedIn(index) | 1 << (bucket % CHUNK_CELLS));
  }

  isStored(bucket: number): boolean {
    return (this.#storedIn(chunkOf(bucket)) >> (bucket % CHUNK_CELLS) & 1) === 1;
  }

  find(bucket: number, series: number): CellChunk | undefined {
    return this.#rows.get(chunkOf(bucket))?.[series];
  }

  /** The chunk of a cell, made if need be; to be charged for once it has changed. */
  chunkAt(bucket: number, series: number): CellChunk {
    const index = chunkOf(bucket);
    let row = this.#rows.get(index);
    if (row === undefined) this.#rows.set(index, row = []);
    while (row.length <= series) row.push(undefined);
    return row[series] ??= new CellChunk(series, index * CHUNK_CELLS);
  }

  /** Brings the memory of the level up to date. */
  charge(chunk: CellChunk): void {
    const bytes = chunk.byteSize;
    this.#bytes += bytes - chunk.chargedBytes;
    chunk.chargedBytes = bytes;
  }

  stateAt(bucket: number, series: number): number {
    return this.find(bucket, series)?.state[bucket % CHUNK_CELLS] ?? 0;
  }

  /** Whether memory has all there is of a cell. */
  isWhole(bucket: number, series: number): boolean {
    const state = this.stateAt(bucket, series);
    if (state & PRESENT) return (state & WANT_ALL) === WANT_ALL;
    return !this.#isUnknown(bucket, series);
  }

  /** Takes a cell that was read from the store with these sketches. */
  takeStored(stored: StoredCell, want: number): void {
    const chunk = this.chunkAt(stored.bucket, stored.series);
    const state = chunk.state[stored.bucket % CHUNK_CELLS];
    // A cell that is whole in memory is newer than what the store has.
    if (state & DIRTY || (state & WANT_ALL) === WANT_ALL) return;
    chunk.takeStored(stored.bucket % CHUNK_CELLS, stored, want);
    this.charge(chunk);
  }

  /** Buckets [from, to) have been read: those that are not there are known not to be. */
  markKnown(from: number, to: number, series: number): void {
    for (let bucket = from; bucket < to; bucket++) {
      const chunk = this.chunkAt(bucket, series);
      chunk.known |= 1 << (bucket % CHUNK_CELLS);
      this.charge(chunk);
    }
  }

  /** Adds the numbers of a tile's cells, each at its bucket of the tile, for all targets at once. */
  addCounts(tile: Tile, targets: readonly CountTarget[], missing: MissingCells): void {
    const { from, to, step } = tile;
    for (let at = from; at < to;) {
      const index = chunkOf(at);
      const start = at - index * CHUNK_CELLS;
      const end = Math.min(CHUNK_CELLS, to - index * CHUNK_CELLS);
      const stored = this.#storedIn(index) & (1 << end) - (1 << start);
      const row = this.#rows.get(index);
      for (let i = 0; i < targets.length && (row !== undefined || stored !== 0); i++) {
        const target = targets[i];
        const chunk = row?.[target.series];
        const unknown = stored & ~(chunk?.known ?? 0);
        if (unknown !== 0) this.#noteMissing(missing, index, unknown, target.series);
        if (chunk === undefined || !chunk.hasNumbers) continue;
        chunk.used = true;
        const place = target.first + tile.bucket;
        if (step === 0) addSum(chunk, start, end, target, place);
        else addEach(chunk, start, end, target, place + at - from);
      }
      at += end - start;
    }
  }

  /** One cell with the sketches wanted; null when there is none, or it is missing and noted so. */
  cellAt(bucket: number, series: number, want: number, missing: MissingCells): CellView | null {
    const chunk = this.find(bucket, series);
    const i = bucket % CHUNK_CELLS;
    const state = chunk?.state[i] ?? 0;
    if (chunk !== undefined && state & PRESENT && (state & want) === want) {
      const { numbers, sketches } = chunk;
      chunk.used = true;
      if (want !== 0) chunk.sketchesUsed = true;
      return {
        events: numbers[EVENTS + i],
        minTimestampMs: numbers[MIN_TIMESTAMP + i],
        maxTimestampMs: numbers[MAX_TIMESTAMP + i],
        amountCount: numbers[AMOUNT_COUNT + i],
        amountSum: numbers[AMOUNT_SUM + i],
        sketches: sketches?.[i],
      };
    }
    if (state & PRESENT || this.#isUnknown(bucket, series)) {
      missing.note(this.level, bucket, bucket + 1, series, want & ~state);
    }
    return null;
  }

  /** One cell's users or sessions; null when there is no cell, undefined when it is missing. */
  distinctAt(
    bucket: number,
    series: number,
    kind: DistinctKind,
    missing: MissingCells,
  ): HyperLogLog | null | undefined {
    const chunk = this.find(bucket, series);
    const i = bucket % CHUNK_CELLS;
    const state = chunk?.state[i] ?? 0;
    if (chunk !== undefined && state & PRESENT && state & kind) {
      chunk.sketchesUsed = true;
      const sketches = chunk.sketches![i]!;
      return kind === WANT_USERS ? sketches.users : sketches.sessions;
    }
    if (!(state & PRESENT) && !this.#isUnknown(bucket, series)) return null;
    missing.note(this.level, bucket, bucket + 1, series, kind);
    return undefined;
  }

  /**
   * Forgets what was not used since the last call of clean chunks, as long as `goOn` says so:
   * their sketches, or all of them.
   */
  sweep(part: "sketches" | "chunks", goOn: () => boolean): void {
    for (const [index, row] of this.#rows) {
      for (const chunk of row) {
        if (chunk === undefined || chunk.dirty > 0 || chunk.derived > 0) continue;
        if (!goOn()) return;
        if (part === "sketches") {
          if (!chunk.sketchesUsed) chunk.dropSketches();
          chunk.sketchesUsed = false;
          this.charge(chunk);
        } else if (chunk.used) chunk.used = false;
        else {
          row[chunk.series] = undefined;
          this.#bytes -= chunk.chargedBytes;
        }
      }
      if (row.every((chunk) => chunk === undefined)) this.#rows.delete(index);
    }
  }

  #storedIn(index: number): number {
    return this.#stored.get(index) ?? 0;
  }

  /** Whether the store may have a cell that memory knows nothing of. */
  #isUnknown(bucket: number, series: number): boolean {
    const known = this.find(bucket, series)?.known ?? 0;
    return (known >> (bucket % CHUNK_CELLS) & 1) === 0 && this.isStored(bucket);
  }

  #noteMissing(missing: MissingCells, index: number, bits: number, series: number): void {
    for (let i = 0; i < CHUNK_CELLS; i++) {
      if ((bits >> i & 1) === 0) continue;
      const bucket = index * CHUNK_CELLS + i;
      missing.note(this.level, bucket, bucket + 1, series, 0);
    }
  }
}

/** Adds cells [start, end) of a chunk to one place; those that are not present are 0. */
function addSum(
  { numbers }: CellChunk,
  start: number,
  end: number,
  { table, eventsOnly }: CountTarget,
  place: number,
): void {
  let events = 0;
  for (let i = EVENTS + start; i < EVENTS + end; i++) events += numbers[i];
  table.events[place] += events;
  if (eventsOnly) return;
  let amountCount = 0;
  let amountSum = 0;
  for (let i = start; i < end; i++) {
    amountCount += numbers[AMOUNT_COUNT + i];
    amountSum += numbers[AMOUNT_SUM + i];
  }
  table.amountCount[place] += amountCount;
  table.amountSum[place] += amountSum;
}

/** Adds cells [start, end) of a chunk to as many places from `place` on. */
function addEach(
  { numbers }: CellChunk,
  start: number,
  end: number,
  { table, eventsOnly }: CountTarget,
  place: number,
): void {
  const { events, amountCount, amountSum } = table;
  for (let i = start, at = place; i < end; i++, at++) events[at] += numbers[EVENTS + i];
  if (eventsOnly) return;
  for (let i = start, at = place; i < end; i++, at++) {
    amountCount[at] += numbers[AMOUNT_COUNT + i];
    amountSum[at] += numbers[AMOUNT_SUM + i];
  }
}
