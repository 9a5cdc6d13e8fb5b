/**
 * The answer about paths, free of any transport. Where the tree of all paths is too large for one
 * go, what is shown of it is asked for again, deeper each time; the figures are those of the last
 * time, so that they agree with one another.
 */

import { PATH_BRANCHES_DEFAULT, PATH_DEPTH_DEFAULT } from "../../lib/config/limits.ts";
import { macrotask } from "../../lib/process/macrotask.ts";
import { type Filter, propertyKeys } from "../../lib/query/filter/filter.ts";
import { EXACT } from "../../lib/query/metric.ts";
import {
  keptPaths,
  mergePathsInSteps,
  type PathNode,
  type PathsSum,
  shownPaths,
  type TypesLeftOut,
} from "../../lib/query/paths/path_tree.ts";
import {
  type PathDirection,
  type PathScope,
  type PathsPartial,
  type PathsQuestion,
  planPaths,
} from "../../lib/query/paths/paths.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { askRows, notesOnKeys, type Patience, withPatience } from "./ask_rows.ts";
import {
  askedNow,
  DEFAULT_RANGE_MS,
  qualityOf,
  rangeJson,
  type Reach,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import type { PathsJson, PathStepJson } from "./paths_json.ts";
import { durationJson, int64Json } from "./proto_json.ts";

export interface PathsRequest {
  readonly project: string;
  readonly range: RequestedRange;
  /** What events must match to take part; null = all do. */
  readonly filter: Filter | null;
  /** What one of these must match to begin a path. */
  readonly anchor: Filter;
  readonly direction: PathDirection;
  readonly scope: PathScope;
  /** Longest time from the anchor to a step, seconds; null = any. */
  readonly withinSeconds: number | null;
  readonly collapseRepeats: boolean;
  /** null = PATH_DEPTH_DEFAULT, PATH_BRANCHES_DEFAULT. */
  readonly depth: number | null;
  readonly limit: number | null;
  readonly patience: Patience;
}

/** What came next, or before. Throws ProblemError. */
export async function answerPaths(
  request: PathsRequest,
  ports: AnalyticsPorts,
): Promise<PathsJson> {
  const { project, filter, anchor, direction, scope, withinSeconds } = request;
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const branches = request.limit ?? PATH_BRANCHES_DEFAULT;
  const planned = planPaths({
    project,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    filter,
    anchor,
    direction,
    scope,
    withinMs: withinSeconds === null ? null : 1_000 * withinSeconds,
    collapseRepeats: request.collapseRepeats,
    depth: request.depth ?? PATH_DEPTH_DEFAULT,
    branches,
  });
  if (!planned.ok) throw refused(planned.refusal);
  const { depth } = planned.plan;
  return await withPatience(request.patience, async (signal) => {
    const { root, reach } = await askPaths(planned.plan, branches, ports, signal);
    const keys = [...propertyKeys(filter), ...propertyKeys(anchor)];
    const notes = root.occurrences === 0
      ? await notesOnKeys(keys, { project, ...asked }, ports, signal)
      : [];
    return {
      ...membersJson(root),
      steps: root.steps.map((step) => stepJson(step, root.occurrences)),
      metadata: {
        direction,
        scope,
        depth,
        limit: branches,
        time_range: rangeJson(asked),
        processing_time: durationJson(ports.now() - asked.atMs),
      },
      notes,
      ...qualityOf(asked, reach, { "steps.occurrences": EXACT, "steps.users": EXACT }),
    };
  });
}

/** Asks as often as it takes to count all that is shown. */
async function askPaths(
  first: PathsQuestion,
  branches: number,
  ports: AnalyticsPorts,
  signal: AbortSignal,
): Promise<{ root: PathNode; reach: Reach }> {
  let question = first;
  let leftOut: TypesLeftOut = new Map();
  for (;;) {
    const { partials, ...reach } = await askRows(question, ports, signal);
    for (const { trouble } of partials) refuseTrouble(trouble);
    const sum = await mergedInSteps(partials, question.depth, signal);
    const root = shownPaths(sum, branches, leftOut);
    if (sum.depth === question.depth) return { root, reach };
    const kept = keptPaths(root);
    leftOut = kept.leftOut;
    question = { ...question, kept: kept.nodes, keptDepth: sum.depth };
  }
}

/** The trees together, without holding up the requests of others. */
async function mergedInSteps(
  partials: readonly PathsPartial[],
  depth: number,
  signal: AbortSignal,
): Promise<PathsSum> {
  const steps = mergePathsInSteps(partials, depth);
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    await macrotask();
    signal.throwIfAborted();
  }
}

function refuseTrouble(trouble: PathsPartial["trouble"]): void {
  if (trouble === null) return;
  throw refused({
    parameter: trouble === "rows" ? "time_range" : "limit",
    detail: trouble === "rows"
      ? "a user has too many events in the range; make it shorter, or name fewer events"
      : "there are too many different paths; lower limit or depth, or name fewer event types",
  });
}

function membersJson({ occurrences, users, ended, other }: PathNode) {
  return {
    occurrences: int64Json(occurrences),
    users: int64Json(users),
    ended: int64Json(ended),
    other: { types: other.types, occurrences: int64Json(other.occurrences) },
  };
}

function stepJson(node: PathNode, before: number): PathStepJson {
  return {
    type: node.type,
    ...membersJson(node),
    rate: before === 0 ? 0 : node.occurrences / before,
    steps: node.steps.map((step) => stepJson(step, node.occurrences)),
  };
}
