/** Questions about funnels as they are put to shards, and what a partition says of a page of users. */

import type { FunnelTrouble } from "./funnel_partial.ts";
import type { FunnelPlan } from "./plan_funnel.ts";

/** How many users get how far. */
export interface FunnelQuestion {
  readonly kind: "funnel";
  readonly plan: FunnelPlan;
}

/** Who they are, page by page. */
export interface FunnelUsersQuestion {
  readonly kind: "funnel_users";
  readonly plan: FunnelPlan;
  /** Counted from 0. */
  readonly step: number;
  /** Users whose attempt has the step, or those whose attempt ends with it. */
  readonly outcome: FunnelOutcome;
  readonly limit: number;
  /** Only users after this one, by `compareHashes`; null = from the first on. */
  readonly after: UserHash | null;
}

export const FUNNEL_OUTCOMES = ["converted", "dropped"] as const;
export type FunnelOutcome = typeof FUNNEL_OUTCOMES[number];

/** hash64 of project and user id: the order in which users are paged. */
export interface UserHash {
  readonly high: number;
  readonly low: number;
}

/** A user on a page. */
export interface FunnelUser extends UserHash {
  readonly userId: string;
  /** When the attempt that counts began and ended, ms since the epoch. */
  readonly startedMs: number;
  readonly endedMs: number;
  /** The last step of that attempt, counted from 0. */
  readonly level: number;
}

/** The first users after the place, at most `limit`, in order; and whether there are more. */
export interface FunnelUsersPartial {
  readonly trouble: FunnelTrouble | null;
  readonly users: readonly FunnelUser[];
  readonly hasMore: boolean;
}

/** Order of users: by hash, as unsigned 64-bit numbers. */
export function compareHashes(a: UserHash, b: UserHash): number {
  return a.high - b.high || a.low - b.low;
}

/** The first users of all partitions, and whether there are more. */
export function pageOfUsers(
  partials: readonly FunnelUsersPartial[],
  limit: number,
): { readonly users: FunnelUser[]; readonly hasMore: boolean } {
  const users = partials.flatMap((partial) => partial.users).sort(compareHashes);
  return {
    users: users.slice(0, limit),
    hasMore: users.length > limit || partials.some(({ hasMore }) => hasMore),
  };
}
