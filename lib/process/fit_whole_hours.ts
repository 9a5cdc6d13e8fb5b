/**
 * Fits a plan's buckets to the hours of a partition that have no minutes (hour_grains.ts).
 *
 * Where a bucket takes only a part of such an hour, the hour's own cell serves if all its events lie
 * in the bucket; else the hour's minutes are counted from its rows and kept with the other cells.
 * Where each minute is a bucket of its own, the hour's minutes are always counted.
 */
import type { BucketEdge, PlanTiles, Tile } from "../query/plan_tiles.ts";
import { HOUR_MS, MINUTE_MS, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { LEVEL_HOUR, LEVEL_MINUTE, type RangeRows, rowsNotKept } from "../store/event_store.ts";
import type { AnswerContext } from "./answer_rollups.ts";
import type { MissingCells } from "./missing_cells.ts";
import type { PartitionProcessor } from "./partition_processor.ts";
import type { ProjectEntry } from "./series_table.ts";

/** Rows of an hour are read in slices of this length, so that a dense hour fits in memory, ms. */
const SLICE_MS = 10 * MINUTE_MS;
/** An hour that keeps changing while its rows are read is given up after so many tries. */
const TRIES_MAX = 20;

/** A plan's tiles as one partition can answer them at this moment. */
export interface FittedTiles extends PlanTiles {
  /** Hours that a bucket cuts but counts by their own cell, and the bucket. */
  readonly servedHours: ReadonlyMap<number, number>;
  /** Hours whose minutes have to be counted first (`deriveMinutes`); then this is to be made anew. */
  readonly toDerive: ReadonlySet<number>;
}

const NO_HOURS = new Set<number>();
const NONE_SERVED = new Map<number, number>();

/** Replaces cut whole hours by their cells where those fit, and finds the others to be counted. */
export function fitWholeHours(
  processor: PartitionProcessor,
  project: ProjectEntry,
  plan: PlanTiles,
  missing: MissingCells,
): FittedTiles {
  const cuts = cutHours(processor, plan);
  if (cuts.length === 0) return { ...plan, servedHours: NONE_SERVED, toDerive: NO_HOURS };
  const served = new Map<number, number>();
  const toDerive = new Set<number>();
  for (const { hour, bucket, toBucket } of cuts) {
    const { from, to } = extentOf(processor, project, hour, missing);
    const startMs = plan.boundsMs[bucket];
    const endMs = plan.boundsMs[toBucket + 1];
    if (bucket === toBucket && startMs <= from && to < endMs) {
      if (!served.has(hour)) served.set(hour, bucket);
    } else if (from < endMs && startMs <= to) {
      // What waits for a commit is not among the hour's minutes yet.
      const isCounted = processor.cells.hasDerived(hour) && !isPending(processor, project, hour);
      if (!isCounted) toDerive.add(hour);
    }
  }
  return { ...withHours(plan, served), servedHours: served, toDerive };
}

/** An hour without minutes that buckets [bucket, toBucket] take minutes or parts of minutes of. */
interface CutHour {
  readonly hour: number;
  readonly bucket: number;
  readonly toBucket: number;
}

function cutHours({ cells }: PartitionProcessor, { tiles, edges }: PlanTiles): CutHour[] {
  const cuts: CutHour[] = [];
  for (const { level, from, to, bucket, step } of tiles) {
    if (level !== LEVEL_MINUTE) continue;
    const toBucket = bucket + step * (to - from - 1);
    for (let hour = Math.floor(from / 60); hour * 60 < to; hour++) {
      if (cells.grains.isWhole(hour)) cuts.push({ hour, bucket, toBucket });
    }
  }
  for (const { fromMs, toMs, bucket } of edges) {
    for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS < toMs; hour++) {
      if (cells.grains.isWhole(hour)) cuts.push({ hour, bucket, toBucket: bucket });
    }
  }
  return cuts;
}

/** First and last time of the hour's events of any type; Infinity and -Infinity without events. */
function extentOf(
  processor: PartitionProcessor,
  project: ProjectEntry,
  hour: number,
  missing: MissingCells,
): { from: number; to: number } {
  const cell = processor.cells.cellAt(LEVEL_HOUR, hour, project.allSeries, 0, missing);
  let from = cell?.minTimestampMs ?? Infinity;
  let to = cell?.maxTimestampMs ?? -Infinity;
  for (const delta of processor.openDeltas()) {
    if (delta.hours.size === 0) continue;
    for (const type of project.types.values()) {
      const pending = delta.hours.get(hour * SERIES_SPAN + type.id);
      if (pending === undefined) continue;
      from = Math.min(from, pending.minTimestampMs);
      to = Math.max(to, pending.maxTimestampMs);
    }
  }
  return { from, to };
}

/** Whether events of the hour wait for their commit. */
function isPending(processor: PartitionProcessor, project: ProjectEntry, hour: number): boolean {
  return processor.openDeltas().some((delta) =>
    delta.hours.size > 0 &&
    [...project.types.values()].some((type) => delta.hours.has(hour * SERIES_SPAN + type.id))
  );
}

/** The plan with the tiles that a bucket has of the hours it serves replaced by those hours. */
function withHours(plan: PlanTiles, served: ReadonlyMap<number, number>): PlanTiles {
  if (served.size === 0) return plan;
  const tiles: Tile[] = plan.tiles.flatMap((tile) => {
    const { level, from, to, bucket, step } = tile;
    if (level !== LEVEL_MINUTE || step === 1) return [tile];
    const kept: Tile[] = [];
    for (let at = from; at < to;) {
      const hour = Math.floor(at / 60);
      const end = Math.min(to, (hour + 1) * 60);
      if (served.get(hour) !== bucket) kept.push({ ...tile, from: at, to: end });
      at = end;
    }
    return kept;
  });
  for (const [hour, bucket] of served) {
    tiles.push({ level: LEVEL_HOUR, from: hour, to: hour + 1, bucket, step: 0 });
  }
  const edges = plan.edges.flatMap(splitAtHour)
    .filter(({ fromMs, bucket }) => served.get(Math.floor(fromMs / HOUR_MS)) !== bucket);
  return { boundsMs: plan.boundsMs, tiles, edges };
}

/** An edge as parts that each lie in one hour. */
function splitAtHour(edge: BucketEdge): BucketEdge[] {
  const turnMs = (Math.floor(edge.fromMs / HOUR_MS) + 1) * HOUR_MS;
  return turnMs >= edge.toMs ? [edge] : [{ ...edge, toMs: turnMs }, { ...edge, fromMs: turnMs }];
}

/** Counts the hour's minutes from its rows, all of which are committed first. */
export async function deriveMinutes(
  processor: PartitionProcessor,
  hour: number,
  context: AnswerContext,
): Promise<void> {
  const { cells, series, store } = processor;
  if (!store.keepsRows) {
    const at = new Date(hour * HOUR_MS).toISOString();
    throw rowsNotKept(`; of the hour from ${at} only the whole is known, for it came in late`);
  }
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    await context.settle(processor);
    const version = cells.version;
    const parts: RangeRows[] = [];
    for (let fromMs = hour * HOUR_MS; fromMs < (hour + 1) * HOUR_MS; fromMs += SLICE_MS) {
      parts.push(await store.rowsInRange(fromMs, fromMs + SLICE_MS, null));
    }
    // A commit that touched the hour meanwhile may be in these rows or not: count them again.
    if (cells.wholeChangedAt(hour) > version) continue;
    const rollupOf = (id: number) => {
      const entry = series.entry(id);
      return "project" in entry ? entry.rollup : id;
    };
    cells.putDerived(hour, parts, rollupOf);
    return;
  }
  throw new Error(`the rows of hour ${hour} keep changing: ask again`);
}
