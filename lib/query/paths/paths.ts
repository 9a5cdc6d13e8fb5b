/**
 * Paths: what users did next after an event, or before one, up to 5 steps away. Each event that
 * matches the anchor begins an occurrence; its path are the events of the same user that follow (or
 * go before) it, in the same session or in all of the user's, no further away than a time limit.
 *
 * Paths with common beginnings share nodes of a tree. A tree of all paths may be too large, so a
 * partition counts as deep as PATH_NODES_MAX nodes reach and says how deep that was; the asker keeps
 * the most common nodes and asks once more, below those alone. So all figures are exact.
 */

import {
  PATH_BRANCHES_MAX,
  PATH_DEPTH_MAX,
  PATH_NODES_SHOWN_MAX,
  RANGE_DAYS_MAX,
} from "../../config/limits.ts";
import type { Filter } from "../filter/filter.ts";
import type { Planned } from "../plan.ts";

const DAY_MS = 86_400_000;

/** Events after the anchor, or before it. */
export type PathDirection = "next" | "previous";
/** Whose events follow one another: those of a session, or all of a user. */
export type PathScope = "session" | "user";

export const PATH_SCOPES: readonly PathScope[] = ["session", "user"];

/** Nodes of a tree; node 0 is the anchor, and parents come before their children. */
export interface PathNodes {
  /** Event types that nodes name by number. */
  readonly types: readonly string[];
  /** By node: its parent; -1 of node 0. */
  readonly parent: Int32Array;
  /** By node: number of its type; -1 = all types that have no node under a parent that is closed. */
  readonly type: Int32Array;
}

/** What is asked of every partition. Structured clone safe. */
export interface PathsQuestion {
  readonly kind: "paths";
  readonly project: string;
  /** [fromMs, toMs) of all events, ms since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What events must match to take part; null = all do. */
  readonly filter: Filter | null;
  /** What an event that takes part must match to begin an occurrence. */
  readonly anchor: Filter;
  readonly direction: PathDirection;
  readonly scope: PathScope;
  /** Longest time between the anchor and a step, ms; null = any. */
  readonly withinMs: number | null;
  /** Events of one type in a row count as one, at the time of the first. */
  readonly collapseRepeats: boolean;
  /** Steps from the anchor. */
  readonly depth: number;
  /**
   * Not null: what to look below. Nodes up to `keptDepth` - 1 are closed: types without a node there
   * are counted together.
   */
  readonly kept: PathNodes | null;
  readonly keptDepth: number;
}

/** The tree of one partition. */
export interface PathsPartial extends PathNodes {
  /** Why there is no tree: one user has too many events, or the first new level does not fit. */
  readonly trouble: "rows" | "nodes" | null;
  /** Steps from the anchor up to which everything is counted. */
  readonly depth: number;
  /** By node: occurrences that came so far, those that ended there, and users of the former. */
  readonly occurrences: Int32Array;
  readonly ended: Int32Array;
  readonly users: Int32Array;
}

/** What a client may choose. */
export interface PathsAsked extends Omit<PathsQuestion, "kind" | "kept" | "keptDepth"> {
  /** Nodes shown below each one. */
  readonly branches: number;
}

/** Plans the first question. Refuses by `time_range`, `depth` and `limit`. */
export function planPaths(asked: PathsAsked): Planned<PathsQuestion> {
  const refuse = (parameter: string, detail: string) =>
    ({ ok: false, refusal: { parameter, detail } }) as const;
  const { branches, ...question } = asked;
  const { fromMs, toMs, depth } = question;
  if (fromMs > toMs) return refuse("time_range", "the range must not start after its end");
  if (toMs - fromMs > RANGE_DAYS_MAX * DAY_MS) {
    return refuse("time_range", `the range must be at most ${RANGE_DAYS_MAX} days`);
  }
  if (depth < 1 || depth > PATH_DEPTH_MAX) {
    return refuse("depth", `depth must be a whole number from 1 to ${PATH_DEPTH_MAX}`);
  }
  if (branches < 1 || branches > PATH_BRANCHES_MAX) {
    return refuse("limit", `limit must be a whole number from 1 to ${PATH_BRANCHES_MAX}`);
  }
  if (nodesShown(branches, depth) > PATH_NODES_SHOWN_MAX) {
    let fits = branches;
    while (nodesShown(fits, depth) > PATH_NODES_SHOWN_MAX) fits--;
    const detail = `a tree of at most ${PATH_NODES_SHOWN_MAX} steps is answered: with depth ` +
      `${depth}, limit must be at most ${fits}`;
    return refuse("limit", detail);
  }
  return { ok: true, plan: { kind: "paths", ...question, kept: null, keptDepth: 0 } };
}

/** Nodes of a full tree below the anchor. */
function nodesShown(branches: number, depth: number): number {
  let nodes = 0;
  for (let step = 1; step <= depth; step++) nodes += branches ** step;
  return nodes;
}
