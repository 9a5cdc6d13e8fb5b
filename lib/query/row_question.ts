/**
 * Questions that only rows can answer. One is planned once, put to every shard by structured clone,
 * answered for each partition (lib/process/answer_rows.ts) and merged where it is asked.
 */

import type { RollupPartial } from "./partial.ts";
import type { RollupPlan, RowGrouping } from "./plan.ts";
import type { PathsPartial, PathsQuestion } from "./paths/paths.ts";
import type { RetentionPartial, RetentionQuestion } from "./retention/retention.ts";
import type { StickinessPartial, StickinessQuestion } from "./retention/stickiness.ts";
import type { FunnelPartial } from "./funnel/funnel_partial.ts";
import type {
  FunnelQuestion,
  FunnelUsersPartial,
  FunnelUsersQuestion,
} from "./funnel/funnel_question.ts";
import type { FoundUser, UserSearch } from "./user/user_search.ts";
import type { WindowQuestions } from "./window_question.ts";

/** Which of some property keys any event of a range has. */
export interface KnownKeysQuestion {
  readonly kind: "known_keys";
  readonly project: string;
  /** [fromMs, toMs), ms since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly keys: readonly string[];
}

/** A plan that rollups can't answer; its partials come without their `completeUntilMs`. */
export interface GroupsQuestion {
  readonly kind: "groups";
  readonly plan: RollupPlan & { readonly rows: RowGrouping };
}

/** The first users of a search. */
export interface FindUsersQuestion extends UserSearch {
  readonly kind: "find_users";
}

/** Each question by its kind, with the part of its answer that one partition gives. */
export interface RowQuestions {
  groups: { question: GroupsQuestion; partial: RollupPartial };
  known_keys: { question: KnownKeysQuestion; partial: readonly string[] };
  retention: { question: RetentionQuestion; partial: RetentionPartial };
  paths: { question: PathsQuestion; partial: PathsPartial };
  stickiness: { question: StickinessQuestion; partial: StickinessPartial };
  funnel: { question: FunnelQuestion; partial: FunnelPartial };
  funnel_users: { question: FunnelUsersQuestion; partial: FunnelUsersPartial };
  find_users: { question: FindUsersQuestion; partial: readonly FoundUser[] };
  rows_end: WindowQuestions["rows_end"];
  row_lines: WindowQuestions["row_lines"];
  row_copy: WindowQuestions["row_copy"];
}

export type RowQuestionKind = keyof RowQuestions;
export type RowQuestion = RowQuestions[RowQuestionKind]["question"];
/** The part that answers a question of type Q. */
export type RowPartialOf<Q extends RowQuestion> = RowQuestions[Q["kind"]]["partial"];
export type RowPartial = RowQuestions[RowQuestionKind]["partial"];

/** What one partition answers. */
export interface RowAnswer<Partial = RowPartial> {
  readonly partition: number;
  readonly partial: Partial;
  /** Everything received before this is among the rows, ms since the epoch. */
  readonly completeUntilMs: number;
}
