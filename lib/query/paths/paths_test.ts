import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type BrutePathEvent,
  type BrutePaths,
  brutePaths,
} from "../../../tests/support/brute_paths.ts";
import { keptPaths, mergePaths, type PathNode, shownPaths } from "./path_tree.ts";
import { PathTrie, TooManyNodes } from "./path_trie.ts";
import { type PathNodes, type PathsPartial, planPaths } from "./paths.ts";
import { type PathSequences, walkPaths } from "./walk_paths.ts";

const TYPES = ["a", "b", "c", "d", "e"];
const RUNS = 1_000;

/** One user's events are one sequence here: what sequences are made of is tested elsewhere. */
const madeUsers: fc.Arbitrary<BrutePathEvent[][]> = fc.array(
  fc.array(
    fc.record({
      type: fc.constantFrom(...TYPES),
      // Often the same time as the event before.
      gapMs: fc.constantFrom(0, 0, 1, 5, 50),
      isAnchor: fc.boolean(),
    }),
    { maxLength: 24, size: "max" },
  ),
  { maxLength: 8, size: "max" },
).map((users) =>
  users.map((events, user) => {
    let timestampMs = 0;
    return events.map(({ gapMs, ...event }, order) => ({
      ...event,
      userId: `user-${user}`,
      sessionId: "",
      order,
      timestampMs: timestampMs += gapMs,
    }));
  })
);

const madeQuestions: fc.Arbitrary<BrutePaths> = fc.record({
  direction: fc.constantFrom("next", "previous"),
  scope: fc.constant("user"),
  withinMs: fc.constantFrom(null, null, 0, 5, 51),
  collapseRepeats: fc.constant(false),
  depth: fc.constantFrom(1, 2, 3, 4, 5, 5),
  branches: fc.constantFrom(1, 2, 2, 3, 6),
});

/** One partition's tree, its types numbered in an order of its own. */
function partialOf(
  users: readonly BrutePathEvent[][],
  question: BrutePaths,
  kept: PathNodes | null,
  keptDepth: number,
  nodesMax: number,
): PathsPartial {
  const types = [...kept?.types ?? []];
  const numberOf = (type: string) => {
    if (!types.includes(type)) types.push(type);
    return types.indexOf(type);
  };
  const events = users.flat();
  let place = 0;
  const sequences: PathSequences = {
    count: users.length,
    starts: Int32Array.of(0, ...users.map((own) => place += own.length)),
    user: Int32Array.from(users, (_, i) => i + 1),
    type: Int32Array.from(events, ({ type }) => numberOf(type)),
    timestampMs: Float64Array.from(events, ({ timestampMs }) => timestampMs),
    isAnchor: Uint8Array.from(events, ({ isAnchor }) => isAnchor ? 1 : 0),
  };
  const trie = new PathTrie(question.depth, nodesMax, kept, keptDepth);
  walkPaths(sequences, question, trie);
  return { trouble: null, depth: trie.depth, types, ...trie.nodes() };
}

/** What the service does, with partitions in hand. */
function askAll(partitions: BrutePathEvent[][][], question: BrutePaths, nodesMax: number) {
  let kept: ReturnType<typeof keptPaths> = { nodes: null!, leftOut: new Map() };
  let keptDepth = 0;
  for (let rounds = 1;; rounds++) {
    const partials = partitions.map((users) => {
      return partialOf(users, question, kept.nodes, keptDepth, nodesMax);
    });
    const sum = mergePaths(partials, question.depth);
    const root = shownPaths(sum, question.branches, kept.leftOut);
    if (sum.depth === question.depth) return { root, rounds };
    assert.ok(sum.depth > keptDepth, "each round goes deeper");
    kept = keptPaths(root);
    keptDepth = sum.depth;
  }
}

Deno.test("a tree of paths is what the definition says, in one round or in several", () => {
  let many = 0;
  let tooMany = 0;
  fc.assert(
    fc.property(
      madeUsers,
      madeQuestions,
      fc.constantFrom(12, 30, 45, 70, 10_000),
      (users, question, nodesMax) => {
        const halves = [0, 1].map((half) => users.filter((_, i) => i % 2 === half));
        const expected = brutePaths(users.flat(), question);
        try {
          const { root, rounds } = askAll(halves, question, nodesMax);
          assert.deepEqual(root, expected);
          if (rounds > 1) many++;
        } catch (error) {
          if (!(error instanceof TooManyNodes)) throw error;
          tooMany++;
          const whole = brutePaths(users.flat(), { ...question, branches: 6 });
          assert.ok(2 * countOf(whole) + 1 >= nodesMax, `${countOf(whole)} nodes would fit`);
        }
      },
    ),
    { numRuns: RUNS },
  );
  assert.ok(many > RUNS / 40, `${many} runs took several rounds`);
  assert.ok(tooMany < RUNS / 4, `${tooMany} runs had too many nodes`);
});

/** All nodes of a tree. */
function countOf({ steps }: PathNode): number {
  return steps.reduce((sum, step) => sum + countOf(step), 1);
}

const ANCHOR = { kind: "and", filters: [] } as const;

Deno.test("planPaths() refuses what is too deep, too wide or too long by its place", () => {
  const fine = {
    project: "shop",
    fromMs: 0,
    toMs: 1,
    filter: null,
    anchor: ANCHOR,
    direction: "next",
    scope: "user",
    withinMs: null,
    collapseRepeats: false,
    depth: 3,
    branches: 5,
  } as const;
  assert.ok(planPaths(fine).ok);
  const cases = [
    [{ depth: 6 }, "depth"],
    [{ depth: 0 }, "depth"],
    [{ branches: 0 }, "limit"],
    [{ branches: 51 }, "limit"],
    [{ depth: 5, branches: 6 }, "limit"],
    [{ fromMs: 2 }, "time_range"],
    [{ toMs: 3_661 * 86_400_000 }, "time_range"],
  ] as const;
  for (const [given, parameter] of cases) {
    const planned = planPaths({ ...fine, ...given });
    assert.equal(planned.ok ? null : planned.refusal.parameter, parameter, JSON.stringify(given));
  }
  const wide = planPaths({ ...fine, depth: 5, branches: 6 });
  assert.match(wide.ok ? "" : wide.refusal.detail, /limit must be at most 5$/);
});

Deno.test("PathTrie keeps its counts when it grows", () => {
  const trie = new PathTrie(2, 1_000_000);
  for (let type = 0; type < 5_000; type++) {
    trie.visit(0, type + 1);
    const child = trie.child(0, type);
    trie.visit(child, type + 1);
    trie.visit(trie.child(child, type % 7), type + 1);
  }
  const { parent, type, occurrences, users } = trie.nodes();
  assert.equal(parent.length, 10_001);
  assert.deepEqual([occurrences[0], users[0]], [5_000, 5_000]);
  assert.ok(occurrences.subarray(1).every((count) => count === 1));
  for (let i = 0; i < 5_000; i++) {
    const child = trie.child(0, i);
    assert.equal(type[child], i);
    assert.equal(parent[trie.child(child, i % 7)], child);
  }
});
