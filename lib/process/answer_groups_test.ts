import assert from "node:assert/strict";
import { MergedRollup } from "../query/partial.ts";
import { groupName, planBreakdown, planSeries } from "../query/plan.ts";
import type { GroupedRows, GroupScan, PartitionStore } from "../store/event_store.ts";
import { answerGroups } from "./answer_groups.ts";

const FROM_MS = Date.UTC(2026, 0, 10);
const NEVER = new AbortController().signal;
/** Texts of all readings, by id. */
const texts: (string | null)[] = [];
const COUNTRY = { label: "country", subject: { kind: "property", key: "country" } } as const;

/** A store that gives these groups, one chunk after the other, and notes what it was asked. */
function storeOf(chunks: readonly GroupedRows[]) {
  const asked: GroupScan[] = [];
  let given = 0;
  const groupRows = async (scan: GroupScan, onGroups: (groups: GroupedRows) => void) => {
    asked.push(scan);
    for (const chunk of chunks) {
      await Promise.resolve();
      given++;
      onGroups(chunk);
    }
  };
  const store = { groupRows } as unknown as PartitionStore;
  return { store, asked, given: () => given };
}

/** Ids as a reading gives them: one more for each, the same text may have several. */
function textIds(list: readonly (string | null)[]) {
  return { ids: Int32Array.from(list, (text) => texts.push(text) - 1), texts };
}

/** A chunk of groups with these texts, each of some events of one user. */
function chunkOf(
  groups: readonly [text: string | null, events: number, user: number][],
): GroupedRows {
  const count = groups.length;
  return {
    count,
    split: "user",
    keys: [textIds(groups.map(([text]) => text))],
    bucket: new Int32Array(count).fill(1),
    events: Float64Array.from(groups, ([, events]) => events),
    valueCount: new Float64Array(count),
    valueSum: new Float64Array(count),
    valueMin: new Float64Array(0),
    valueMax: new Float64Array(0),
    hash: Uint32Array.from(groups.flatMap(([, , user]) => [user, user])),
  };
}

function planOf(groupsMax: number) {
  const planned = planBreakdown({
    project: "shop",
    fromMs: FROM_MS,
    toMs: FROM_MS + 1_000,
    filter: null,
    metric: "users",
    by: [COUNTRY],
    limit: 2,
    granularity: null,
    timeZone: "UTC",
  });
  assert(planned.ok);
  const { rollup } = planned.plan;
  return { ...rollup, rows: rollup.rows!, groupsMax };
}

Deno.test("answerGroups() adds up groups that come in parts, under the same text", async () => {
  const chunk = chunkOf([["DE", 2, 1], ["FR", 1, 2], ["DE", 3, 3], [null, 4, 1]]);
  const { store, asked } = storeOf([chunk]);
  const merged = new MergedRollup([await answerGroups(planOf(10), store, NEVER)]);
  const told = merged.groups.map((group) => [
    group,
    merged.events(group, 1),
    merged.users(group, 1).count,
  ]);
  assert.deepEqual(told, [
    ["", 10, 3],
    [groupName(["DE"]), 5, 2],
    [groupName(["FR"]), 1, 1],
    [groupName([null]), 4, 1],
  ]);
  assert.deepEqual([asked[0].splits, asked[0].value], [["user"], null]);
});

Deno.test("answerGroups() ends the reading once there are too many groups", async () => {
  const chunks = Array.from({ length: 5 }, (_, i) => chunkOf([[`text-${i}`, 1, 1]]));
  const { store, given } = storeOf(chunks);
  const partial = await answerGroups(planOf(3), store, NEVER);
  assert.deepEqual([partial.tooManyGroups, partial.groups, given()], [true, [], 3]);
});

Deno.test("answerGroups() fails as the store does", async () => {
  const failing = { groupRows: () => Promise.reject(new Error("the disk")) };
  const answer = answerGroups(planOf(3), failing as unknown as PartitionStore, NEVER);
  await assert.rejects(answer, /the disk/);
});

Deno.test("answerGroups() asks for no keys when all events are one group", async () => {
  const planned = planSeries({
    project: "shop",
    fromMs: FROM_MS,
    toMs: FROM_MS + 1_000,
    filter: null,
    metric: "min:price",
    by: [],
    granularity: "hour",
    timeZone: "UTC",
  });
  assert(planned.ok);
  const { store, asked } = storeOf([]);
  const { rollup } = planned.plan;
  await answerGroups({ ...rollup, rows: rollup.rows! }, store, NEVER);
  assert.deepEqual([asked[0].by, asked[0].splits], [[], []]);
  assert.deepEqual(asked[0].value, { kind: "property", key: "price" });
});
