/**
 * What a bench is made of. A study measures one or more cases in the same interleaved runs, and
 * gives a row for each figure: the value, the peer or limit beside it, the bar, and the verdict.
 */
import type { BenchSettings } from "./bench_settings.ts";
import { median } from "./quantile.ts";

/** What a study gets. */
export interface BenchContext {
  readonly settings: BenchSettings;
  /** Folder that outlives the bench, for what is costly to make. */
  readonly cacheFolder: string;
  /** Folder that is removed after the bench; on the same disk as the cache. */
  readonly scratchFolder: string;
  /** Tells the terminal how it goes. */
  readonly say: (line: string) => void;
}

/** One figure of the table. */
export interface BenchRow {
  /** Case and what is measured; a row of the same name replaces an older one. */
  readonly name: string;
  readonly figure: string;
  /** The peer's figure; "" = there is none. */
  readonly beside: string;
  /** Figure over peer; "" = there is no peer. */
  readonly ratio: string;
  /** What must be reached; "" = shown for comparison only. */
  readonly bar: string;
  /** Null: there is no bar. */
  readonly met: boolean | null;
}

/** Measures together what needs the same preparation. */
export interface BenchStudy {
  /** Names of the cases that it can measure. */
  readonly cases: readonly string[];
  /** What it does, for `--help`. */
  readonly about: string;
  /** Measures those of its cases that are wanted. */
  run(context: BenchContext, wanted: ReadonlySet<string>): Promise<BenchRow[]>;
}

/** One thing that is measured once in every run. */
export interface Contestant {
  readonly name: string;
  measure(run: number): Promise<number>;
}

/**
 * Measures each contestant once a run, one after the other, so that a busy moment of the machine
 * meets all of them. Every second run goes the other way round: nobody always comes after the same.
 *
 * @returns by name the figures of all runs
 */
export async function interleave(
  context: BenchContext,
  title: string,
  contestants: readonly Contestant[],
): Promise<Map<string, number[]>> {
  const figures = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (let run = 0; run < context.settings.runs; run++) {
    const order = run % 2 === 0 ? contestants : contestants.toReversed();
    for (const { name, measure } of order) {
      const figure = await measure(run);
      figures.get(name)!.push(figure);
      context.say(`${title}, run ${run + 1}, ${name}: ${count(figure)}`);
    }
  }
  return figures;
}

/** "12,345". */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** "12,345 events/s (11,900 to 12,800)": the median, and between which runs it lies. */
export function spread(values: readonly number[], unit: string, digits = 0): string {
  const text = (value: number) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const middle = `${text(median(values))} ${unit}`;
  if (values.length < 2) return middle;
  return `${middle} (${text(Math.min(...values))} to ${text(Math.max(...values))})`;
}
