/**
 * A shard's part of the answer to a RollupPlan: for each of its partitions the cells that tile the
 * buckets, what the open deltas add to them, and rows for the parts of a minute at a range's ends.
 *
 *     fit to whole hours -> read cells and deltas -> something missing: load it, begin again
 *                                                 -> else add to the groups; cut parts from rows
 *
 * Fitting and reading do not wait for anything, so what a partition answers is of one moment, and
 * no commit moves a delta into the cells meanwhile.
 *
 * A cut minute costs a read of rows only if its events really lie on both sides of the cut: cells
 * know their first and last event time. The same goes for a cut hour that has no minutes (see
 * hour_grains.ts): where its events lie on one side the hour's own cell serves, else its minutes
 * are counted from rows, once, and kept in memory with the other cells.
 */
import { PartialBuilder, type RollupPartial } from "../query/partial.ts";
import type { PartialMemory } from "../query/partial_memory.ts";
import type { RollupPlan } from "../query/plan.ts";
import { type PlanTiles, tilesOf } from "../query/plan_tiles.ts";
import { Cell } from "../rollup/cell.ts";
import { deriveMinutes, fitWholeHours } from "./fit_whole_hours.ts";
import { sourcesOf } from "./group_sources.ts";
import { MissingCells } from "./missing_cells.ts";
import type { PartitionProcessor } from "./partition_processor.ts";
import { type Cut, type PartitionReading, readPartition } from "./read_partition.ts";
import { addRow } from "./rollup_cells.ts";
import type { ProjectEntry } from "./series_table.ts";
import { rowsNotKept } from "../store/event_store.ts";

/** Loads after which cells that are missing ever again are given up. */
const LOADS_MAX = 100;

/** What the shard does for an answer that needs rows. */
export interface AnswerContext {
  /** Commits what the partition has applied, so that its rows can be read. */
  settle(processor: PartitionProcessor): Promise<void>;
  /** Everything received before this is in the partition's memory, ms since the epoch. */
  completeUntilMs(processor: PartitionProcessor): number;
}

/**
 * Answers the plan from all of a shard's partitions: one partial in `memory`, whose `completeUntilMs` is that of
 * the partition furthest behind. Throws StoreError when cells or rows can't be read.
 */
export async function answerRollups(
  processors: Iterable<PartitionProcessor>,
  plan: RollupPlan,
  context: AnswerContext,
  memory: PartialMemory,
): Promise<RollupPartial> {
  const tiles = tilesOf(plan.boundsMs);
  const answer = new PartialBuilder(plan);
  let completeUntilMs = Infinity;
  for (const processor of processors) {
    completeUntilMs = Math.min(completeUntilMs, context.completeUntilMs(processor));
    const project = processor.series.findProject(plan.project);
    if (project === undefined || answer.isOverfull) continue;
    const { cells, options } = processor;
    await cells.reading(async () => {
      const reading = await readWhenLoaded(processor, project, plan, tiles, context);
      for (const group of reading.groups) group.addTo(answer);
      reading.release();
      await addRows(processor, project, reading.cuts, answer, context);
    });
    cells.evict(options.cellBytesMax);
  }
  return answer.toPartial(completeUntilMs, memory);
}

/** Reads the partition, and has loaded or counted what it lacks as often as need be. */
async function readWhenLoaded(
  processor: PartitionProcessor,
  project: ProjectEntry,
  plan: RollupPlan,
  tiles: PlanTiles,
  context: AnswerContext,
): Promise<PartitionReading> {
  for (let loads = 0; loads < LOADS_MAX; loads++) {
    const missing = new MissingCells();
    const fitted = fitWholeHours(processor, project, tiles, missing);
    if (missing.isEmpty && fitted.toDerive.size === 0) {
      const sources = sourcesOf(project, plan);
      const reading = readPartition(
        processor,
        project,
        sources,
        fitted,
        plan.groupsMax,
        missing,
      );
      if (missing.isEmpty) return reading;
      reading.release();
    }
    await processor.cells.fill(missing);
    for (const hour of fitted.toDerive) await deriveMinutes(processor, hour, context);
  }
  throw new Error("the cells asked for keep changing: ask again");
}

/** Counts the cut parts from committed rows. */
async function addRows(
  processor: PartitionProcessor,
  project: ProjectEntry,
  cuts: readonly Cut[],
  answer: PartialBuilder,
  context: AnswerContext,
): Promise<void> {
  if (cuts.length === 0) return;
  if (!processor.store.keepsRows) throw rowsNotKept("; give a range of whole minutes");
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
      const wanted = new Set(cut.series);
      const cell = new Cell();
      for (let i = 0; i < rows.count; i++) {
        if (wanted.has(rows.series[i])) addRow(cell, rows, i);
      }
      if (cell.events === 0) continue;
      const { name, want } = cut.source;
      answer.addCell(answer.placeOf(name) + cut.bucket, cell, want);
    }
  }
}
