/**
 * Reads what one partition has for an answer, from memory alone and without waiting: the cells of
 * the tiles, what the open deltas add, and which parts only rows can answer.
 *
 * Numbers are added up at once. Sketches are gathered and merged when all of the partition is read:
 * a question that finds a cell missing begins again, and must not have changed the answer so far.
 */
import { SERIES_POINTS_MAX } from "../config/limits.ts";
import { type CountTable, giveTable, takeTable } from "../query/count_table.ts";
import type { PartialBuilder } from "../query/partial.ts";
import { bucketAt, type BucketEdge, type Tile } from "../query/plan_tiles.ts";
import type { Cell } from "../rollup/cell.ts";
import { HOUR_MS, MINUTE_MS, type RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import type { DDSketch } from "../sketch/ddsketch.ts";
import type { HyperLogLog } from "../sketch/hyperloglog.ts";
import { LEVEL_MINUTE } from "../store/event_store.ts";
import type { CountTarget } from "./cell_level.ts";
import type { FittedTiles } from "./fit_whole_hours.ts";
import { type GroupSource, rowSeriesOf } from "./group_sources.ts";
import type { MissingCells } from "./missing_cells.ts";
import type { PartitionProcessor } from "./partition_processor.ts";
import type { ProjectEntry } from "./series_table.ts";

/** A part of a bucket that only rows can answer. */
export interface Cut {
  readonly source: GroupSource;
  readonly bucket: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Row series. */
  readonly series: readonly number[];
}

/** What was read of a partition. Void when cells were noted as missing. */
export interface PartitionReading {
  /** The sources with events. */
  readonly groups: readonly GroupReading[];
  readonly cuts: readonly Cut[];
  /** Gives back the memory of its numbers; the groups must not be read any more. */
  release(): void;
}

/** A cell of the store or of a delta. */
interface ReadCell {
  readonly events: number;
  readonly amountCount: number;
  readonly amountSum: number;
}

interface ReadSketches {
  readonly users: HyperLogLog;
  readonly sessions: HyperLogLog;
  readonly amounts: DDSketch | null;
}

/** Sketches by bucket. */
type ByBucket<Sketch> = Map<number, Sketch[]>;

/** One source's numbers, and the sketches to merge by bucket. */
export class GroupReading {
  // Made when there is one: most groups want numbers alone.
  #users: ByBucket<HyperLogLog> | null = null;
  #sessions: ByBucket<HyperLogLog> | null = null;
  #amounts: ByBucket<DDSketch> | null = null;

  /** @param first place of bucket 0 in the table, which is shared */
  constructor(
    readonly source: GroupSource,
    readonly table: CountTable,
    readonly first: number,
  ) {}

  hasEvents(buckets: number): boolean {
    for (let i = 0; i < buckets; i++) if (this.table.events[this.first + i] > 0) return true;
    return false;
  }

  readSketches({ cells }: PartitionProcessor, tiles: readonly Tile[], missing: MissingCells): void {
    const { want, cells: series } = this.source;
    if (want === 0) return;
    const takeUsers = (bucket: number, sketch: HyperLogLog) =>
      push(this.#users ??= new Map(), bucket, sketch);
    const takeSessions = (bucket: number, sketch: HyperLogLog) =>
      push(this.#sessions ??= new Map(), bucket, sketch);
    const takeAmounts = (bucket: number, sketch: DDSketch) =>
      push(this.#amounts ??= new Map(), bucket, sketch);
    for (const each of series) {
      for (const tile of tiles) {
        if (want & WANT_USERS) cells.distincts(tile, each, WANT_USERS, missing, takeUsers);
        if (want & WANT_SESSIONS) cells.distincts(tile, each, WANT_SESSIONS, missing, takeSessions);
        if (want & WANT_AMOUNTS) cells.amounts(tile, each, missing, takeAmounts);
      }
    }
  }

  take(bucket: number, cell: ReadCell, sketches: ReadSketches | undefined): void {
    const { want } = this.source;
    const place = this.first + bucket;
    this.table.events[place] += cell.events;
    this.table.amountCount[place] += cell.amountCount;
    this.table.amountSum[place] += cell.amountSum;
    if (sketches === undefined) return;
    if (want & WANT_USERS) push(this.#users ??= new Map(), bucket, sketches.users);
    if (want & WANT_SESSIONS) push(this.#sessions ??= new Map(), bucket, sketches.sessions);
    if (want & WANT_AMOUNTS && sketches.amounts) {
      push(this.#amounts ??= new Map(), bucket, sketches.amounts);
    }
  }

  addTo(answer: PartialBuilder): void {
    const first = answer.placeOf(this.source.name);
    answer.addCounts(first, this.table, this.first);
    for (const [bucket, sketches] of this.#users ?? []) answer.addUsers(first + bucket, sketches);
    for (const [bucket, sketches] of this.#sessions ?? []) {
      answer.addSessions(first + bucket, sketches);
    }
    for (const [bucket, sketches] of this.#amounts ?? []) {
      answer.addAmounts(first + bucket, sketches);
    }
  }
}

/**
 * Reads the sources. Stops once more than `groupsMax` of them have events: the answer is refused
 * then, and tables of all of them could be large.
 */
export function readPartition(
  processor: PartitionProcessor,
  project: ProjectEntry,
  sources: readonly GroupSource[],
  fitted: FittedTiles,
  groupsMax: number,
  missing: MissingCells,
): PartitionReading {
  const buckets = Math.max(0, fitted.boundsMs.length - 1);
  const deltas = processor.openDeltas().filter((delta) => !delta.isEmpty);
  const pending = new DeltaSources(processor, sources, deltas);
  const groups: GroupReading[] = [];
  const tables: CountTable[] = [];
  const cuts: Cut[] = [];
  const atOnce = Math.max(1, Math.floor(SERIES_POINTS_MAX / Math.max(1, buckets)));
  for (let from = 0; from < sources.length && groups.length <= groupsMax; from += atOnce) {
    const atOnceSources = sources.slice(from, from + atOnce);
    const readings = readCounts(processor, atOnceSources, fitted, missing, tables);
    for (const reading of readings) {
      const { source } = reading;
      reading.readSketches(processor, fitted.tiles, missing);
      for (const series of source.cells) {
        for (const edge of fitted.edges) {
          if (readEdge(processor, deltas, series, edge, reading, missing)) continue;
          cuts.push({ source, ...edge, series: rowSeriesOf(project, series) });
        }
      }
      for (const { cell, timeMs, endMs } of pending.of(source)) {
        const bucket = bucketFor(fitted, timeMs, endMs);
        if (bucket >= 0) reading.take(bucket, cell, cell);
      }
      for (const series of source.rows) {
        for (let bucket = 0; bucket < buckets; bucket++) {
          const [fromMs, toMs] = fitted.boundsMs.subarray(bucket, bucket + 2);
          cuts.push({ source, bucket, fromMs, toMs, series: [series] });
        }
      }
      if (reading.hasEvents(buckets)) groups.push(reading);
    }
  }
  return { groups, cuts, release: () => tables.forEach(giveTable) };
}

/** The numbers of the sources' cells. */
function readCounts(
  { cells }: PartitionProcessor,
  sources: readonly GroupSource[],
  { boundsMs, tiles }: FittedTiles,
  missing: MissingCells,
  tables: CountTable[],
): GroupReading[] {
  const buckets = Math.max(0, boundsMs.length - 1);
  const table = takeTable(sources.length * buckets);
  tables.push(table);
  const targets: CountTarget[] = [];
  sources.forEach((source, index) => {
    const { cells: series, eventsOnly } = source;
    for (const each of series) {
      targets.push({ series: each, table, first: index * buckets, eventsOnly });
    }
  });
  for (const tile of tiles) cells.addCounts(tile, targets, missing);
  return sources.map((source, index) => new GroupReading(source, table, index * buckets));
}

/** Reads an edge from whole cells where they lie all inside it; false when rows are needed. */
function readEdge(
  processor: PartitionProcessor,
  deltas: readonly RollupDelta[],
  series: number,
  { fromMs, toMs, bucket }: BucketEdge,
  reading: GroupReading,
  missing: MissingCells,
): boolean {
  const inside: (() => void)[] = [];
  const fits = (cell: { minTimestampMs: number; maxTimestampMs: number }) =>
    cell.minTimestampMs >= fromMs && cell.maxTimestampMs < toMs;
  const meets = (cell: { minTimestampMs: number; maxTimestampMs: number }) =>
    cell.maxTimestampMs >= fromMs && cell.minTimestampMs < toMs;
  for (let at = Math.floor(fromMs / MINUTE_MS); at * MINUTE_MS < toMs; at++) {
    const { want } = reading.source;
    const view = processor.cells.cellAt(LEVEL_MINUTE, at, series, want, missing);
    if (view !== null && meets(view)) {
      if (!fits(view)) return false;
      inside.push(() => reading.take(bucket, view, view.sketches));
    }
    for (const cell of deltas.flatMap((delta) => cellsOf(processor, delta, at, series))) {
      if (!meets(cell)) continue;
      if (!fits(cell)) return false;
      inside.push(() => reading.take(bucket, cell, cell));
    }
  }
  for (const take of inside) take();
  return true;
}

/** A delta's cells of a series in a minute; the series of all types stands for every type. */
function cellsOf(
  processor: PartitionProcessor,
  { minutes }: RollupDelta,
  minute: number,
  series: number,
): Cell[] {
  const entry = processor.series.entry(series);
  const ids = "project" in entry ? [series] : [...entry.types.values()].map((type) => type.id);
  return ids.flatMap((id) => minutes.get(minute * SERIES_SPAN + id) ?? []);
}

/** A cell of a delta, and the time that it stands for. */
interface DeltaCell {
  readonly cell: Cell;
  readonly timeMs: number;
  readonly endMs: number;
}

const NO_CELLS: readonly DeltaCell[] = [];

/** The cells of the open deltas by the source that counts them. */
class DeltaSources {
  readonly #cells = new Map<GroupSource, DeltaCell[]>();

  constructor(
    { series }: PartitionProcessor,
    sources: readonly GroupSource[],
    deltas: readonly RollupDelta[],
  ) {
    if (deltas.length === 0) return;
    const sourcesOf = new Map<number, GroupSource[]>();
    for (const source of sources) for (const each of source.cells) push(sourcesOf, each, source);
    const take = (key: number, cell: Cell, widthMs: number) => {
      const bucket = Math.floor(key / SERIES_SPAN);
      const id = key - bucket * SERIES_SPAN;
      const found = { cell, timeMs: bucket * widthMs, endMs: (bucket + 1) * widthMs };
      for (const each of [id, series.allSeriesOf(id)]) {
        for (const source of sourcesOf.get(each) ?? []) push(this.#cells, source, found);
      }
    };
    for (const delta of deltas) {
      for (const [key, cell] of delta.minutes) take(key, cell, MINUTE_MS);
      for (const [key, cell] of delta.hours) take(key, cell, HOUR_MS);
    }
  }

  of(source: GroupSource): readonly DeltaCell[] {
    return this.#cells.get(source) ?? NO_CELLS;
  }
}

/**
 * The bucket that counts a delta's cell as a whole, or -1: it holds all of the cell's time, or it
 * serves the hour by the hour's own cell. Parts of minutes have been seen to as edges.
 */
function bucketFor(fitted: FittedTiles, timeMs: number, endMs: number): number {
  const bucket = bucketAt(fitted.boundsMs, timeMs);
  if (bucket >= 0 && endMs <= fitted.boundsMs[bucket + 1]) return bucket;
  if (endMs - timeMs !== HOUR_MS) return -1;
  return fitted.servedHours.get(timeMs / HOUR_MS) ?? -1;
}

function push<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
