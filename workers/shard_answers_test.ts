/** How a shard works on questions to rows: so many at a time, ended when cancelled or handed over. */
import assert from "node:assert/strict";
import { ROW_QUESTIONS_MAX } from "../lib/config/limits.ts";
import type { KnownKeysQuestion } from "../lib/query/row_question.ts";
import { StoreError } from "../lib/store/event_store.ts";
import { withDeadline } from "../tests/support/deadline.ts";
import { macrotask } from "../lib/process/macrotask.ts";
import { ShardAnswers } from "./shard_answers.ts";
import type { ShardLoop } from "./shard_loop.ts";

const QUESTION: KnownKeysQuestion = {
  kind: "known_keys",
  project: "shop",
  fromMs: 0,
  toMs: 1,
  keys: ["a"],
};

/** A read that a store was asked for, to be ended by the test. */
interface Read {
  readonly partition: number;
  readonly signal: AbortSignal;
  end(keys: string[]): void;
  fail(error: Error): void;
}

/** A loop of two partitions whose stores answer when they are told to. */
function openShard() {
  const reads: Read[] = [];
  const committed: number[] = [];
  const storeOf = (partition: number) => ({
    knownKeys: (_query: unknown, signal: AbortSignal) => {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      signal.addEventListener("abort", () => reject(signal.reason));
      reads.push({ partition, signal, end: resolve, fail: reject });
      return promise;
    },
  });
  const loop = {
    processors: [0, 1].map((partition) => ({ partition, store: storeOf(partition) })),
    answering: <T>(answer: () => Promise<T>) => answer(),
    commitApplied: (partition: number) => Promise.resolve(void committed.push(partition)),
    storedUntilMs: (partition: number) => 100 + partition,
    endQuestions: () => {},
  };
  const answers = new ShardAnswers(loop as unknown as ShardLoop);
  return { answers, loop, reads, committed };
}

Deno.test("rows() answers for each partition, after what it had applied is committed", async () => {
  const { answers, reads, committed } = openShard();
  const answer = answers.rows(1, QUESTION, null);
  await macrotask();
  assert.deepEqual(committed, [0, 1]);
  for (const { partition, end } of reads) end([`key-${partition}`]);
  assert.deepEqual(await answer, [
    { partition: 0, partial: ["key-0"], completeUntilMs: 100 },
    { partition: 1, partial: ["key-1"], completeUntilMs: 101 },
  ]);
  const ofOne = answers.rows(2, QUESTION, 1);
  await macrotask();
  reads.at(-1)!.end([]);
  assert.deepEqual((await ofOne).map(({ partition }) => partition), [1]);
});

Deno.test("cancel() ends a question that runs, and only that one", async () => {
  const { answers, reads } = openShard();
  const first = answers.rows(1, QUESTION, 0);
  const second = answers.rows(2, QUESTION, 0);
  await macrotask();
  answers.cancel(1);
  answers.cancel(77);
  await assert.rejects(first, { name: "AbortError" });
  assert.deepEqual(reads.map(({ signal }) => signal.aborted), [true, false]);
  reads[1].end([]);
  await second;
});

Deno.test("rows() lets so many questions run at a time, the others in turn", async () => {
  const { answers, reads } = openShard();
  const ids = Array.from({ length: ROW_QUESTIONS_MAX + 3 }, (_, i) => i);
  const asked = ids.map((id) => answers.rows(id, QUESTION, 0));
  await macrotask();
  assert.equal(reads.length, ROW_QUESTIONS_MAX);
  // The first that waits is cancelled: its turn goes to the next one.
  answers.cancel(ROW_QUESTIONS_MAX);
  reads[0].end([]);
  await assert.rejects(asked[ROW_QUESTIONS_MAX], { name: "AbortError" });
  await macrotask();
  assert.equal(reads.length, ROW_QUESTIONS_MAX + 1);
  reads[1].fail(new StoreError("RTA_STORE_UNAVAILABLE", "the disk"));
  await assert.rejects(asked[1], /the disk/);
  await macrotask();
  assert.equal(reads.length, ROW_QUESTIONS_MAX + 2);
  for (const { end } of reads) end([]);
  await withDeadline(Promise.allSettled(asked), { what: "the end of all questions" });
});

Deno.test("rows() ends the reading of the other partitions when one fails", async () => {
  const { answers, reads } = openShard();
  const answer = answers.rows(1, QUESTION, null);
  await macrotask();
  reads[0].fail(new StoreError("RTA_STORE_CORRUPT", "checksum"));
  await assert.rejects(answer, { code: "RTA_STORE_CORRUPT" });
  assert(reads[1].signal.aborted);
});

Deno.test("endRows() ends those that run and those that wait, as if asked too early", async () => {
  const { answers, loop, reads } = openShard();
  const ids = Array.from({ length: ROW_QUESTIONS_MAX + 1 }, (_, i) => i);
  const asked = ids.map((id) => answers.rows(id, QUESTION, null));
  await macrotask();
  loop.endQuestions();
  for (const answer of asked) {
    await assert.rejects(answer, { code: "RTA_STORE_UNAVAILABLE", message: /handed over/ });
  }
  assert.equal(reads.length, 2 * ROW_QUESTIONS_MAX);
  const next = answers.rows(99, QUESTION, 0);
  await macrotask();
  reads.at(-1)!.end(["a"]);
  assert.equal((await next).length, 1);
});
