/** Funnels from the rows of one partition: read by user, walked, added up or listed. */

import { FUNNEL_VALUES_MAX } from "../config/limits.ts";
import {
  type FunnelPartial,
  FunnelTally,
  type FunnelTrouble,
  troubledPartial,
} from "../query/funnel/funnel_partial.ts";
import {
  compareHashes,
  type FunnelQuestion,
  type FunnelUser,
  type FunnelUsersPartial,
  type FunnelUsersQuestion,
  type UserHash,
} from "../query/funnel/funnel_question.ts";
import { funnelWalk } from "../query/funnel/funnel_walk.ts";
import { funnelMatches, type FunnelPlan } from "../query/funnel/plan_funnel.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { TooManyRows, userRows, type UserRowsLimits, type UserRowsQuery } from "./user_rows.ts";

/** How many of the partition's users get how far. */
export function answerFunnel(
  { plan }: FunnelQuestion,
  store: PartitionStore,
  signal: AbortSignal,
  limits?: UserRowsLimits,
): Promise<FunnelPartial> {
  return withinMemory(troubledPartial, async () => {
    const walk = funnelWalk(plan);
    const tally = new FunnelTally(plan);
    let labels: readonly string[] = [];
    for await (const piece of userRows(store, rowsOf(plan), signal, limits)) {
      const { userStart, timestampMs, match, label } = piece;
      for (let user = piece.fromUser; user < piece.toUser; user++) {
        const level = walk.walk(timestampMs, match, userStart[user], userStart[user + 1]);
        if (level >= 0) tally.add(walk.rows, level, timestampMs, label);
      }
      labels = piece.labels;
    }
    return tally.partial(labels);
  });
}

/** The partition's first users after a place of those who got somewhere. */
export function answerFunnelUsers(
  question: FunnelUsersQuestion,
  store: PartitionStore,
  signal: AbortSignal,
  limits?: UserRowsLimits,
): Promise<FunnelUsersPartial> {
  const { plan, step, outcome, limit, after } = question;
  const troubled = (trouble: FunnelTrouble): FunnelUsersPartial => ({
    trouble,
    users: [],
    hasMore: false,
  });
  return withinMemory(troubled, async () => {
    const walk = funnelWalk(plan);
    // One more than asked for tells whether there are more.
    const first = new FirstUsers(limit + 1);
    const query: UserRowsQuery = { ...rowsOf(plan), label: undefined, columns: ["seq"] };
    for await (const piece of userRows(store, query, signal, limits)) {
      const { userStart, userHash, timestampMs, match, seq } = piece;
      for (let user = piece.fromUser; user < piece.toUser; user++) {
        const level = walk.walk(timestampMs, match, userStart[user], userStart[user + 1]);
        if (level < step || walk.rows[step] < 0) continue;
        if (outcome === "dropped" && level !== step) continue;
        const found = { low: userHash[2 * user], high: userHash[2 * user + 1] };
        if (after !== null && compareHashes(found, after) <= 0) continue;
        const rows = walk.rows.filter((row) => row >= 0).sort();
        first.add({
          ...found,
          seq: seq![rows[0]],
          startedMs: timestampMs[rows[0]],
          endedMs: timestampMs[rows.at(-1)!],
          level,
        });
      }
    }
    const users = first.sorted();
    const page = users.slice(0, limit);
    const ids = await store.userIdsOf(page.map(({ seq }) => seq), signal);
    return {
      trouble: null,
      users: page.map(({ seq: _, ...user }, i): FunnelUser => ({ ...user, userId: ids[i] })),
      hasMore: users.length > limit,
    };
  });
}

/** The rows that a funnel walks over. */
function rowsOf(plan: FunnelPlan): UserRowsQuery {
  const { project, fromMs, toMs, filter, breakdown, steps } = plan;
  return {
    project,
    fromMs,
    toMs,
    filter,
    matches: funnelMatches(plan),
    // Any event of the user stands between two strict steps.
    keepsUnmatched: plan.order === "strict",
    columns: [],
    label: breakdown === null
      ? undefined
      : { subject: breakdown, of: steps[0].filter, max: FUNNEL_VALUES_MAX },
  };
}

async function withinMemory<T>(
  troubled: (trouble: FunnelTrouble) => T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TooManyRows) return troubled(error.what);
    throw error;
  }
}

interface FoundUser extends UserHash {
  /** Of one of the user's rows. */
  readonly seq: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly level: number;
}

/** The first `most` users by hash of all that are added. */
class FirstUsers {
  readonly #most: number;
  #users: FoundUser[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(user: FoundUser): void {
    this.#users.push(user);
    if (this.#users.length >= 4 * this.#most) this.#users = this.sorted();
  }

  sorted(): FoundUser[] {
    return this.#users.sort(compareHashes).slice(0, this.#most);
  }
}
