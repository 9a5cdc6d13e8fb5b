/** Paths by the plainest means, as an oracle: every path written out, then counted by its prefixes. */
import type { PathNode } from "../../lib/query/paths/path_tree.ts";

/** An event as paths see it. */
export interface BrutePathEvent {
  readonly userId: string;
  readonly sessionId: string;
  readonly timestampMs: number;
  /** Place in the log. */
  readonly order: number;
  readonly type: string;
  readonly isAnchor: boolean;
}

/** What is asked of events that all take part. */
export interface BrutePaths {
  readonly direction: "next" | "previous";
  readonly scope: "session" | "user";
  readonly withinMs: number | null;
  readonly collapseRepeats: boolean;
  readonly depth: number;
  /** Nodes shown below each one. */
  readonly branches: number;
}

interface Occurrence {
  readonly userId: string;
  /** Types, one more than the depth where there are as many. */
  readonly path: readonly string[];
}

/** The tree as it must be shown. */
export function brutePaths(events: readonly BrutePathEvent[], asked: BrutePaths): PathNode {
  return nodeOf("", 0, occurrencesOf(events, asked), asked);
}

function occurrencesOf(events: readonly BrutePathEvent[], asked: BrutePaths): Occurrence[] {
  const { direction, scope, withinMs, depth } = asked;
  const keyOf = ({ userId, sessionId }: BrutePathEvent) =>
    JSON.stringify(scope === "user" ? [userId] : [userId, sessionId]);
  return [...Map.groupBy(events, keyOf).values()].flatMap((own) => {
    const inTime = own.toSorted((a, b) => a.timestampMs - b.timestampMs || a.order - b.order);
    const sequence = asked.collapseRepeats ? withoutRepeats(inTime) : inTime;
    return sequence.flatMap((anchor, at) => {
      if (!anchor.isAnchor) return [];
      const rest = direction === "next"
        ? sequence.slice(at + 1)
        : sequence.slice(0, at).toReversed();
      const near = rest.filter(({ timestampMs }) =>
        withinMs === null || Math.abs(timestampMs - anchor.timestampMs) <= withinMs
      );
      return [{
        userId: anchor.userId,
        path: near.slice(0, depth + 1).map(({ type }) => type),
      }];
    });
  });
}

/** Events of one type in a row as one, which is an anchor when one of them is. */
function withoutRepeats(events: readonly BrutePathEvent[]): BrutePathEvent[] {
  const runs: BrutePathEvent[] = [];
  for (const event of events) {
    const last = runs.at(-1);
    if (last?.type === event.type) {
      runs[runs.length - 1] = { ...last, isAnchor: last.isAnchor || event.isAnchor };
    } else runs.push(event);
  }
  return runs;
}

function nodeOf(
  type: string,
  level: number,
  occurrences: readonly Occurrence[],
  asked: BrutePaths,
): PathNode {
  const going = level === asked.depth ? [] : occurrences.filter(({ path }) => path.length > level);
  const children = [...Map.groupBy(going, ({ path }) => path[level])]
    .sort(([a, as], [b, bs]) => bs.length - as.length || (a < b ? -1 : 1));
  const rest = children.slice(asked.branches);
  return {
    type,
    occurrences: occurrences.length,
    users: new Set(occurrences.map(({ userId }) => userId)).size,
    ended: occurrences.filter(({ path }) => path.length === level).length,
    other: {
      types: rest.length,
      occurrences: rest.reduce((sum, [, own]) => sum + own.length, 0),
    },
    steps: children.slice(0, asked.branches)
      .map(([child, own]) => nodeOf(child, level + 1, own, asked)),
  };
}
