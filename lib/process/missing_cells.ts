/** Cells that a question or a commit needs and memory does not have, gathered into few reads. */
import type { Level } from "../store/event_store.ts";

/** One read of the store: buckets [from, to) of these series. */
export interface MissingRun {
  readonly level: Level;
  readonly from: number;
  readonly to: number;
  readonly series: readonly number[];
  /** WANT_* bits. */
  readonly want: number;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly series: number;
}

export class MissingCells {
  /** By level * 8 + want. */
  readonly #ranges = new Map<number, Range[]>();

  get isEmpty(): boolean {
    return this.#ranges.size === 0;
  }

  /** Buckets [from, to) of a series are missing, or these sketches of them. */
  note(level: Level, from: number, to: number, series: number, want: number): void {
    const key = level * 8 + want;
    let ranges = this.#ranges.get(key);
    if (ranges === undefined) this.#ranges.set(key, ranges = []);
    ranges.push({ from, to, series });
  }

  /** One read per run of neighbouring buckets; it may ask for more than was noted. */
  runs(): MissingRun[] {
    const runs = new Map<string, MissingRun>();
    for (const [key, ranges] of this.#ranges) {
      const level = Math.floor(key / 8) as Level;
      for (const { from, to, series } of joined(ranges)) {
        // Users and sessions of the same cells are one read.
        const same = `${level} ${from} ${to} ${series.join()}`;
        const want = (runs.get(same)?.want ?? 0) | (key % 8);
        runs.set(same, { level, from, to, series, want });
      }
    }
    return [...runs.values()];
  }
}

/** Ranges that touch as one, with the series of all of them. */
function joined(ranges: Range[]): { from: number; to: number; series: number[] }[] {
  const runs: { from: number; to: number; series: Set<number> }[] = [];
  for (const { from, to, series } of ranges.sort((a, b) => a.from - b.from)) {
    const last = runs.at(-1);
    if (last !== undefined && from <= last.to) {
      last.to = Math.max(last.to, to);
      last.series.add(series);
    } else runs.push({ from, to, series: new Set([series]) });
  }
  return runs.map((run) => ({ ...run, series: [...run.series].sort((a, b) => a - b) }));
}
