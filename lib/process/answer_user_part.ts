/** Answers a question about one user from the rows of one partition. */

import { USER_SESSIONS_MERGED_MAX } from "../config/limits.ts";
import {
  derivedSessionId,
  type SessionPage,
  type SessionTable,
  type UserSession,
} from "../query/user/session_table.ts";
import { UserActivity } from "../query/user/user_activity.ts";
import type { UserHistory } from "../query/user/user_history.ts";
import type {
  EventPlace,
  PartitionStore,
  StoredEvent,
  UserEventsQuery,
} from "../store/event_store.ts";
import type { UserHistories, UserName } from "./user_histories.ts";
import type { ActivityPart, KnownUser, UserQuestion } from "./user_question.ts";

/** All events of a user with so few are read at once, whichever are asked for. */
const FEW_EVENTS = 1_000;

/** Rows near a page that are read to find those on it, in events of the page. */
const NEAR_ROWS_FACTOR = 8;

/** Later than any event time that ingest accepts, ms since the epoch (year 9999). */
const END_OF_TIME_MS = 253_402_300_800_000;

/**
 * What the partition knows of the user, of one state of its rows; null = no event. Rejects with the
 * signal's reason soon after that is aborted, with StoreError when the store fails.
 */
export async function answerUserPart(
  question: UserQuestion,
  user: UserName,
  store: PartitionStore,
  histories: UserHistories,
  signal: AbortSignal,
): Promise<KnownUser | null> {
  const history = await histories.of(store, user, signal);
  if (history.events === 0) return null;
  // All that is read of the history is read before the next wait, but for ids, which never change.
  const { nextSeq, firstSeenMs, lastSeenMs, sessions: table } = history;
  const { fromMs, toMs, sessions } = question;
  const totals = { events: history.events, sessions: table.count, firstSeenMs, lastSeenMs };
  const { limit, before } = sessions ?? { limit: 0, before: null };
  const page = table.page({ fromMs, toMs, before, limit });
  const all = question.allSessions ? table.all().slice(0, USER_SESSIONS_MERGED_MAX + 1) : null;
  const whole = wholeActivity(history, question);
  const reads = eventReads(question, user, store.partition, history);
  const [activity, newest, events] = await Promise.all([
    whole ?? activityInRange(question, user, store, nextSeq, signal),
    reads.newest && store.userEvents(reads.newest, signal),
    reads.page && store.userEvents(reads.page, signal),
    // Sessions of the newest events are named by these.
    lookUpIds(
      page.sessions.filter(({ endMs }) => endMs < reads.sinceMs),
      table,
      user,
      store,
      signal,
    ),
  ]);
  for (const event of [...newest ?? [], ...events ?? []]) noteId(event, table);
  const nameAll = async (sessions: readonly UserSession[]) => {
    await lookUpIds(sessions, table, user, store, signal);
    return sessions.map((session) => ({ ...session, id: table.idOf(session.hash) }));
  };
  const named = await nameAll(page.sessions);
  const allSessions = all && await nameAll(all);
  const sessionPage: SessionPage = { ...page, sessions: named };
  const known = { totals, activity, sessions: sessionPage, allSessions };
  return { ...known, ...eventsOf(question, newest ?? [], events) };
}

/** The activity where the range has all of the user's events, or none; null = it has some. */
function wholeActivity(history: UserHistory, question: UserQuestion): ActivityPart | null {
  const { fromMs, toMs, timeZone } = question;
  const { firstSeenMs, lastSeenMs, activity } = history;
  if (fromMs <= firstSeenMs && toMs > lastSeenMs) return activityPart(activity, timeZone);
  const isOutside = fromMs > lastSeenMs || toMs <= firstSeenMs;
  return isOutside ? { days: [], transactions: 0, revenue: 0 } : null;
}

async function activityInRange(
  { project, fromMs, toMs, timeZone }: UserQuestion,
  { hash }: UserName,
  store: PartitionStore,
  toSeq: number,
  signal: AbortSignal,
): Promise<ActivityPart> {
  const activity = new UserActivity();
  const query = { project, userHash: hash, fromSeq: 0, toSeq, fromMs, toMs };
  await store.sessionParts(query, (parts) => activity.addParts(parts), signal);
  return activityPart(activity, timeZone);
}

function activityPart(activity: UserActivity, timeZone: string): ActivityPart {
  const { transactions, revenue } = activity;
  return { days: activity.activeDays(timeZone), transactions, revenue };
}

/** Looks up the ids of sessions that nobody has asked for before. */
async function lookUpIds(
  sessions: readonly UserSession[],
  table: SessionTable,
  { project, hash }: UserName,
  store: PartitionStore,
  signal: AbortSignal,
): Promise<void> {
  const unnamed = sessions.filter((session) => table.idOf(session.hash) === undefined);
  if (unnamed.length === 0) return;
  const seqs = unnamed.map(({ minSeq }) => minSeq);
  const ids = await store.sessionIds({ project, userHash: hash, seqs }, signal);
  for (const session of unnamed) table.setId(session.hash, ids.get(session.minSeq) ?? null);
}

/** An event tells the id of its session. */
function noteId({ sessionId, sessionHash }: StoredEvent, table: SessionTable): void {
  if (sessionHash === undefined) return;
  const isDerived = sessionId === derivedSessionId(...sessionHash);
  table.setId(sessionHash, isDerived ? null : sessionId);
}

/** Which events are to be read. */
interface EventReads {
  /** The newest ones of all time; null = none. */
  readonly newest: UserEventsQuery | null;
  /** The page that is asked for; null = none, or it is part of the newest. */
  readonly page: UserEventsQuery | null;
  /** Sessions from here on probably have events among the newest, ms since the epoch. */
  readonly sinceMs: number;
}

function eventReads(
  question: UserQuestion,
  { project, userId, hash }: UserName,
  partition: number,
  history: UserHistory,
): EventReads {
  const { fromMs, toMs, events: asked, newest: newestWanted } = question;
  const { nextSeq, lastSeenMs } = history;
  const user = { project, userId, userHash: hash, toSeq: nextSeq };
  const isPart = isPartOfNewest(question, lastSeenMs);
  const limit = Math.max(newestWanted, isPart ? asked!.limit : 0);
  const all = { ...user, fromMs: 0, toMs: END_OF_TIME_MS, limit, before: null };
  const newest = limit === 0 ? null : near(all, history);
  const sinceMs = newest?.near === undefined ? Infinity : newest.fromMs;
  if (asked === null || isPart || fromMs > lastSeenMs) return { newest, page: null, sinceMs };
  const before = asked.before && placeIn(partition, asked.before);
  return { newest, page: near({ ...user, fromMs, toMs, ...asked, before }, history), sinceMs };
}

/** Whether the page that is asked for begins with the newest of all events. */
function isPartOfNewest({ events, toMs }: UserQuestion, lastSeenMs: number): boolean {
  return events !== null && events.before === null && events.filter === null && toMs > lastSeenMs;
}

/** The query, with the places of all that it can find where these are few. */
function near(query: UserEventsQuery, { events, sessions }: UserHistory): UserEventsQuery {
  const { before, limit, filter = null } = query;
  const toMs = before === null ? query.toMs : Math.min(query.toMs, before.timestampMs + 1);
  const places = sessions.newestPlaces({
    fromMs: query.fromMs,
    toMs,
    doubtMs: before === null ? toMs : Math.min(toMs, before.timestampMs),
    // A filter may match none of them.
    limit: filter === null ? limit : Infinity,
    rowsMax: events <= FEW_EVENTS ? FEW_EVENTS : filter === null ? NEAR_ROWS_FACTOR * limit : 0,
  });
  if (places === null) return query;
  const found = { ...query, fromMs: places.fromMs, near: places.ranges };
  return places.areNamed ? { ...found, sessionIdOf: (hash) => sessions.idOf(hash) } : found;
}

function eventsOf(
  question: UserQuestion,
  newest: readonly StoredEvent[],
  page: readonly StoredEvent[] | null,
): { newest: readonly StoredEvent[]; events: readonly StoredEvent[] } {
  const { fromMs, events: asked, newest: newestWanted } = question;
  return { newest: newest.slice(0, newestWanted), events: page ?? partOfNewest() };

  function partOfNewest() {
    if (asked === null) return [];
    return newest.filter(({ timestampMs }) => timestampMs >= fromMs).slice(0, asked.limit);
  }
}

/** What is before a place of any partition, in this one. */
function placeIn(own: number, { timestampMs, partition, seq }: EventPlace) {
  if (own === partition) return { timestampMs, seq };
  return { timestampMs, seq: own < partition ? Number.MAX_SAFE_INTEGER : -1 };
}
