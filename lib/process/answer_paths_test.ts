import assert from "node:assert/strict";
import fc from "fast-check";
import { commitOf, testRow, TestSeries } from "../../tests/contract/event_store_rows.ts";
import {
  type BrutePathEvent,
  type BrutePaths,
  brutePaths,
} from "../../tests/support/brute_paths.ts";
import { isOfType } from "../query/filter/filter.ts";
import { keptPaths, mergePaths, shownPaths } from "../query/paths/path_tree.ts";
import { type PathsQuestion, planPaths } from "../query/paths/paths.ts";
import { openDuckdbPartition } from "../store/duckdb/mod.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { answerPaths } from "./answer_paths.ts";

const ANCHORS = ["a", "b", "c"];
const NEVER = new AbortController().signal;

/** Users share names of sessions, and many events have the time of others. */
const madeEvents = fc.array(
  fc.record({
    userId: fc.constantFrom("ann", "bob", "cyd"),
    sessionId: fc.constantFrom("s1", "s2"),
    timestampMs: fc.integer({ min: 1_000, max: 1_020 }),
    type: fc.constantFrom("a", "b", "c", "d", "e"),
  }),
  { minLength: 20, maxLength: 80, size: "max" },
).map((events) =>
  events.map((event, order): BrutePathEvent => ({
    ...event,
    order,
    isAnchor: ANCHORS.includes(event.type),
  }))
);

const madeQuestions: fc.Arbitrary<BrutePaths> = fc.record({
  direction: fc.constantFrom("next", "previous"),
  scope: fc.constantFrom("session", "user"),
  withinMs: fc.constantFrom(null, null, 0, 4),
  collapseRepeats: fc.boolean(),
  depth: fc.constantFrom(2, 3, 5, 5),
  branches: fc.constantFrom(1, 1, 2),
});

Deno.test("answerPaths() gives what the definition says, by session, collapsed, in rounds", async () => {
  const folder = await Deno.makeTempDir();
  const store = await openDuckdbPartition({ folder, partition: 0, memoryLimitMb: 16 });
  const series = new TestSeries();
  let sets = 0;
  let rows = 0;
  let rounds = 0;
  try {
    await fc.assert(
      fc.asyncProperty(madeEvents, madeQuestions, async (events, asked) => {
        const project = `shop-${sets++}`;
        const made = events.map((event, i) => testRow(rows + i, { ...event, project }));
        await store.commit(commitOf(made, rows, series), null);
        rows += made.length;
        const planned = planPaths({
          project,
          fromMs: 0,
          toMs: 10_000,
          filter: null,
          anchor: isOfType(ANCHORS),
          ...asked,
        });
        assert.ok(planned.ok);
        const found = await askUntilDeep(store, planned.plan, asked.branches);
        assert.deepEqual(found.root, brutePaths(events, asked));
        rounds += found.rounds;
      }),
      { numRuns: 200 },
    );
    assert.ok(rounds > 230, `${rounds} rounds`);
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});

/** With room for so few nodes that it often takes several rounds; with more where those are too few. */
async function askUntilDeep(store: PartitionStore, first: PathsQuestion, branches: number) {
  let question = first;
  let leftOut: Parameters<typeof shownPaths>[2] = new Map();
  let nodesMax = 24;
  for (let rounds = 1;; rounds++) {
    const partial = await answerPaths(question, store, NEVER, nodesMax);
    if (partial.trouble !== null) {
      assert.equal(partial.trouble, "nodes");
      nodesMax += 12;
      continue;
    }
    const sum = mergePaths([partial], question.depth);
    const root = shownPaths(sum, branches, leftOut);
    if (sum.depth === question.depth) return { root, rounds };
    const kept = keptPaths(root);
    leftOut = kept.leftOut;
    question = { ...question, kept: kept.nodes, keptDepth: sum.depth };
  }
}
