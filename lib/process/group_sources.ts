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
}

/** The groups that a partition can have a part of. */
export function sourcesOf(project: ProjectEntry, plan: RollupPlan): GroupSource[] {
  const entries = plan.types === null
    ? [...project.types.values()].filter((entry) => entry.rollup === entry.id)
    : plan.types.flatMap((type) => project.types.get(type) ?? []);
  const sources: GroupSource[] = [];
  if (plan.wantTotal !== null) {
    const series = plan.types === null
      ? { cells: [project.allSeries], rows: [] }
      : splitSeries(entries);
    sources.push({ name: "", want: plan.wantTotal, ...series });
  }
  if (plan.wantByType !== null) {
    for (const entry of entries) {
      sources.push({ name: entry.type, want: plan.wantByType, ...splitSeries([entry]) });
    }
  }
  return sources;
}

/** The row series behind a rollup series. */
export function rowSeriesOf(project: ProjectEntry, rollup: number): number[] {
  const ids: number[] = [];
  for (const entry of project.types.values()) {
    if (rollup === project.allSeries || entry.rollup === rollup) ids.push(entry.id);
  }
  return ids;
}

function splitSeries(entries: readonly SeriesEntry[]) {
  return {
    cells: entries.filter((entry) => entry.rollup === entry.id).map((entry) => entry.id),
    rows: entries.filter((entry) => entry.rollup !== entry.id).map((entry) => entry.id),
  };
}
