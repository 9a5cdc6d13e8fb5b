import assert from "node:assert/strict";
import fc from "fast-check";
import { COMMIT_CELLS } from "../config/limits.ts";
import { MergedRollup } from "../query/partial.ts";
import { isOfType } from "../query/filter/filter.ts";
import { planSeries, planSummary, type RollupPlan } from "../query/plan.ts";
import type { LogRecord } from "../log/event_log.ts";
import { openDuckdbPartition } from "../store/duckdb/mod.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { AnswerMemo } from "./answer_memo.ts";
import type { AnswerContext } from "./answer_rollups.ts";
import { RowBatchPool } from "./row_batch_pool.ts";
import { PartitionProcessor, type ProcessorOptions } from "./partition_processor.ts";

const GAP_MS = 30 * 60_000;
const WINDOW_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A Tuesday, 22:13:20 UTC. */
const T0 = 1_700_000_000_000;

const options: ProcessorOptions = {
  topic: "events",
  dedupWindowMs: WINDOW_MS,
  dedupBytesMax: 1 << 20,
  sessionGapMs: GAP_MS,
  sessionBytesMax: 1 << 20,
  cellBytesMax: 20_000,
  flushIntervalMs: Infinity,
  flushBytes: Infinity,
};

interface SentEvent {
  readonly id: number;
  readonly user: number;
  readonly type: string;
  readonly timestampMs: number;
  readonly session: string | null;
  readonly amount: number | null;
}

interface SentRecord {
  readonly project: string;
  readonly waitMs: number;
  readonly events: readonly SentEvent[];
}

type Step =
  | { readonly do: "record"; readonly record: SentRecord }
  | { readonly do: "commit"; readonly flush: boolean }
  | { readonly do: "reopen" }
  | {
    readonly do: "ask";
    readonly from: number;
    readonly length: number;
    readonly byType: boolean;
  };

/** What is counted, by the plainest means. */
class Model {
  readonly stored: (SentEvent & { project: string; sessionKey: string })[] = [];
  readonly #seen = new Map<string, number>();
  readonly #current = new Map<string, { key: string; last: number; heard: number }>();
  duplicates = 0;

  apply(project: string, event: SentEvent, receivedMs: number): void {
    const second = Math.floor(receivedMs / 1000);
    const idKey = `${project}/${event.id}`;
    const seen = this.#seen.get(idKey);
    if (seen !== undefined && second - seen <= WINDOW_MS / 1000) {
      this.duplicates++;
      return;
    }
    this.#seen.set(idKey, second);
    this.stored.push({ ...event, project, sessionKey: this.#session(project, event, second) });
  }

  #session(project: string, event: SentEvent, second: number): string {
    if (event.session !== null) return `given ${event.session}`;
    const user = `${project}/${event.user}`;
    const now = this.#current.get(user);
    const known = now !== undefined && second - now.heard <= (WINDOW_MS + GAP_MS) / 1000;
    if (known && event.timestampMs < now.last - GAP_MS) {
      now.heard = second;
      return `${user} late ${Math.floor(event.timestampMs / GAP_MS)}`;
    }
    if (known && event.timestampMs <= now.last + GAP_MS) {
      now.last = Math.max(now.last, event.timestampMs);
      now.heard = second;
      return now.key;
    }
    const key = `${user} from ${event.timestampMs}`;
    this.#current.set(user, { key, last: event.timestampMs, heard: second });
    return key;
  }
}

/** A partition over a real store, and the log that it reads from. */
class Partition {
  readonly model = new Model();
  readonly #folder = Deno.makeTempDirSync();
  readonly #log: { record: SentRecord; receivedMs: number }[] = [];
  #store!: PartitionStore;
  processor!: PartitionProcessor;
  #memo!: AnswerMemo;
  readonly #pool = new RowBatchPool();
  #clockMs = T0;

  constructor(readonly keepsRows = true) {}

  async open(): Promise<void> {
    this.#store = await openDuckdbPartition({
      folder: this.#folder,
      partition: 0,
      memoryLimitMb: 64,
      keepsRows: this.keepsRows,
    });
    this.processor = await PartitionProcessor.open(this.#store, options, this.#pool, 0);
    this.#memo = new AnswerMemo([this.processor]);
    for (let offset = this.processor.nextOffset; offset < this.#log.length; offset++) {
      this.#apply(offset);
    }
  }

  send(record: SentRecord): void {
    this.#clockMs += record.waitMs;
    this.#log.push({ record, receivedMs: this.#clockMs });
    for (const event of record.events) this.model.apply(record.project, event, this.#clockMs);
    this.#apply(this.#log.length - 1);
  }

  #apply(offset: number): void {
    const { record, receivedMs } = this.#log[offset];
    const applied: LogRecord = {
      partition: 0,
      offset,
      nextOffset: offset + 1,
      events: record.events.length,
      project: record.project,
      receivedAtMs: receivedMs,
      value: new TextEncoder().encode(record.events.map(lineOf).join("")),
    };
    this.processor.apply(applied, 0, (code, message) => assert.fail(`${code}: ${message}`));
  }

  async reopen(): Promise<void> {
    await this.#store.close();
    await this.open();
  }

  async close(): Promise<void> {
    await this.#store.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  /** The answer, the one made anew when asked again, and the one that was kept of it. */
  async ask(plan: RollupPlan): Promise<MergedRollup[]> {
    const context: AnswerContext = {
      settle: async (processor) => void await processor.commit(0),
      completeUntilMs: () => 0,
    };
    const first = await this.#memo.answer(plan, context);
    const second = await this.#memo.answer(plan, context);
    const kept = await this.#memo.answer(plan, context);
    // Not so the first and the second: sets of the same hashes may be written in different orders.
    assert.deepEqual(kept, second);
    return [first, second, kept].map((partial) => new MergedRollup([partial]));
  }
}

function lineOf(event: SentEvent): string {
  return JSON.stringify({
    id: `event-${event.id}`,
    user_id: `user-${event.user}`,
    event_type: event.type,
    timestamp: event.timestampMs,
    ...(event.session === null ? {} : { session_id: event.session }),
    ...(event.amount === null ? {} : { amount: event.amount }),
  }) + "\n";
}

const BY_TYPE = [{ label: "event_type", subject: { kind: "field", name: "type" } }] as const;

/** Asks a summary and a series, and holds every number against the model. */
async function check(partition: Partition, step: Extract<Step, { do: "ask" }>): Promise<void> {
  const toMs = step.from + step.length;
  const types = step.byType ? ["view", "buy"] : [];
  const filter = types.length === 0 ? null : isOfType(types);
  const question = { project: "shop", fromMs: step.from, toMs, filter };
  const summary = planSummary(question);
  const series = planSeries({
    ...question,
    metric: "users",
    granularity: step.length > 2 * DAY_MS ? "day" : "hour",
    timeZone: partition.keepsRows ? "Asia/Kathmandu" : "Asia/Tokyo",
    by: step.byType ? BY_TYPE : [],
  });
  assert.ok(summary.ok && series.ok);
  const { rollup } = summary.plan;
  // A summary does not want the amounts of the types; another question may.
  for (const plan of [rollup, { ...rollup, eventsOnly: undefined }, series.plan.rollup]) {
    for (const answer of await partition.ask(plan)) checkAnswer(partition, plan, types, answer);
  }
}

/** Every bucket of one answer. */
function checkAnswer(
  partition: Partition,
  plan: RollupPlan,
  types: readonly string[],
  answer: MergedRollup,
): void {
  for (let bucket = 0; bucket + 1 < plan.boundsMs.length; bucket++) {
    const inside = partition.model.stored.filter((event) =>
      event.project === "shop" && event.timestampMs >= plan.boundsMs[bucket] &&
      event.timestampMs < plan.boundsMs[bucket + 1] &&
      (types.length === 0 || types.includes(event.type))
    );
    const { wantTotal, wantByType, eventsOnly } = plan;
    if (wantTotal !== null) {
      checkGroup(answer, "", bucket, inside, wantTotal, eventsOnly !== "all");
    }
    if (wantByType === null) continue;
    for (const type of ["view", "buy"]) {
      const ofType = inside.filter((event) => event.type === type);
      checkGroup(answer, type, bucket, ofType, wantByType, eventsOnly === undefined);
    }
  }
}

function checkGroup(
  answer: MergedRollup,
  group: string,
  bucket: number,
  events: Model["stored"],
  want: number,
  wantsAmounts: boolean,
): void {
  assert.equal(answer.events(group, bucket), events.length, `events of "${group}" in ${bucket}`);
  if (wantsAmounts) {
    const amounts = events.flatMap((event) => event.amount ?? []);
    assert.equal(answer.amountCount(group, bucket), amounts.length);
    assert.equal(answer.amountSum(group, bucket), amounts.reduce((sum, amount) => sum + amount, 0));
  }
  if (want & 1) {
    assert.equal(answer.users(group, bucket).count, new Set(events.map((e) => e.user)).size);
  }
  if (want & 2) {
    const sessions = new Set(events.map((event) => event.sessionKey)).size;
    assert.equal(answer.sessions(group, bucket).count, sessions, "sessions");
  }
}

const spanMs = 3 * DAY_MS;
const sentEvent: fc.Arbitrary<SentEvent> = fc.record({
  id: fc.nat(80),
  user: fc.nat(6),
  type: fc.constantFrom("view", "buy", "leave"),
  timestampMs: fc.oneof(
    fc.integer({ min: T0 - spanMs, max: T0 }),
    fc.integer({ min: T0 - 5 * 60_000, max: T0 }),
    fc.constantFrom(T0, T0 - 60_000, T0 - DAY_MS, T0 - DAY_MS - 600_000, T0 - DAY_MS - 3_000_000),
  ),
  session: fc.option(fc.constantFrom("s1", "s2"), { freq: 3 }),
  amount: fc.option(fc.nat(400).map((quarters) => quarters / 4)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("record" as const),
      record: fc.record({
        project: fc.constantFrom("shop", "shop", "other"),
        waitMs: fc.oneof(fc.nat(60_000), fc.nat(2 * WINDOW_MS)),
        events: fc.array(sentEvent, { minLength: 1, maxLength: 12 }),
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("commit" as const), flush: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      from: fc.oneof(
        fc.integer({ min: T0 - spanMs - DAY_MS, max: T0 }),
        fc.nat(90).map((minutes) => T0 - DAY_MS - minutes * 60_000),
      ),
      length: fc.oneof(fc.nat(200_000), fc.nat(6 * 3_600_000), fc.nat(spanMs + DAY_MS)),
      byType: fc.boolean(),
    }),
  },
);

const HOUR_MS = 3_600_000;
/** The same question over whole hours, all that can be asked without rows. */
function toHours(step: Extract<Step, { do: "ask" }>): Extract<Step, { do: "ask" }> {
  const from = Math.floor(step.from / HOUR_MS) * HOUR_MS;
  return { ...step, from, length: Math.ceil((step.length + 1) / HOUR_MS) * HOUR_MS };
}

for (const keepsRows of [true, false]) {
  const how = keepsRows ? "" : " without rows";
  Deno.test(`PartitionProcessor${how} answers equal a recount over commits, flushes and restarts`, () =>
    recountProperty(keepsRows));
}

async function recountProperty(keepsRows: boolean): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 20 }), async (steps) => {
      const partition = new Partition(keepsRows);
      await partition.open();
      try {
        for (const each of steps) {
          if (each.do === "record") partition.send(each.record);
          else if (each.do === "commit") await partition.processor.commit(0, each.flush);
          else if (each.do === "reopen") await partition.reopen();
          else await check(partition, keepsRows ? each : toHours(each));
        }
        const asked = {
          do: "ask",
          from: T0 - 5 * DAY_MS,
          length: 6 * DAY_MS,
          byType: false,
        } as const;
        const all = keepsRows ? asked : toHours(asked);
        await check(partition, all);
        await partition.processor.commit(0, true);
        await partition.reopen();
        await check(partition, all);
      } finally {
        await partition.close();
      }
    }),
    { numRuns: 60 },
  );
}

Deno.test("PartitionProcessor without rows refuses what only rows could answer", async () => {
  const partition = new Partition(false);
  await partition.open();
  const event = { user: 1, type: "view", session: null, amount: null };
  const ask = (from: number, length: number) =>
    check(partition, { do: "ask", from, length, byType: false });
  const refused = (says: RegExp) => (error: Error & { code: string }) => {
    assert.equal(error.code, "RTA_STORE_NO_ROWS");
    assert.match(error.message, says);
    return true;
  };
  try {
    const minuteMs = Math.floor(T0 / 60_000) * 60_000;
    const oldHourMs = Math.floor((T0 - DAY_MS) / HOUR_MS) * HOUR_MS;
    const at = [minuteMs - 50_000, minuteMs - 10_000, oldHourMs + 60_000, oldHourMs + 3_000_000];
    const events = at.map((timestampMs, id) => ({ ...event, id, timestampMs }));
    partition.send({ project: "shop", waitMs: 1, events });
    for (let round = 0; round < 2; round++) {
      await ask(minuteMs - 60_000, 60_000);
      // All events of the minute lie on one side of the cut.
      await ask(minuteMs - 55_000, 50_000);
      await assert.rejects(ask(minuteMs - 30_000, 60_000), refused(/rows are not kept.*whole min/));
      await ask(oldHourMs, HOUR_MS);
      await assert.rejects(
        ask(oldHourMs + 1_800_000, HOUR_MS),
        refused(/the hour from 2023-11-13T/),
      );
      await partition.processor.commit(0, round === 0);
    }
    assert.equal(partition.processor.pendingRows, 0);
  } finally {
    await partition.close();
  }
});

Deno.test("PartitionProcessor without rows forgets what dedup and sessions can't ask for", async () => {
  const partition = new Partition(false);
  await partition.open();
  const send = (id: number, waitMs: number) => {
    const at = { user: 1, type: "view", timestampMs: T0, session: null, amount: null };
    partition.send({ project: "shop", waitMs, events: [{ id, ...at }] });
  };
  const recent = async () => {
    let count = 0;
    await partition.processor.store.recentIds(0, (_ids, _received, ids) => count += ids);
    return count;
  };
  try {
    send(1, 0);
    await partition.processor.commit(0, true);
    send(2, WINDOW_MS);
    await partition.processor.commit(0, true);
    assert.equal(await recent(), 2, "the session may still be joined");
    send(3, GAP_MS + 5_000);
    await partition.processor.commit(0);
    assert.equal(await recent(), 3, "they go with a flush");
    await partition.processor.commit(0, true);
    assert.equal(await recent(), 2);
  } finally {
    await partition.close();
  }
});

Deno.test("PartitionProcessor counts a pending event of an old hour that the range cuts", async () => {
  const partition = new Partition();
  await partition.open();
  try {
    const hourMs = Math.floor((T0 - DAY_MS) / 3_600_000) * 3_600_000;
    const event = { id: 1, user: 1, type: "view", session: null, amount: 2 };
    const at = (id: number, minute: number) => ({
      ...event,
      id,
      timestampMs: hourMs + minute * 60_000,
    });
    const record = (events: SentEvent[]) => ({ project: "shop", waitMs: 1, events });
    const question = {
      do: "ask",
      from: hourMs + 600_000,
      length: 5 * 3_600_000,
      byType: false,
    } as const;
    partition.send(record([at(1, 20)]));
    await check(partition, question);
    await partition.processor.commit(0, true);
    partition.send(record([at(2, 30)]));
    await check(partition, question);
    partition.send(record([at(3, 5)]));
    await check(partition, question);
    await partition.processor.commit(0);
    partition.send(record([at(4, 6), at(5, 50)]));
    await check(partition, question);
  } finally {
    await partition.close();
  }
});

Deno.test("batchIsFull is set by many cells, long before there are many rows", async () => {
  const partition = new Partition();
  await partition.open();
  try {
    const types = 800;
    for (let minute = 0; !partition.processor.batchIsFull; minute++) {
      assert.ok(minute * types < COMMIT_CELLS, "cells enough for a commit");
      const events = Array.from({ length: types }, (_, i) => ({
        id: minute * types + i,
        user: 1,
        type: `type-${i}`,
        timestampMs: T0 - 60_000 * minute,
        session: null,
        amount: null,
      }));
      partition.send({ project: "shop", waitMs: 0, events });
    }
    assert.ok(partition.processor.pendingRows >= COMMIT_CELLS);
    await partition.processor.commit(0);
    assert.ok(!partition.processor.batchIsFull);
  } finally {
    await partition.close();
  }
});
