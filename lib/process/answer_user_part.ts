/** Answers a question about one user from the rows of one partition. */

import { USER_SESSIONS_MERGED_MAX } from "../config/limits.ts";
import { UserActivity } from "../query/user/user_activity.ts";
import { NEWEST_ROWS_MAX, type RowPlace } from "../query/user/newest_rows.ts";
import type { UserHistory } from "../query/user/user_history.ts";
import type { EventPlace, PartitionStore, StoredEvent } from "../store/event_store.ts";
import type { UserHistories, UserName } from "./user_histories.ts";
import type { ActivityPart, KnownUser, UserQuestion } from "./user_question.ts";

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
  const history = await histories.of(user, signal);
  if (history.events === 0) return null;
  // All that is read of the history is read before the next wait.
  const { nextSeq, firstSeenMs, lastSeenMs } = history;
  const places = history.newest.all().slice();
  const { fromMs, toMs, sessions } = question;
  const totals = {
    events: history.events,
    sessions: history.sessions.count,
    firstSeenMs,
    lastSeenMs,
  };
  const { limit, before } = sessions ?? { limit: 0, before: null };
  const sessionPage = history.sessions.page({ fromMs, toMs, before, limit });
  const allSessions = question.allSessions
    ? history.sessions.all().slice(0, USER_SESSIONS_MERGED_MAX + 1)
    : null;
  const activity = wholeActivity(history, question) ??
    await activityInRange(question, user, store, nextSeq, signal);
  const pages = await eventPages(question, user, store, { nextSeq, lastSeenMs, places }, signal);
  return { totals, activity, sessions: sessionPage, allSessions, ...pages };
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
  await store.userRows(query, (rows) => activity.addRows(rows), signal);
  return activityPart(activity, timeZone);
}

function activityPart(activity: UserActivity, timeZone: string): ActivityPart {
  const { transactions, revenue } = activity;
  return { days: activity.activeDays(timeZone), transactions, revenue };
}

/** The newest events of all time and the page that is asked for: often one is part of the other. */
async function eventPages(
  question: UserQuestion,
  { project, userId, hash }: UserName,
  store: PartitionStore,
  known: Pick<UserHistory, "nextSeq" | "lastSeenMs"> & { readonly places: readonly RowPlace[] },
  signal: AbortSignal,
): Promise<{ newest: StoredEvent[]; events: StoredEvent[] }> {
  const { fromMs, toMs, events: asked, newest: newestWanted } = question;
  const user = { project, userId, userHash: hash };
  const isNewest = asked !== null && asked.before === null && asked.filter === null &&
    toMs > known.lastSeenMs;
  const limit = Math.max(newestWanted, isNewest ? asked.limit : 0);
  const newest = limit === 0
    ? []
    : await store.userEvents({ ...user, ...newestQuery(limit, known) }, signal);
  let events: StoredEvent[] = [];
  if (isNewest) {
    events = newest.filter((event) => event.timestampMs >= fromMs).slice(0, asked.limit);
  } else if (asked !== null && fromMs <= known.lastSeenMs) {
    const before = asked.before && placeIn(store.partition, asked.before);
    const page = { ...user, fromMs, toMs, toSeq: known.nextSeq, ...asked, before };
    events = await store.userEvents(page, signal);
  }
  return { newest: newest.slice(0, newestWanted), events };
}

/** The newest rows: where their places are known, those alone. */
function newestQuery(
  limit: number,
  { nextSeq, places: known }: { readonly nextSeq: number; readonly places: readonly RowPlace[] },
) {
  const all = { fromMs: 0, toMs: END_OF_TIME_MS, toSeq: nextSeq, limit, before: null };
  // Fewer than it keeps are all there are.
  if (limit > known.length && known.length === NEWEST_ROWS_MAX) return all;
  const places = known.slice(0, limit), seqs = places.map(({ seq }) => seq);
  return {
    ...all,
    fromMs: places[places.length - 1].timestampMs,
    toMs: places[0].timestampMs + 1,
    fromSeq: Math.min(...seqs),
    toSeq: Math.max(...seqs) + 1,
    isNarrow: true,
  };
}

/** What is before a place of any partition, in this one. */
function placeIn(own: number, { timestampMs, partition, seq }: EventPlace) {
  if (own === partition) return { timestampMs, seq };
  return { timestampMs, seq: own < partition ? Number.MAX_SAFE_INTEGER : -1 };
}
