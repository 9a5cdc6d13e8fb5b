/**
 * What several partitions know of one user, as one: a user lies in one partition unless other
 * producers place events by other keys, or partitions were added. Events of equal times are in the
 * order of their partitions, then of their places in them.
 */

import { USER_SESSIONS_MERGED_MAX } from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type {
  ActivityPart,
  KnownUser,
  UserPart,
  UserQuestion,
  UserTotals,
} from "../../lib/process/user_question.ts";
import { type SessionPage, SessionTable } from "../../lib/query/user/session_table.ts";
import type { StoredEvent } from "../../lib/store/event_store.ts";

/** An event and the partition it was found in. */
export interface PlacedEvent {
  readonly partition: number;
  readonly event: StoredEvent;
}

/** What is known of a user. */
export interface MergedUser {
  readonly totals: UserTotals;
  readonly activity: ActivityPart;
  readonly sessions: SessionPage;
  /** Newest first, as many as were asked for. */
  readonly newest: readonly PlacedEvent[];
  readonly events: readonly PlacedEvent[];
}

interface KnownPart extends UserPart {
  readonly known: KnownUser;
}

/** The parts of partitions that have events of the user. */
export function knownParts(parts: readonly UserPart[]): KnownPart[] {
  return parts.filter((part): part is KnownPart => part.known !== null);
}

/**
 * Merges at least one part. Several must have all sessions, since one session may have events in
 * each of them. Throws ProblemError when there are too many sessions for that.
 */
export function mergeUser(parts: readonly KnownPart[], question: UserQuestion): MergedUser {
  const { newest, events } = question;
  const pages = {
    newest: newestFirst(parts, "newest").slice(0, newest),
    events: newestFirst(parts, "events").slice(0, events?.limit ?? 0),
  };
  if (parts.length === 1) {
    const { totals, activity, sessions } = parts[0].known;
    return { totals, activity, sessions, ...pages };
  }
  const table = mergeSessions(parts);
  const { fromMs, toMs, sessions } = question;
  const { limit, before } = sessions ?? { limit: 0, before: null };
  return {
    totals: { ...sumTotals(parts), sessions: table.count },
    activity: sumActivity(parts),
    sessions: table.page({ fromMs, toMs, before, limit }),
    ...pages,
  };
}

function mergeSessions(parts: readonly KnownPart[]): SessionTable {
  const table = new SessionTable();
  // Of events of equal times, those of lower partitions come first.
  const inOrder = parts.toSorted((a, b) => a.partition - b.partition);
  for (const { partition, known: { allSessions } } of inOrder) {
    if (allSessions === null) throw new Error("sessions of several partitions without all of them");
    if (allSessions.length > USER_SESSIONS_MERGED_MAX) {
      const detail = `the user has more than ${USER_SESSIONS_MERGED_MAX} sessions in partition ` +
        `${partition} and events in others: too many to be told apart`;
      throw new ProblemError("invalid_parameter", detail, { field: "user_id" });
    }
    for (const session of allSessions) table.merge(session);
  }
  return table;
}

function sumTotals(parts: readonly KnownPart[]): Omit<UserTotals, "sessions"> {
  const totals = parts.map(({ known }) => known.totals);
  return {
    events: totals.reduce((sum, { events }) => sum + events, 0),
    firstSeenMs: Math.min(...totals.map(({ firstSeenMs }) => firstSeenMs)),
    lastSeenMs: Math.max(...totals.map(({ lastSeenMs }) => lastSeenMs)),
  };
}

function sumActivity(parts: readonly KnownPart[]): ActivityPart {
  const activities = parts.map(({ known }) => known.activity);
  return {
    days: [...new Set(activities.flatMap(({ days }) => days))].sort((a, b) => a - b),
    transactions: activities.reduce((sum, { transactions }) => sum + transactions, 0),
    revenue: activities.reduce((sum, { revenue }) => sum + revenue, 0),
  };
}

function newestFirst(parts: readonly KnownPart[], list: "newest" | "events"): PlacedEvent[] {
  const events = parts.flatMap(({ partition, known }) => (
    known[list].map((event) => ({ partition, event }))
  ));
  if (parts.length < 2) return events;
  return events.sort((a, b) =>
    b.event.timestampMs - a.event.timestampMs || b.partition - a.partition ||
    b.event.seq - a.event.seq
  );
}
