/**
 * Plans put to the shards: those that rollups answer at once, the others to the rows of every
 * partition, within a deadline. Both come back as the same partials, so what is read from them is
 * read in one way.
 */

import { propertyKeys } from "../../lib/query/filter/filter.ts";
import type { RollupPartial } from "../../lib/query/partial.ts";
import { releasePartial } from "../../lib/query/partial_memory.ts";
import type { RollupPlan, RowGrouping } from "../../lib/query/plan.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { notesOnKeys, type Patience, withPatience } from "./ask_rows.ts";
import type { Asked } from "./asked_range.ts";

/** What was read from the partials of a plan. */
export interface ReadPlan<Figures> {
  readonly figures: Figures;
  /** Partitions that are in none of the partials. */
  readonly missing: readonly number[];
  /** Property names that no event in the range has, where that would explain the answer. */
  readonly notes: readonly string[];
}

/** How a plan is put, and what becomes of its partials. */
export interface PlanReading<Figures> {
  readonly plan: RollupPlan;
  readonly asked: Asked;
  readonly patience: Patience;
  /** Reads the partials, which are given back afterwards. May throw ProblemError. */
  read(partials: readonly RollupPartial[]): Figures;
  /** Whether the answer looks as if a name was misspelt. */
  isEmpty(figures: Figures): boolean;
}

/** Asks the shards. Throws ProblemError when they can't answer, or not in time. */
export function readPlan<Figures>(
  reading: PlanReading<Figures>,
  ports: AnalyticsPorts,
): Promise<ReadPlan<Figures>> {
  const { plan, patience } = reading;
  const { rows } = plan;
  if (rows === undefined) return readRollups(reading, ports);
  return withPatience(patience, (signal) => readRows(reading, rows, ports, signal));
}

async function readRollups<Figures>(
  { plan, read }: PlanReading<Figures>,
  ports: AnalyticsPorts,
): Promise<ReadPlan<Figures>> {
  const { partials, missing } = await ports.askShards(plan);
  try {
    return { figures: read(partials), missing, notes: [] };
  } finally {
    partials.forEach(releasePartial);
  }
}

async function readRows<Figures>(
  { plan, asked, read, isEmpty }: PlanReading<Figures>,
  rows: RowGrouping,
  ports: AnalyticsPorts,
  signal: AbortSignal,
): Promise<ReadPlan<Figures>> {
  const question = { kind: "groups", plan: { ...plan, rows } } as const;
  const { answers, missing } = await ports.askRows(question, signal);
  const figures = read(
    answers.map(({ partial, completeUntilMs }) => ({ ...partial, completeUntilMs })),
  );
  const notes = isEmpty(figures)
    ? await notesOnKeys(keysOf(rows), { project: plan.project, ...asked }, ports, signal)
    : [];
  return { figures, missing, notes };
}

/** All property names of a question. */
function keysOf({ filter, by, value }: RowGrouping): Set<string> {
  const keys = propertyKeys(filter);
  for (const subject of value === null ? by : [...by, value]) {
    if (subject.kind === "property") keys.add(subject.key);
  }
  return keys;
}
