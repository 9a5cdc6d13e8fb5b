/** Answers a question from the rows of one partition: which reading goes with which question. */

import type { RowPartial, RowQuestion } from "../query/row_question.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { answerGroups } from "./answer_groups.ts";
import { answerPaths } from "./answer_paths.ts";
import { answerRetention, answerStickiness } from "./answer_retention.ts";
import { answerFunnel, answerFunnelUsers } from "./answer_funnel.ts";

/**
 * One partition's part of the answer, from what is committed. Rejects with the signal's reason soon
 * after that is aborted, with StoreError when the store fails.
 */
export function answerRows(
  question: RowQuestion,
  store: PartitionStore,
  signal: AbortSignal,
): Promise<RowPartial> {
  switch (question.kind) {
    case "groups":
      return answerGroups(question.plan, store, signal);
    case "known_keys":
      return store.knownKeys(question, signal);
    case "retention":
      return answerRetention(question, store, signal);
    case "paths":
      return answerPaths(question, store, signal);
    case "stickiness":
      return answerStickiness(question, store, signal);
    case "funnel":
      return answerFunnel(question, store, signal);
    case "funnel_users":
      return answerFunnelUsers(question, store, signal);
    case "find_users":
      return store.findUsers(question, signal);
    case "rows_end":
      return store.rowsEnd();
    case "row_lines":
      return store.readLines(question, signal);
    case "row_copy":
      return store.copyRows(question, signal);
  }
}
