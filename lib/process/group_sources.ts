/** Which series of a partition make up which group of an answer. */
import type { RollupPlan } from "../query/plan.ts";
import type { ProjectEntry, SeriesEntry } from "./series_table.ts";

/** One group of the answer, and the series of one partition that are counted in it. */
export interface GroupSource {
  readonly name: string;
  /** WANT_* bits of the sketches to read. */
  readonly want: number;
  /** Rollup series to read cells of. */
  readonly cells: readonly number[];
  /** Series without cells of their own, counted from rows. */
  readonly rows: readonly number[];
  /** Nobody reads its amounts. */
  readonly eventsOnly: boolean;
}

const NONE: readonly number[] = [];

/** The groups that a partition can have a part of. */
export function sourcesOf(project: ProjectEntry, plan: RollupPlan): GroupSource[] {
  const sources: GroupSource[] = [];
  if (plan.wantTotal !== null) sources.push(totalOf(project, plan, plan.wantTotal));
  if (plan.wantByType === null) return sources;
  const want = plan.wantByType;
  const eventsOnly = plan.eventsOnly !== undefined;
  if (plan.types !== null) {
    for (const type of plan.types) {
      const entry = project.types.get(type);
      if (entry !== undefined) sources.push({ name: type, want, ...seriesOf(entry), eventsOnly });
    }
    return sources;
  }
  for (const entry of project.types.values()) {
    // The others are counted in the group of OTHER_TYPES, by its cells.
    if (entry.rollup !== entry.id) continue;
    sources.push({ name: entry.type, want, ...seriesOf(entry), eventsOnly });
  }
  return sources;
}

/** The group of all types, or of the named ones, together. */
function totalOf(
  project: ProjectEntry,
  { types, eventsOnly: isEventsOnly }: RollupPlan,
  want: number,
): GroupSource {
  const eventsOnly = isEventsOnly === "all";
  if (types === null) return { name: "", want, cells: [project.allSeries], rows: NONE, eventsOnly };
  const parts = types.flatMap((type) => {
    const entry = project.types.get(type);
    return entry === undefined ? [] : [seriesOf(entry)];
  });
  const cells = parts.flatMap((part) => part.cells);
  const rows = parts.flatMap((part) => part.rows);
  return { name: "", want, cells, rows, eventsOnly };
}

function seriesOf({ id, rollup }: SeriesEntry): Pick<GroupSource, "cells" | "rows"> {
  return rollup === id ? { cells: [id], rows: NONE } : { cells: NONE, rows: [id] };
}

/** The row series behind a rollup series. */
export function rowSeriesOf(project: ProjectEntry, rollup: number): number[] {
  const ids: number[] = [];
  for (const entry of project.types.values()) {
    if (rollup === project.allSeries || entry.rollup === rollup) ids.push(entry.id);
  }
  return ids;
}
