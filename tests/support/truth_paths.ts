/** Truth of paths: every path written out from the events, and counted by its prefixes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { PathNode } from "../../lib/query/paths/path_tree.ts";
import { brutePaths } from "./brute_paths.ts";
import {
  answerTo,
  assertClose,
  comparable,
  rangeBody,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { meets, NO_CONDITIONS, type TruthConditions, truthConditions } from "./truth_conditions.ts";
import { eventsIn, TRUTH_TYPES } from "./truth_events.ts";

interface PathsQuestion {
  readonly range: TruthRange;
  readonly all: TruthConditions;
  readonly anchor: TruthConditions;
  readonly from: boolean;
  readonly options: {
    readonly scope?: "session" | "user";
    readonly within_seconds?: number;
    readonly collapse_repeats?: boolean;
    readonly depth?: number;
    readonly limit?: number;
  };
}

export const pathsCase: TruthCase<PathsQuestion> = {
  kind: "paths",
  questions: fc.record({
    range: truthRanges,
    all: fc.oneof({ weight: 3, arbitrary: fc.constant(NO_CONDITIONS) }, truthConditions),
    anchor: fc.oneof(
      { weight: 3, arbitrary: fc.constant({ event_types: ["view"], filter: [] }) },
      fc.record({
        event_types: fc.constantFrom([TRUTH_TYPES[1]], ["EVENT_TYPE_USER"], ["buy", "never"]),
        filter: truthConditions.map(({ filter }) => filter),
      }),
    ),
    from: fc.boolean(),
    options: fc.record({
      scope: fc.constantFrom("session", "user"),
      within_seconds: fc.constantFrom(0, 60, 1_800, 86_400),
      collapse_repeats: fc.boolean(),
      depth: fc.integer({ min: 1, max: 5 }),
      limit: fc.integer({ min: 1, max: 5 }),
    }, { requiredKeys: [] }),
  }),
  async hold({ range, all, anchor, from, options }, events, ask) {
    const body = {
      time_range: rangeBody(range),
      ...all,
      [from ? "from" : "to"]: anchor,
      ...options,
    };
    const answer = await answerTo(ask, { path: "/v1/analytics/paths", body });
    const visits = eventsIn(events, range.fromMs, range.toMs, (event) => meets(all, event))
      .map((event) => ({ ...event, isAnchor: meets(anchor, event) }));
    const { within_seconds: seconds } = options;
    const expected = brutePaths(visits, {
      direction: from ? "next" : "previous",
      scope: options.scope ?? "session",
      withinMs: seconds === undefined ? null : 1_000 * seconds,
      collapseRepeats: options.collapse_repeats ?? false,
      depth: options.depth ?? 3,
      branches: options.limit ?? 5,
    });
    assertNode({ type: "", ...answer }, expected);
    return comparable(answer);
  },
};

// deno-lint-ignore no-explicit-any -- JSON
function assertNode(node: any, expected: PathNode): void {
  const { type, occurrences, users, ended, other, steps } = node;
  assert.deepEqual(
    {
      type,
      occurrences: Number(occurrences),
      users: Number(users),
      ended: Number(ended),
      other: { types: other.types, occurrences: Number(other.occurrences) },
      steps: steps.length,
    },
    { ...expected, steps: expected.steps.length },
  );
  for (const [i, step] of steps.entries()) {
    assertNode(step, expected.steps[i]);
    assertClose(step.rate, expected.steps[i].occurrences / expected.occurrences);
  }
}
