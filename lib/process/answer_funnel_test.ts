import assert from "node:assert/strict";
import fc from "fast-check";
import { commitOf, testRow, TestSeries } from "../../tests/contract/event_store_rows.ts";
import {
  bruteAttempt,
  type BruteEvent,
  bruteEvents,
  type BruteFunnel,
  bruteFunnels,
  levelOf,
} from "../../tests/support/brute_funnel.ts";
import type { Filter } from "../query/filter/filter.ts";
import { funnelFigures } from "../query/funnel/funnel_partial.ts";
import { pageOfUsers, type UserHash } from "../query/funnel/funnel_question.ts";
import type { FunnelPlan } from "../query/funnel/plan_funnel.ts";
import { openDuckdbPartition } from "../store/duckdb/mod.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { answerFunnel, answerFunnelUsers } from "./answer_funnel.ts";

const NEVER = new AbortController().signal;
/** So few rows of a pass that there are many passes. */
const SMALL = { rowsMax: 12, pieceRows: 5, walksBytesMax: 1_200 };
const EXCLUDED = 20;

/** Steps and exclusions are told by properties, so that one event can meet several. */
const has = (key: string): Filter => (
  { kind: "exists", subject: { kind: "property", key }, negated: false }
);

function planOf(project: string, funnel: BruteFunnel): FunnelPlan {
  return {
    ...funnel,
    project,
    fromMs: 0,
    toMs: 1_000,
    filter: null,
    steps: funnel.optional.map((optional, step) => (
      { name: `${step}`, filter: has(`s${step}`), optional }
    )),
    exclusions: [has(`s${EXCLUDED}`)],
    breakdown: { kind: "field", name: "id" },
    segmentsMax: 1_000,
  };
}

/**
 * Commits the users' events, those of all users mixed; each user's in order, or with late ones among
 * them, though not among those of equal times.
 */
async function commitUsers(
  stores: readonly PartitionStore[],
  project: string,
  users: readonly BruteEvent[][],
  isLate: boolean,
  committed: { rows: number; series: TestSeries }[],
): Promise<void> {
  const rows = users.flatMap((events, user) =>
    events.map(({ timestampMs, steps, excluded }, place) => {
      const keys = excluded ? [...steps, EXCLUDED] : steps;
      const properties = Object.fromEntries(keys.map((step) => [`s${step}`, 1]));
      return { user, place, timestampMs, properties };
    })
  ).sort((a, b) => isLate ? a.timestampMs * 7 % 5 - b.timestampMs * 7 % 5 : a.place - b.place);
  for (const [partition, store] of stores.entries()) {
    const { series, rows: before } = committed[partition];
    const own = rows.filter(({ user }) => user % stores.length === partition);
    if (own.length === 0) continue;
    const batch = own.map(({ user, place, timestampMs, properties }) =>
      testRow(place, {
        project,
        id: `${user}-${place}`,
        userId: `user-${user}`,
        timestampMs,
        properties: JSON.stringify(properties),
      })
    );
    await store.commit(commitOf(batch, before, series), null);
    committed[partition].rows += own.length;
  }
}

const cases = bruteFunnels.chain((funnel) =>
  fc.record({
    funnel: fc.constant(funnel),
    users: fc.array(bruteEvents(funnel.optional.length, 7), { maxLength: 8 }),
    isLate: fc.boolean(),
    step: fc.nat({ max: funnel.optional.length - 2 }),
    outcome: fc.constantFrom("converted" as const, "dropped" as const),
  })
);

for (const partitions of [1, 2, 8]) {
  Deno.test(`answerFunnel() equals brute force when partitions are ${partitions}`, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "rta-funnel-" });
    const stores = await Promise.all(Array.from({ length: partitions }, (_, partition) => (
      openDuckdbPartition({ folder, partition, memoryLimitMb: 16 })
    )));
    try {
      const committed = stores.map(() => ({ rows: 0, series: new TestSeries() }));
      let sets = 0;
      await fc.assert(
        fc.asyncProperty(cases, async ({ funnel, users, isLate, step, outcome }) => {
          const project = `set-${sets++}`;
          await commitUsers(stores, project, users, isLate, committed);
          const plan = planOf(project, funnel);
          const attempts = users.map((events) => bruteAttempt(funnel, events));
          await holdFigures(plan, stores, attempts);
          const expected = attempts.flatMap((attempt, user) => {
            if (attempt === null || attempt[step] < 0) return [];
            return outcome === "dropped" && levelOf(attempt) !== step ? [] : [`user-${user}`];
          });
          const question = { kind: "funnel_users", plan, step, outcome, limit: 3 } as const;
          const found: string[] = [];
          let after: UserHash | null = null;
          for (let more = true; more;) {
            const page: ReturnType<typeof pageOfUsers> = pageOfUsers(
              await Promise.all(
                stores.map((store) =>
                  answerFunnelUsers({ ...question, after }, store, NEVER, SMALL)
                ),
              ),
              question.limit,
            );
            found.push(...page.users.map(({ userId }) => userId));
            more = page.hasMore;
            after = page.users.at(-1) ?? null;
          }
          assert.deepEqual(found.sort(), expected.sort());
        }),
        { numRuns: 100 },
      );
    } finally {
      for (const store of stores) await store.close();
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

/** The figures, also when passes are small, are those of the attempts. */
async function holdFigures(
  plan: FunnelPlan,
  stores: readonly PartitionStore[],
  attempts: readonly (readonly number[] | null)[],
): Promise<void> {
  for (const limits of [undefined, SMALL]) {
    const partials = await Promise.all(
      stores.map((store) => answerFunnel({ kind: "funnel", plan }, store, NEVER, limits)),
    );
    const { steps, segments } = funnelFigures(plan, partials);
    steps.forEach(({ users, dropped }, step) => {
      const having = attempts.filter((attempt) => attempt !== null && attempt[step] >= 0);
      assert.equal(users, having.length);
      const ended = having.filter((attempt) => levelOf(attempt!) === step);
      assert.equal(dropped, step === steps.length - 1 ? 0 : ended.length);
    });
    // The breakdown by id names the very event that the attempt that counts begins with.
    const begins = attempts.flatMap((attempt, user) =>
      attempt === null ? [] : [`${user}-${attempt[0]}`]
    );
    assert.deepEqual(segments.map(({ value }) => value).sort(), begins.sort());
  }
}
