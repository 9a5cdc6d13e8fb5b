/**
 * The answer to a breakdown, free of any transport: a metric by one or two properties or fields, the
 * largest groups and the others together, in total and over time, beside the period of equal length
 * before.
 */

import { BREAKDOWN_LIMIT_DEFAULT } from "../../lib/config/limits.ts";
import {
  type Breakdown,
  type BreakdownFigures,
  breakdownFigures,
  type BreakdownGroup,
} from "../../lib/query/breakdown.ts";
import { type BreakdownPlan, planBreakdown } from "../../lib/query/plan.ts";
import { type AnalyticsPorts, granularityJson, type SeriesRequest } from "./answer_query.ts";
import { readPlan } from "./ask_plan.ts";
import { askedNow, DEFAULT_RANGE_MS, qualityOf, rangeJson, refused } from "./asked_range.ts";
import type { BreakdownJson } from "./breakdown_json.ts";
import { durationJson, int64Json, labelJson } from "./proto_json.ts";

/** As for a series; without a granularity the answer is in total only. */
export interface BreakdownRequest extends SeriesRequest {
  /** Groups to tell one by one, 1 to BREAKDOWN_LIMIT_MAX; null = BREAKDOWN_LIMIT_DEFAULT. */
  readonly limit: number | null;
}

/** The largest groups of a breakdown. Throws ProblemError. */
export async function answerBreakdown(
  request: BreakdownRequest,
  ports: AnalyticsPorts,
): Promise<BreakdownJson> {
  const { project, range, patience, timeZone, limit, ...question } = request;
  const asked = askedNow(range, ports, DEFAULT_RANGE_MS, "time_range");
  const planned = planBreakdown({
    ...question,
    project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    timeZone: timeZone ?? "UTC",
    limit: limit ?? BREAKDOWN_LIMIT_DEFAULT,
  });
  if (!planned.ok) throw refused(planned.refusal);
  const { plan } = planned;
  const { figures, missing, notes } = await readPlan({
    plan: plan.rollup,
    asked,
    patience,
    read: (partials) => {
      const read = breakdownFigures(plan, partials);
      if (!read.ok) throw refused(read.refusal);
      return read.figures;
    },
    isEmpty: looksMisspelt,
  }, ports);
  const { groups, other, total, groupCount, accuracy, completeUntilMs } = figures;
  const [beforeMs] = plan.rollup.boundsMs;
  return {
    groups: groups.map((group) => groupJson(plan, group)),
    other: other === null ? null : figuresJson(plan, other),
    total: figuresJson(plan, total),
    metadata: {
      metric: plan.metric.name,
      group_by: plan.by.map(({ label }) => label),
      limit: plan.limit,
      groups: groupCount,
      granularity: granularityJson(plan.granularity),
      time_range: rangeJson(asked),
      previous_time_range: rangeJson({ ...asked, startMs: beforeMs, endMs: asked.startMs }),
      time_zone: plan.timeZone,
      processing_time: durationJson(ports.now() - asked.atMs),
    },
    ...qualityOf(asked, { completeUntilMs, missing }, { value: accuracy }),
    notes: [...notes],
  };
}

function groupJson(plan: BreakdownPlan, group: BreakdownGroup): BreakdownJson["groups"][number] {
  const labels: [string, string][] = [];
  const missing: string[] = [];
  plan.by.forEach(({ label }, i) => {
    const text = group.texts[i];
    if (text === null) missing.push(label);
    else labels.push([label, text]);
  });
  return { labels: Object.fromEntries(labels), missing, ...figuresJson(plan, group) };
}

function figuresJson({ labelsMs }: BreakdownPlan, figures: BreakdownFigures) {
  return {
    value: figures.value,
    previous_value: figures.previousValue,
    change_percentage: figures.changePercentage,
    events: int64Json(figures.events),
    events_without_number: int64Json(figures.eventsWithoutNumber),
    points: figures.points.map((value, bucket) => (
      { timestamp: labelJson(labelsMs[bucket]), value }
    )),
  };
}

/** Nothing is told, nothing of what it was to be told by, or no number of what it should be. */
function looksMisspelt({ groups, total }: Breakdown): boolean {
  const { events, eventsWithoutNumber } = total;
  if (events === 0 || events === eventsWithoutNumber) return true;
  return groups[0].texts.some((_, i) => groups.every(({ texts }) => texts[i] === null));
}
