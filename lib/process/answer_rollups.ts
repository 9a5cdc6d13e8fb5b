/**
 * A shard's part of the answer to a RollupPlan: for each of its partitions the cells that tile the
 * buckets, what the open deltas add to them, and rows for the parts of a minute at a range's ends.
 *
 * A cut minute costs a read of rows only if its events really lie on both sides of the cut: cells
 * know their first and last event time. The same goes for a cut hour that has no minutes (see
 * hour_grains.ts): where its events lie on one side the hour's own cell serves, else its minutes
 * are counted from rows, once, and kept in memory with the other cells.
 */
import { encodePartial, type RollupPartial } from "../query/partial.ts";
import { planBuckets, type PlannedBucket, type RollupPlan } from "../query/plan.ts";
import { Cell } from "../rollup/cell.ts";
import { HOUR_MS, MINUTE_MS, type RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { type Level, LEVEL_MINUTE } from "../store/event_store.ts";
import { type FittedBucket, fitWholeHours, TRIES_MAX } from "./fit_whole_hours.ts";
import type { PartitionProcessor } from "./partition_processor.ts";
import { addRow } from "./rollup_cells.ts";
import type { ProjectEntry, SeriesEntry } from "./series_table.ts";

/** What the shard does for an answer that needs rows. */
export interface AnswerContext {
  /** Commits what the partition has applied, so that its rows can be read. */
  settle(processor: PartitionProcessor): Promise<void>;
  /** Everything received before this is in the partition's memory, ms since the epoch. */
  completeUntilMs(processor: PartitionProcessor): number;
}

/** One group of the answer, and the series of one partition that are counted in it. */
interface GroupSource {
  readonly name: string;
  readonly want: number;
  /** Rollup series to read cells of. */
  readonly cells: readonly number[];
  /** Series without cells of their own, counted from rows. */
  readonly rows: readonly number[];
  /** Row series behind each rollup series, for the cut minutes; null = all of the project. */
  rowsOf(rollup: number): readonly number[];
}

type Groups = Map<string, { want: number; cells: (Cell | null)[] }>;

/**
 * Answers the plan from all of a shard's partitions: one partial, whose `completeUntilMs` is that of
 * the partition furthest behind. Throws StoreError when cells or rows can't be read.
 */
export async function answerRollups(
  processors: Iterable<PartitionProcessor>,
  plan: RollupPlan,
  context: AnswerContext,
): Promise<RollupPartial> {
  const planned = planBuckets(plan);
  const groups: Groups = new Map();
  let completeUntilMs = Infinity;
  for (const processor of processors) {
    completeUntilMs = Math.min(completeUntilMs, context.completeUntilMs(processor));
    const project = processor.series.findProject(plan.project);
    if (project === undefined) continue;
    const sources = sourcesOf(project, plan);
    await processor.cells.reading(async () => {
      const buckets = await fitAndLoad(processor, project, sources, planned, context);
      const cuts = mergeCells(processor, sources, buckets, groups);
      if (cuts.length > 0) await mergeRows(processor, project, cuts, buckets, groups, context);
    });
  }
  const partial = [...groups].map(([name, { want, cells }]) => ({ name, want, cells }));
  return encodePartial(plan, partial, completeUntilMs);
}

/** The buckets as this partition can answer them, with all their cells in memory. */
async function fitAndLoad(
  processor: PartitionProcessor,
  project: ProjectEntry,
  sources: readonly GroupSource[],
  planned: readonly PlannedBucket[],
  context: AnswerContext,
): Promise<readonly FittedBucket[]> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { buckets, holds } = await fitWholeHours(processor, project, planned, context);
    await loadCells(processor, sources, buckets);
    if (holds()) return buckets;
  }
  throw new Error("the hours asked for keep changing: ask again");
}

/** Which series of a partition make up which group of the plan. */
function sourcesOf(project: ProjectEntry, plan: RollupPlan): GroupSource[] {
  const entries = plan.types === null
    ? [...project.types.values()].filter((entry) => entry.rollup === entry.id)
    : plan.types.flatMap((type) => project.types.get(type) ?? []);
  const rowsOf = (rollup: number) => rowSeriesOf(project, rollup);
  const sources: GroupSource[] = [];
  if (plan.wantTotal !== null) {
    const all = plan.types === null ? [project.allSeries] : null;
    sources.push({ name: "", want: plan.wantTotal, rowsOf, ...split(entries, all) });
  }
  if (plan.wantByType !== null) {
    for (const entry of entries) {
      sources.push({ name: entry.type, want: plan.wantByType, rowsOf, ...split([entry], null) });
    }
  }
  return sources;
}

function split(entries: readonly SeriesEntry[], all: number[] | null) {
  if (all !== null) return { cells: all, rows: [] };
  return {
    cells: entries.filter((entry) => entry.rollup === entry.id).map((entry) => entry.id),
    rows: entries.filter((entry) => entry.rollup !== entry.id).map((entry) => entry.id),
  };
}

function rowSeriesOf(project: ProjectEntry, rollup: number): number[] {
  const ids: number[] = [];
  for (const entry of project.types.values()) {
    if (rollup === project.allSeries || entry.rollup === rollup) ids.push(entry.id);
  }
  return ids;
}

/** Reads into memory what the tiles need: once per run of neighbouring buckets and level. */
async function loadCells(
  processor: PartitionProcessor,
  sources: readonly GroupSource[],
  buckets: readonly PlannedBucket[],
): Promise<void> {
  const byWant = new Map<number, Set<number>>();
  for (const source of sources) {
    let series = byWant.get(source.want);
    if (!series) byWant.set(source.want, series = new Set());
    for (const each of source.cells) series.add(each);
  }
  for (const { level, from, to } of runsOfTiles(buckets)) {
    for (const [want, series] of byWant) {
      if (series.size > 0) await processor.cells.ensure(level, from, to, [...series], want);
    }
  }
}

interface Run {
  readonly level: Level;
  readonly from: number;
  to: number;
}

function runsOfTiles(buckets: readonly PlannedBucket[]): Run[] {
  const tiles: Run[] = [];
  for (const { pieces, edges } of buckets) {
    for (const { level, fromBucket, toBucket } of pieces) {
      tiles.push({ level, from: fromBucket, to: toBucket });
    }
    for (const { fromMs, toMs } of edges) {
      const from = Math.floor(fromMs / MINUTE_MS);
      tiles.push({ level: LEVEL_MINUTE, from, to: Math.floor((toMs - 1) / MINUTE_MS) + 1 });
    }
  }
  tiles.sort((a, b) => a.level - b.level || a.from - b.from);
  const runs: Run[] = [];
  for (const tile of tiles) {
    const last = runs[runs.length - 1];
    if (last && last.level === tile.level && tile.from <= last.to) {
      last.to = Math.max(last.to, tile.to);
    } else runs.push({ ...tile });
  }
  return runs;
}

/** A part of a bucket that only rows can answer. */
interface Cut {
  readonly source: GroupSource;
  readonly bucket: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Row series. */
  readonly series: readonly number[];
}

/** Merges cells and open deltas, in one go so that no commit moves one into the other meanwhile. */
function mergeCells(
  processor: PartitionProcessor,
  sources: readonly GroupSource[],
  buckets: readonly FittedBucket[],
  groups: Groups,
): Cut[] {
  const cuts: Cut[] = [];
  const deltas = processor.openDeltas().filter((delta) => !delta.isEmpty);
  for (const source of sources) {
    const group = groupOf(groups, source, buckets.length);
    buckets.forEach(({ startMs, endMs, pieces, edges }, bucket) => {
      for (const series of source.rows) {
        cuts.push({ source, bucket, fromMs: startMs, toMs: endMs, series: [series] });
      }
      for (const series of source.cells) {
        for (const { level, fromBucket, toBucket } of pieces) {
          for (let at = fromBucket; at < toBucket; at++) {
            const cell = processor.cells.get(level, at, series);
            if (cell) mergeInto(group.cells, bucket, cell, source.want);
          }
        }
        for (const { fromMs, toMs } of edges) {
          if (
            mergeEdge(processor, deltas, series, fromMs, toMs, group.cells, bucket, source.want)
          ) {
            continue;
          }
          cuts.push({ source, bucket, fromMs, toMs, series: source.rowsOf(series) });
        }
      }
    });
    for (const delta of deltas) mergeDelta(processor, delta, source, buckets, group.cells);
  }
  return cuts;
}

function groupOf(groups: Groups, source: GroupSource, buckets: number) {
  let group = groups.get(source.name);
  if (!group) {
    group = { want: source.want, cells: new Array<Cell | null>(buckets).fill(null) };
    groups.set(source.name, group);
  }
  return group;
}

function mergeInto(cells: (Cell | null)[], bucket: number, cell: Cell, want: number): void {
  (cells[bucket] ??= new Cell()).merge(cell, want);
}

/** Merges an edge from whole cells where they lie all inside it; false when rows are needed. */
function mergeEdge(
  processor: PartitionProcessor,
  deltas: readonly RollupDelta[],
  series: number,
  fromMs: number,
  toMs: number,
  cells: (Cell | null)[],
  bucket: number,
  want: number,
): boolean {
  const inside: Cell[] = [];
  for (let at = Math.floor(fromMs / MINUTE_MS); at * MINUTE_MS < toMs; at++) {
    const found = [processor.cells.get(LEVEL_MINUTE, at, series)];
    for (const delta of deltas) found.push(...cellsOf(processor, delta.minutes, at, series));
    for (const cell of found) {
      if (!cell || cell.maxTimestampMs < fromMs || cell.minTimestampMs >= toMs) continue;
      if (cell.minTimestampMs < fromMs || cell.maxTimestampMs >= toMs) return false;
      inside.push(cell);
    }
  }
  for (const cell of inside) mergeInto(cells, bucket, cell, want);
  return true;
}

/** A delta's cells of a series in a bucket; the series of all types stands for every type. */
function cellsOf(
  processor: PartitionProcessor,
  cells: ReadonlyMap<number, Cell>,
  bucket: number,
  series: number,
): Cell[] {
  const entry = processor.series.entry(series);
  if ("project" in entry) {
    const cell = cells.get(bucket * SERIES_SPAN + series);
    return cell ? [cell] : [];
  }
  const found: Cell[] = [];
  for (const type of entry.types.values()) {
    const cell = cells.get(bucket * SERIES_SPAN + type.id);
    if (cell) found.push(cell);
  }
  return found;
}

/** Adds a delta's cells whose whole minute or hour lies in a bucket; edges have been seen to. */
function mergeDelta(
  processor: PartitionProcessor,
  delta: RollupDelta,
  source: GroupSource,
  buckets: readonly FittedBucket[],
  cells: (Cell | null)[],
): void {
  const wanted = new Set(source.cells);
  const isWanted = (series: number) =>
    wanted.has(series) || wanted.has(processor.series.allSeriesOf(series));
  for (const [key, cell] of delta.minutes) {
    const minute = Math.floor(key / SERIES_SPAN);
    if (!isWanted(key - minute * SERIES_SPAN)) continue;
    const bucket = bucketAt(buckets, minute * MINUTE_MS);
    if (bucket < 0 || (minute + 1) * MINUTE_MS > buckets[bucket].endMs) continue;
    mergeInto(cells, bucket, cell, source.want);
  }
  for (const [key, cell] of delta.hours) {
    const hour = Math.floor(key / SERIES_SPAN);
    if (!isWanted(key - hour * SERIES_SPAN)) continue;
    const bucket = bucketOfHour(buckets, hour);
    if (bucket >= 0) mergeInto(cells, bucket, cell, source.want);
  }
}

/** The bucket that counts an hour by its own cell: it holds the hour, or all the hour's events. */
function bucketOfHour(buckets: readonly FittedBucket[], hour: number): number {
  const startMs = hour * HOUR_MS;
  const endMs = startMs + HOUR_MS;
  const whole = bucketAt(buckets, startMs);
  if (whole >= 0 && buckets[whole].endMs >= endMs) return whole;
  return buckets.findIndex((bucket) => bucket.servedHours.has(hour));
}

/** Index of the bucket that holds a time, or -1. */
function bucketAt(buckets: readonly PlannedBucket[], timeMs: number): number {
  let low = 0;
  let high = buckets.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (timeMs < buckets[middle].startMs) high = middle - 1;
    else if (timeMs >= buckets[middle].endMs) low = middle + 1;
    else return middle;
  }
  return -1;
}

/** Counts the cut parts from committed rows. */
async function mergeRows(
  processor: PartitionProcessor,
  project: ProjectEntry,
  cuts: readonly Cut[],
  buckets: readonly PlannedBucket[],
  groups: Groups,
  context: AnswerContext,
): Promise<void> {
  await context.settle(processor);
  const ranges = new Map<string, { cuts: Cut[]; series: Set<number> }>();
  for (const cut of cuts) {
    const key = `${cut.fromMs}:${cut.toMs}`;
    let range = ranges.get(key);
    if (!range) ranges.set(key, range = { cuts: [], series: new Set() });
    range.cuts.push(cut);
    for (const series of cut.series) range.series.add(series);
  }
  for (const { cuts: sameRange, series } of ranges.values()) {
    const { fromMs, toMs } = sameRange[0];
    const named = series.size === project.types.size && processor.series.size === series.size + 1
      ? null
      : [...series];
    const rows = await processor.store.rowsInRange(fromMs, toMs, named);
    for (const cut of sameRange) {
      const group = groupOf(groups, cut.source, buckets.length);
      const cell = group.cells[cut.bucket] ??= new Cell();
      const wanted = new Set(cut.series);
      for (let i = 0; i < rows.count; i++) {
        if (wanted.has(rows.series[i])) addRow(cell, rows, i);
      }
    }
  }
}
