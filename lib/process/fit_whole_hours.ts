/**
 * Fits a plan's buckets to the hours of a partition that have no minutes (hour_grains.ts).
 *
 * Where a bucket takes only a part of such an hour, the hour's own cell serves if all its events lie
 * in the bucket; else the hour's minutes are counted from its rows and kept with the other cells.
 */
import type { PlannedBucket } from "../query/plan.ts";
import type { RangeEdge } from "../query/tile_range.ts";
import { HOUR_MS, MINUTE_MS, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { LEVEL_HOUR, LEVEL_MINUTE, type RangeRows } from "../store/event_store.ts";
import type { AnswerContext } from "./answer_rollups.ts";
import type { PartitionProcessor } from "./partition_processor.ts";
import type { ProjectEntry } from "./series_table.ts";

/** Rows of an hour are read in slices of this length, so that a dense hour fits in memory, ms. */
const SLICE_MS = 10 * MINUTE_MS;
/** An hour that keeps changing while its rows are read is given up after so many tries. */
export const TRIES_MAX = 20;

/** A bucket, and the hours that it cuts but counts by their own cells. */
export interface FittedBucket extends PlannedBucket {
  readonly servedHours: ReadonlySet<number>;
}

/** Buckets whose cut whole hours are seen to. */
export interface FittedBuckets {
  readonly buckets: readonly FittedBucket[];
  /** Asked again right before the cells are merged: events may have come that the fit is not for. */
  holds(): boolean;
}

/** Replaces cut whole hours by their cells where those fit, and has the others counted. */
export async function fitWholeHours(
  processor: PartitionProcessor,
  project: ProjectEntry,
  buckets: readonly PlannedBucket[],
  context: AnswerContext,
): Promise<FittedBuckets> {
  const { cells } = processor;
  const fitted: FittedBucket[] = [];
  const conditions: (() => boolean)[] = [];
  for (const bucket of buckets) {
    const served = new Set<number>();
    for (const hour of cutHours(bucket)) {
      if (!cells.grains.isWhole(hour)) continue;
      await cells.ensure(LEVEL_HOUR, hour, hour + 1, [project.allSeries], 0);
      const fits = () => liesInside(processor, project, hour, bucket);
      if (fits()) {
        served.add(hour);
        conditions.push(fits);
      } else {
        // What waits for a commit is not among the hour's minutes yet.
        if (!cells.hasDerived(hour) || isPending(processor, project, hour)) {
          await deriveMinutes(processor, hour, context);
        }
        conditions.push(() => cells.hasDerived(hour));
      }
    }
    fitted.push({ ...withHours(bucket, served), servedHours: served });
  }
  return { buckets: fitted, holds: () => conditions.every((holds) => holds()) };
}

/** Hours that a bucket takes minutes or parts of minutes of. */
function cutHours({ pieces, edges }: PlannedBucket): number[] {
  const hours = new Set<number>();
  for (const { level, fromBucket, toBucket } of pieces) {
    if (level !== LEVEL_MINUTE) continue;
    for (let hour = Math.floor(fromBucket / 60); hour * 60 < toBucket; hour++) hours.add(hour);
  }
  for (const { fromMs, toMs } of edges) {
    for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS < toMs; hour++) hours.add(hour);
  }
  return [...hours];
}

/** Whether every event of the hour, of any type, is in the bucket. */
function liesInside(
  processor: PartitionProcessor,
  project: ProjectEntry,
  hour: number,
  { startMs, endMs }: PlannedBucket,
): boolean {
  const known = [processor.cells.get(LEVEL_HOUR, hour, project.allSeries)];
  for (const delta of processor.openDeltas()) {
    for (const type of project.types.values()) {
      known.push(delta.hours.get(hour * SERIES_SPAN + type.id) ?? null);
    }
  }
  return known.every((cell) =>
    cell === null || (cell.minTimestampMs >= startMs && cell.maxTimestampMs < endMs)
  );
}

/** Whether events of the hour wait for their commit. */
function isPending(processor: PartitionProcessor, project: ProjectEntry, hour: number): boolean {
  return processor.openDeltas().some((delta) =>
    [...project.types.values()].some((type) => delta.hours.has(hour * SERIES_SPAN + type.id))
  );
}

/** The bucket with its tiles inside these hours replaced by the hours as wholes. */
function withHours(bucket: PlannedBucket, hours: ReadonlySet<number>): PlannedBucket {
  if (hours.size === 0) return bucket;
  const pieces = bucket.pieces.flatMap((piece) => {
    if (piece.level !== LEVEL_MINUTE) return [piece];
    const kept = [];
    for (let at = piece.fromBucket; at < piece.toBucket; at++) {
      if (hours.has(Math.floor(at / 60))) continue;
      kept.push({ level: piece.level, fromBucket: at, toBucket: at + 1 });
    }
    return kept;
  });
  for (const hour of hours) {
    pieces.push({ level: LEVEL_HOUR, fromBucket: hour, toBucket: hour + 1 });
  }
  const edges = bucket.edges.flatMap(splitAtHour)
    .filter(({ fromMs }) => !hours.has(Math.floor(fromMs / HOUR_MS)));
  return { ...bucket, pieces, edges };
}

/** An edge as parts that each lie in one hour. */
function splitAtHour({ fromMs, toMs }: RangeEdge): RangeEdge[] {
  const turnMs = (Math.floor(fromMs / HOUR_MS) + 1) * HOUR_MS;
  return turnMs >= toMs ? [{ fromMs, toMs }] : [{ fromMs, toMs: turnMs }, { fromMs: turnMs, toMs }];
}

/** Counts the hour's minutes from its rows, all of which are committed first. */
async function deriveMinutes(
  processor: PartitionProcessor,
  hour: number,
  context: AnswerContext,
): Promise<void> {
  const { cells, series, store } = processor;
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
