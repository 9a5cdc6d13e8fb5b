/** A question about one user, as it is put to every partition, and what a partition answers. */

import type { Filter } from "../query/filter/filter.ts";
import type { SessionPage, SessionPlace, UserSession } from "../query/user/session_table.ts";
import type { EventPlace, StoredEvent } from "../store/event_store.ts";

/** A page of events, newest first. */
export interface UserEventsAsked {
  readonly limit: number;
  readonly before: EventPlace | null;
  /** null = all. */
  readonly filter: Filter | null;
}

/** A page of sessions, newest first. */
export interface UserSessionsAsked {
  readonly limit: number;
  readonly before: SessionPlace | null;
}

export interface UserQuestion {
  readonly project: string;
  readonly userId: string;
  /** [fromMs, toMs): of events and activity by their time, of sessions by their start. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the days of the activity; IANA name. */
  readonly timeZone: string;
  /** null = none. */
  readonly events: UserEventsAsked | null;
  readonly sessions: UserSessionsAsked | null;
  /** How many of the newest events of all time are wanted, for their properties. */
  readonly newest: number;
  /** Whether all sessions of all time are wanted, to be merged with those of other partitions. */
  readonly allSessions: boolean;
}

/** Over all of a user's events in one partition. */
export interface UserTotals {
  readonly events: number;
  readonly sessions: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

/** In the range of the question. */
export interface ActivityPart {
  /** Starts of the days with an event, ascending, ms since the epoch. */
  readonly days: readonly number[];
  readonly transactions: number;
  readonly revenue: number;
}

/** What a partition knows of a user who has events there. */
export interface KnownUser {
  readonly totals: UserTotals;
  readonly activity: ActivityPart;
  readonly sessions: SessionPage;
  /** null unless asked for; more than USER_SESSIONS_MERGED_MAX are cut off there. */
  readonly allSessions: readonly UserSession[] | null;
  /** The newest events of all time, and the page that was asked for. */
  readonly newest: readonly StoredEvent[];
  readonly events: readonly StoredEvent[];
}

/** What one partition answers; `known` is null where the user has no event. */
export interface UserPart {
  readonly partition: number;
  readonly known: KnownUser | null;
  /** Everything received before this is among the rows, ms since the epoch. */
  readonly completeUntilMs: number;
}
