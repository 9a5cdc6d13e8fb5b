/**
 * What answers ask of the shards: each question timed, and what keeps a shard from answering turned
 * into the problem that a client gets.
 */

import { ProblemError } from "../../lib/http/problem.ts";
import type { RollupPlan } from "../../lib/query/plan.ts";
import type { RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import type { UserQuestion } from "../../lib/process/user_question.ts";
import { StoreError } from "../../lib/store/event_store.ts";
import type { AnalyticsPorts, RollupPartials, RowPartials, UserParts } from "./answer_query.ts";
import type { WindowPorts } from "./read_windows.ts";

/** The shards of the process. They throw StoreError when they can't answer. */
export interface Shards {
  askRollups(plan: RollupPlan): Promise<RollupPartials>;
  /** Of one partition; null = of all. */
  askUser(
    partition: number | null,
    question: UserQuestion,
    signal: AbortSignal,
  ): Promise<UserParts>;
  askRows<Q extends RowQuestion>(
    partition: number | null,
    question: Q,
    signal: AbortSignal,
  ): Promise<RowPartials<RowPartialOf<Q>>>;
}

export interface ShardPortsOptions {
  readonly shards: Shards;
  /** The partition that a user's events are in; null = it may be any. */
  readonly partitionOf: (userId: string) => number | null;
  /** Begins to time a question of this kind; the function returned ends it. */
  readonly startTimer: (question: string) => () => unknown;
}

/** The ports of all answers. */
export function shardPorts(
  { shards, partitionOf, startTimer }: ShardPortsOptions,
): AnalyticsPorts & WindowPorts {
  const ask = async <T>(question: string, put: () => Promise<T>): Promise<T> => {
    const end = startTimer(question);
    try {
      return await put();
    } catch (error) {
      throw error instanceof StoreError ? problemOf(error) : error;
    } finally {
      end();
    }
  };
  return {
    now: Date.now,
    askShards: (plan) => ask("rollups", () => shards.askRollups(plan)),
    askUser: (question, signal) => {
      const partition = partitionOf(question.userId);
      return ask("user", () => shards.askUser(partition, question, signal));
    },
    askRows: (question, signal, userId) => {
      const partition = userId === undefined ? null : partitionOf(userId);
      return ask(question.kind, () => shards.askRows(partition, question, signal));
    },
    askPartition: async (partition, question, signal) => {
      const put = () => shards.askRows(partition, question, signal);
      const [answer] = (await ask(question.kind, put)).answers;
      if (answer !== undefined) return answer.partial;
      throw new ProblemError("store_unavailable", `partition ${partition} does not run here now`);
    },
  };
}

function problemOf(error: StoreError): ProblemError {
  if (error.code === "RTA_STORE_NO_ROWS") return new ProblemError("rows_not_kept", error.message);
  if (error.code === "RTA_STORE_MEMORY") {
    const detail = "the question needs more memory than a partition's store has " +
      "(RTA_STORE_MEMORY_MB); use fewer conditions on properties, or group by less";
    return new ProblemError("resources_exceeded", detail, { cause: error });
  }
  return new ProblemError("store_unavailable", undefined, { cause: error });
}
