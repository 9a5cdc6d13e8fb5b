/**
 * What a shard answers: questions to its rollups, about one user, and to its rows, each made of all
 * partitions that it runs. Questions to rows take long, so they can be cancelled, and at most
 * ROW_QUESTIONS_MAX of them run at a time, so that memory has a bound; the others wait in turn.
 */
import { ROW_QUESTIONS_MAX } from "../lib/config/limits.ts";
import { AnswerMemo } from "../lib/process/answer_memo.ts";
import { answerRows } from "../lib/process/answer_rows.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import type { RowAnswer, RowQuestion } from "../lib/query/row_question.ts";
import { type EventPlace, StoreError, type UserQuery } from "../lib/store/event_store.ts";
import type { RollupAnswer, UserAnswer } from "./protocol.ts";
import type { ShardLoop } from "./shard_loop.ts";

/** Later than any event time that ingest accepts, ms since the epoch (year 9999). */
const END_OF_TIME_MS = 253_402_300_800_000;

export class ShardAnswers {
  readonly #loop: ShardLoop;
  readonly #memo: AnswerMemo;
  /** Row questions that run or wait, by id. */
  readonly #cancels = new Map<number, AbortController>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(loop: ShardLoop) {
    this.#loop = loop;
    this.#memo = new AnswerMemo(loop.processors);
    loop.endQuestions = () => this.endRows();
  }

  rollups(plan: RollupPlan): Promise<RollupAnswer> {
    const loop = this.#loop;
    return loop.answering(async () => {
      const partitions = loop.processors.map(({ partition }) => partition);
      const partial = await this.#memo.answer(plan, {
        settle: (processor) => loop.commitApplied(processor.partition),
        completeUntilMs: (processor) => loop.completeUntilMs(processor),
      });
      return { partial, partitions };
    });
  }

  /**
   * What each of its partitions, or that one, knows of a user. Rows are as new as the partition's
   * last commit, and the answer says how new that is.
   */
  user(partition: number | null, query: UserQuery): Promise<UserAnswer[]> {
    const loop = this.#loop;
    return loop.answering(() => {
      const asked = loop.processors.filter((each) =>
        (partition ?? each.partition) === each.partition
      );
      return Promise.all(asked.map(async ({ store, partition }) => {
        const completeUntilMs = loop.storedUntilMs(partition);
        const totals = await store.userTotals(query.project, query.userId, 0, END_OF_TIME_MS);
        const before = query.before && placeIn(partition, query.before);
        const events = query.limit > 0 ? await store.userEvents({ ...query, before }) : [];
        return { partition, totals, events, completeUntilMs };
      }));
    });
  }

  /**
   * What the rows of its partitions, or of the one named, say; all that was applied when it was
   * asked is committed before. Rejects with AbortError once it is cancelled.
   */
  async rows(id: number, question: RowQuestion, partition: number | null): Promise<RowAnswer[]> {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    try {
      await this.#takePlace(cancel.signal);
      try {
        return await this.#loop.answering(() => this.#readRows(question, partition, cancel));
      } finally {
        this.#givePlace();
      }
    } finally {
      this.#cancels.delete(id);
    }
  }

  /** Ends the row question of this id, if it has not ended yet. */
  cancel(id: number): void {
    this.#cancels.get(id)?.abort();
  }

  /** Ends all row questions, because partitions are about to be closed: they may be asked again. */
  endRows(): void {
    const reason = new StoreError("RTA_STORE_UNAVAILABLE", "a partition is being handed over");
    for (const cancel of this.#cancels.values()) cancel.abort(reason);
  }

  async #readRows(
    question: RowQuestion,
    partition: number | null,
    cancel: AbortController,
  ): Promise<RowAnswer[]> {
    const loop = this.#loop;
    const asked = loop.processors.filter((each) =>
      (partition ?? each.partition) === each.partition
    );
    const reading = asked.map(async ({ store, partition }) => {
      await loop.commitApplied(partition);
      const completeUntilMs = loop.storedUntilMs(partition);
      const partial = await answerRows(question, store, cancel.signal);
      return { partition, partial, completeUntilMs };
    });
    try {
      return await Promise.all(reading);
    } catch (error) {
      // Nobody wants what the others read any more; the place is free once they have ended.
      cancel.abort(error);
      await Promise.allSettled(reading);
      throw error;
    }
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    if (this.#running >= ROW_QUESTIONS_MAX) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else this.#running++;
    if (!signal.aborted) return;
    this.#givePlace();
    signal.throwIfAborted();
  }

  /** A place is handed on as it is, so that nobody slips in before the one who waited. */
  #givePlace(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

/** What is before a place of any partition, in this one. */
function placeIn(own: number, { timestampMs, partition, seq }: EventPlace) {
  if (own === partition) return { timestampMs, seq };
  return { timestampMs, seq: own < partition ? Number.MAX_SAFE_INTEGER : -1 };
}
