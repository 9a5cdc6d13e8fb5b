/** Answers a question about one user from the rows of one partition. */

import { USER_SESSIONS_MERGED_MAX } from "../config/limits.ts";
import { UserActivity } from "../query/user/user_activity.ts";
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
  const pages = await eventPages(question, user, store, { toSeq: nextSeq, lastSeenMs }, signal);
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
  { toSeq, lastSeenMs }: { readonly toSeq: number; readonly lastSeenMs: number },
  signal: AbortSignal,
): Promise<{ newest: StoredEvent[]; events: StoredEvent[] }> {
  const { fromMs, toMs, events: asked, newest: newestWanted } = question;
  const read = (page: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly limit: number;
    readonly before: EventPlace | null;
    readonly filter: UserEventsFilter;
  }) => {
    const before = page.before && placeIn(store.partition, page.before);
    return store.userEvents({ project, userId, userHash: hash, toSeq, ...page, before }, signal);
  };
  const isNewest = asked !== null && asked.before === null && asked.filter === null &&
    toMs > lastSeenMs;
  const limit = Math.max(newestWanted, isNewest ? asked.limit : 0);
  const all = { fromMs: 0, toMs: END_OF_TIME_MS, limit, before: null, filter: null };
  const newest = limit === 0 ? [] : await read(all);
  const events = isNewest
    ? newest.filter((event) => event.timestampMs >= fromMs).slice(0, asked.limit)
    : asked === null || fromMs > lastSeenMs
    ? []
    : await read({ ...asked, fromMs, toMs });
  return { newest: newest.slice(0, newestWanted), events };
}

type UserEventsFilter = NonNullable<UserQuestion["events"]>["filter"];

/** What is before a place of any partition, in this one. */
function placeIn(own: number, { timestampMs, partition, seq }: EventPlace) {
  if (own === partition) return { timestampMs, seq };
  return { timestampMs, seq: own < partition ? Number.MAX_SAFE_INTEGER : -1 };
}
