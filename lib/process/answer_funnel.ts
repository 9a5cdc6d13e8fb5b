/** Funnels from the rows of one partition: read by user, walked, added up or listed. */

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
import type { PartitionStore } from "../store/event_store.ts";
import {
  breakdownLabels,
  eachFunnelAttempt,
  type FunnelAttempt,
  type FunnelLimits,
} from "./funnel_attempts.ts";
import { TooManyRows } from "./too_many_rows.ts";

/** How many of the partition's users get how far. */
export function answerFunnel(
  { plan }: FunnelQuestion,
  store: PartitionStore,
  signal: AbortSignal,
  limits?: FunnelLimits,
): Promise<FunnelPartial> {
  return withinMemory(troubledPartial, async () => {
    const tally = new FunnelTally(plan);
    const labels = breakdownLabels(plan);
    const add = ({ timesMs, level, mark }: FunnelAttempt) => {
      tally.add(timesMs, level, labels === null ? null : mark);
    };
    await eachFunnelAttempt(store, plan, labels, add, signal, limits);
    return tally.partial(labels?.texts() ?? []);
  });
}

/** The partition's first users after a place of those who got somewhere. */
export function answerFunnelUsers(
  question: FunnelUsersQuestion,
  store: PartitionStore,
  signal: AbortSignal,
  limits?: FunnelLimits,
): Promise<FunnelUsersPartial> {
  const { plan, step, outcome, limit, after } = question;
  const troubled = (trouble: FunnelTrouble): FunnelUsersPartial => ({
    trouble,
    users: [],
    hasMore: false,
  });
  return withinMemory(troubled, async () => {
    // One more than asked for tells whether there are more.
    const first = new FirstUsers(limit + 1);
    const add = ({ low, high, level, timesMs, mark: seq }: FunnelAttempt) => {
      if (level < step || Number.isNaN(timesMs[step])) return;
      if (outcome === "dropped" && level !== step) return;
      const found = { low, high };
      if (after !== null && compareHashes(found, after) <= 0) return;
      const times = timesMs.filter((ms) => !Number.isNaN(ms)).sort();
      first.add({ ...found, seq, startedMs: times[0], endedMs: times.at(-1)!, level });
    };
    await eachFunnelAttempt(store, plan, "seq", add, signal, limits);
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
