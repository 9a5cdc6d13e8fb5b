/**
 * Users and sessions of runs of neighbouring cells, merged once and kept until a cell of the run
 * changes.
 *
 * A month is thirty sketches of 16 KiB to merge, and the next question about it nearly always wants
 * the same days: their merge is kept as one run. Where the range moves on, or a late event changed
 * one of its days, the run is made again from blocks of eight cells, which are kept as well.
 *
 *     run      [ 5 6 7 | 8 .. 15 | 16 .. 23 | 24 25 ]
 *               cells     block      block    cells
 */
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { Level } from "../store/event_store.ts";

/** Cells of a block. */
export const BLOCK_CELLS = 8;
/** Runs kept of one series, level and kind; the one asked for longest ago goes first. */
const RUNS_MAX = 64;
/** Longest run, cells: what a run's key has room for. */
const LENGTH_SPAN = 1 << 17;
/** Memory of an entry without its sketch, bytes. */
const RUN_BYTES = 120;

/** WANT_USERS or WANT_SESSIONS. */
export type DistinctKind = 1 | 2;

/** A cell's sketch; null = there is none; undefined = memory does not know. */
export type ReadSketch = (
  level: Level,
  bucket: number,
  series: number,
  kind: DistinctKind,
) => HyperLogLog | null | undefined;

interface Run {
  readonly from: number;
  readonly to: number;
  readonly sketch: HyperLogLog | null;
  readonly bytes: number;
  used: boolean;
}

/** Runs and blocks of one series, level and kind. */
interface Kept {
  readonly runs: Map<number, Run>;
  readonly blocks: Map<number, Run>;
}

export class MergedRuns {
  readonly #read: ReadSketch;
  /** By series, then level and kind. */
  readonly #kept: (Map<number, Kept> | undefined)[] = [];
  #bytes = 0;

  constructor(read: ReadSketch) {
    this.#read = read;
  }

  get byteSize(): number {
    return this.#bytes;
  }

  /**
   * The merge of cells [from, to), to be read only; null when there are none. Undefined when a cell
   * is not in memory: every such cell was asked for by `read`.
   */
  of(
    level: Level,
    from: number,
    to: number,
    series: number,
    kind: DistinctKind,
  ): HyperLogLog | null | undefined {
    const { runs } = this.#keptOf(level, series, kind);
    const key = from * LENGTH_SPAN + (to - from);
    const known = runs.get(key);
    if (known !== undefined) {
      known.used = true;
      runs.delete(key);
      runs.set(key, known);
      return known.sketch;
    }
    const parts: HyperLogLog[] = [];
    if (!this.parts(level, from, to, series, kind, (part) => parts.push(part))) return undefined;
    const run = this.#add(runs, key, from, to, parts);
    for (const oldest of runs.keys()) {
      if (runs.size <= RUNS_MAX) break;
      this.#drop(runs, oldest);
    }
    return run.sketch;
  }

  /**
   * Gives blocks and cells whose merge is that of cells [from, to); false when a cell is not in
   * memory. For runs that hardly anybody asks for again, such as the minutes of a cut hour.
   */
  parts(
    level: Level,
    from: number,
    to: number,
    series: number,
    kind: DistinctKind,
    take: (part: HyperLogLog) => void,
  ): boolean {
    const { blocks } = this.#keptOf(level, series, kind);
    let isWhole = true;
    for (let at = from; at < to;) {
      const isBlock = at % BLOCK_CELLS === 0 && at + BLOCK_CELLS <= to;
      const part = isBlock
        ? this.#block(blocks, level, at, series, kind)
        : this.#read(level, at, series, kind);
      if (part === undefined) isWhole = false;
      else if (part !== null) take(part);
      at += isBlock ? BLOCK_CELLS : 1;
    }
    return isWhole;
  }

  /** A cell changed: what it is part of is forgotten. */
  touch(level: Level, bucket: number, series: number): void {
    const kinds = this.#kept[series];
    if (kinds === undefined) return;
    for (const kind of [1, 2]) {
      const kept = kinds.get(level * 4 + kind);
      if (kept === undefined) continue;
      for (const [key, { from, to }] of kept.runs) {
        if (from <= bucket && bucket < to) this.#drop(kept.runs, key);
      }
      this.#drop(kept.blocks, Math.floor(bucket / BLOCK_CELLS));
    }
  }

  /** Forgets what was not used since the last call, as long as `goOn` says so. */
  sweep(goOn: () => boolean): void {
    for (const kinds of this.#kept) {
      for (const { runs, blocks } of kinds?.values() ?? []) {
        for (const kept of [runs, blocks]) {
          for (const [key, run] of kept) {
            if (!goOn()) return;
            if (run.used) run.used = false;
            else this.#drop(kept, key);
          }
        }
      }
    }
  }

  #block(
    blocks: Map<number, Run>,
    level: Level,
    from: number,
    series: number,
    kind: DistinctKind,
  ): HyperLogLog | null | undefined {
    const key = from / BLOCK_CELLS;
    const known = blocks.get(key);
    if (known !== undefined) {
      known.used = true;
      return known.sketch;
    }
    const parts: HyperLogLog[] = [];
    let isWhole = true;
    for (let at = from; at < from + BLOCK_CELLS; at++) {
      const part = this.#read(level, at, series, kind);
      if (part === undefined) isWhole = false;
      else if (part !== null) parts.push(part);
    }
    if (!isWhole) return undefined;
    return this.#add(blocks, key, from, from + BLOCK_CELLS, parts).sketch;
  }

  /** One part alone stands for itself: it is not copied, and any change of it is a touch here. */
  #add(kept: Map<number, Run>, key: number, from: number, to: number, parts: HyperLogLog[]): Run {
    const sketch = parts.length > 1 ? unionOf(parts) : parts[0] ?? null;
    const bytes = RUN_BYTES + (sketch === null ? 0 : sketch.byteSize);
    const run = { from, to, sketch, bytes, used: true };
    kept.set(key, run);
    this.#bytes += bytes;
    return run;
  }

  #drop(kept: Map<number, Run>, key: number): void {
    const run = kept.get(key);
    if (run === undefined) return;
    this.#bytes -= run.bytes;
    kept.delete(key);
  }

  #keptOf(level: Level, series: number, kind: DistinctKind): Kept {
    while (this.#kept.length <= series) this.#kept.push(undefined);
    const kinds = this.#kept[series] ??= new Map();
    let kept = kinds.get(level * 4 + kind);
    if (kept === undefined) {
      kinds.set(level * 4 + kind, kept = { runs: new Map(), blocks: new Map() });
    }
    return kept;
  }
}

function unionOf(parts: readonly HyperLogLog[]): HyperLogLog {
  const union = HyperLogLog.union(parts);
  union.pack();
  return union;
}
