/**
 * What a shard answers: questions to its rollups, about one user, and to its rows, each made of all
 * partitions that it runs. Questions to rows and about users can be cancelled. Those to rows take
 * long, so at most
 * ROW_QUESTIONS_MAX of them run at a time, so that memory has a bound; the others wait in turn.
 */
import { ROW_QUESTIONS_MAX, USER_HISTORIES_BYTES_MAX } from "../lib/config/limits.ts";
import { encodeUtf8 } from "../lib/event/text_coding.ts";
import { AnswerMemo } from "../lib/process/answer_memo.ts";
import { answerRows } from "../lib/process/answer_rows.ts";
import { answerUserPart } from "../lib/process/answer_user_part.ts";
import { UserHistories } from "../lib/process/user_histories.ts";
import type { UserPart, UserQuestion } from "../lib/process/user_question.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import type { RowAnswer, RowQuestion } from "../lib/query/row_question.ts";
import { isAboutWindow } from "../lib/query/window_question.ts";
import { hash64 } from "../lib/sketch/hash64.ts";
import { StoreError } from "../lib/store/event_store.ts";
import type { RollupAnswer } from "./protocol.ts";
import type { ShardLoop } from "./shard_loop.ts";

export class ShardAnswers {
  readonly #loop: ShardLoop;
  readonly #memo: AnswerMemo;
  readonly #histories = new UserHistories(USER_HISTORIES_BYTES_MAX);
  /** Questions to rows and about users that run or wait, by id. */
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
   * last commit, and the answer says how new that is. Rejects once it is cancelled, as `rows` does.
   */
  async user(id: number, question: UserQuestion, partition: number | null): Promise<UserPart[]> {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    try {
      return await this.#loop.answering(() => this.#readUser(question, partition, cancel));
    } finally {
      this.#cancels.delete(id);
    }
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
        const read = () => this.#readRows(question, partition, cancel);
        const loop = this.#loop;
        return await (isAboutWindow(question) ? loop.whileOpen(read) : loop.answering(read));
      } finally {
        this.#givePlace();
      }
    } finally {
      this.#cancels.delete(id);
    }
  }

  /** Ends the question of this id, if it has not ended yet. */
  cancel(id: number): void {
    this.#cancels.get(id)?.abort();
  }

  /** Ends all that can be cancelled, as partitions are about to be closed: it may be asked again. */
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
      if (!isAboutWindow(question)) await loop.commitApplied(partition);
      const completeUntilMs = loop.storedUntilMs(partition);
      const partial = await answerRows(question, store, cancel.signal);
      return { partition, partial, completeUntilMs };
    });
    return await allOrNone(reading, cancel);
  }

  async #readUser(
    question: UserQuestion,
    partition: number | null,
    cancel: AbortController,
  ): Promise<UserPart[]> {
    const loop = this.#loop;
    const asked = loop.processors.filter((each) =>
      (partition ?? each.partition) === each.partition
    );
    const { project, userId } = question;
    const reading = asked.map(async ({ store, partition, series }) => {
      const completeUntilMs = loop.storedUntilMs(partition);
      const seed = series.findProject(project)?.seed;
      if (seed === undefined) return { partition, known: null, completeUntilMs };
      const user = { project, userId, hash: hashOf(userId, seed) };
      const known = await answerUserPart(question, user, store, this.#histories, cancel.signal);
      return { partition, known, completeUntilMs };
    });
    return await allOrNone(reading, cancel);
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

/** All parts of an answer; when one fails, the others are ended before that is told. */
async function allOrNone<Part>(
  reading: readonly Promise<Part>[],
  cancel: AbortController,
): Promise<Part[]> {
  try {
    return await Promise.all(reading);
  } catch (error) {
    // Nobody wants what the others read any more; the place is free once they have ended.
    cancel.abort(error);
    await Promise.allSettled(reading);
    throw error;
  }
}

/** The user's hash as rows have it. */
function hashOf(userId: string, seed: number): [low: number, high: number] {
  const bytes = encodeUtf8(userId), hash = new Uint32Array(2);
  hash64(bytes, 0, bytes.length, seed, hash);
  return [hash[0], hash[1]];
}
