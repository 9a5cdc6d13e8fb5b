/**
 * The answer to a question about one user, free of any transport: profile over all time, and of the
 * asked range sessions, events and metrics. What each of them is made of: docs/ANALYTICS.md.
 */

import {
  USER_ATTRIBUTE_EVENTS_DEFAULT,
  USER_ATTRIBUTES_MAX,
  USER_EVENTS_PAGE_DEFAULT,
  USER_SESSIONS_PAGE_DEFAULT,
} from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { UserQuestion } from "../../lib/process/user_question.ts";
import { type Filter, propertyKeys } from "../../lib/query/filter/filter.ts";
import { EXACT, OF_NEWEST_EVENTS } from "../../lib/query/metric.ts";
import { timeZoneName } from "../../lib/query/time_zone.ts";
import { daysMet, engagementScore } from "../../lib/query/user/engagement.ts";
import { derivedSessionId, type UserSession } from "../../lib/query/user/session_table.ts";
import type { SessionJson, UserJson, UserMetricsJson } from "./answer_json.ts";
import type { AnalyticsPorts, UserParts } from "./answer_query.ts";
import { notesOnKeys, type Patience, withPatience } from "./ask_rows.ts";
import {
  type Asked,
  askedNow,
  DEFAULT_RANGE_MS,
  qualityOf,
  rangeJson,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import { eventJson } from "./event_json.ts";
import { knownParts, type MergedUser, mergeUser } from "./merge_user.ts";
import { durationJson, timestampJson } from "./proto_json.ts";
import { userAttributes } from "./user_attributes.ts";
import { eventToken, readEventToken, readSessionToken, sessionToken } from "./user_page_token.ts";

const SECOND_MS = 1_000;

export interface UserRequest {
  readonly project: string;
  readonly userId: string;
  readonly range: RequestedRange;
  /** IANA name; null = UTC. */
  readonly timeZone: string | null;
  readonly includeEvents: boolean;
  /** Of the events; null = all. */
  readonly filter: Filter | null;
  /** Events on a page, 1 to USER_EVENTS_PAGE_MAX; null = USER_EVENTS_PAGE_DEFAULT. */
  readonly limit: number | null;
  /** `next_page_token` of the page before; null = the first page. */
  readonly pageToken: string | null;
  readonly includeSessions: boolean;
  /** Sessions on a page, 1 to USER_SESSIONS_PAGE_MAX; null = USER_SESSIONS_PAGE_DEFAULT. */
  readonly sessionsLimit: number | null;
  /** `next_sessions_page_token` of the page before; null = the first page. */
  readonly sessionsPageToken: string | null;
  /** Events that attributes are read from; null = USER_ATTRIBUTE_EVENTS_DEFAULT. */
  readonly attributeEvents: number | null;
  readonly patience: Patience;
}

/** `analytics.v1` GetUserAnalyticsResponse. Throws ProblemError (invalid_parameter, not_found). */
export async function answerUser(request: UserRequest, ports: AnalyticsPorts): Promise<UserJson> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const question = questionOf(request, asked);
  return await withPatience(request.patience, async (signal) => {
    const { user, completeUntilMs, missing } = await askUser(question, ports, signal);
    const answer = userJson(user, question, asked);
    const range = { project: request.project, startMs: asked.startMs, endMs: asked.endMs };
    if (answer.events.length === 0 && question.events?.before === null) {
      const keys = propertyKeys(request.filter);
      answer.notes.push(...await notesOnKeys(keys, range, ports, signal));
    }
    const quality = qualityOf(asked, { completeUntilMs, missing }, accuracyOf(user, question));
    return { ...answer, ...quality };
  });
}

function questionOf(request: UserRequest, { startMs, endMs }: Asked): UserQuestion {
  const { includeEvents, includeSessions, filter, pageToken, sessionsPageToken } = request;
  const timeZone = timeZoneName(request.timeZone ?? "UTC");
  if (timeZone === null) {
    throw refused({
      parameter: "tz",
      detail: "tz must be an IANA time zone such as Europe/Berlin",
    });
  }
  if (filter !== null && !includeEvents) {
    const detail = "conditions choose among the events: ask for them with include_events=true";
    throw refused({ parameter: "include_events", detail });
  }
  return {
    project: request.project,
    userId: request.userId,
    fromMs: startMs,
    toMs: endMs,
    timeZone,
    // One more than a page shows whether another page follows.
    events: includeEvents
      ? {
        limit: (request.limit ?? USER_EVENTS_PAGE_DEFAULT) + 1,
        before: pageToken === null ? null : readEventToken(pageToken),
        filter,
      }
      : null,
    sessions: includeSessions
      ? {
        limit: (request.sessionsLimit ?? USER_SESSIONS_PAGE_DEFAULT) + 1,
        before: sessionsPageToken === null ? null : readSessionToken(sessionsPageToken),
      }
      : null,
    newest: request.attributeEvents ?? USER_ATTRIBUTE_EVENTS_DEFAULT,
    allSessions: false,
  };
}

/** Asks once, or where several partitions know the user once more, for all that has to be merged. */
async function askUser(question: UserQuestion, ports: AnalyticsPorts, signal: AbortSignal) {
  let asked: UserParts = await ports.askUser(question, signal);
  if (knownParts(asked.answers).length > 1) {
    asked = await ports.askUser({ ...question, allSessions: true }, signal);
  }
  const parts = knownParts(asked.answers);
  const { missing } = asked;
  if (parts.length === 0) {
    if (missing.length === 0) {
      throw new ProblemError("not_found", "no event of this user is stored");
    }
    const where = `partitions ${missing.join(", ")} are not open in this process`;
    throw new ProblemError("store_unavailable", `${where}, and may have this user's events`);
  }
  const completeUntilMs = Math.min(...asked.answers.map((answer) => answer.completeUntilMs));
  return { user: mergeUser(parts, question), completeUntilMs, missing };
}

/** The answer but for how complete and exact it is. */
function userJson(user: MergedUser, question: UserQuestion, asked: Asked) {
  const { totals, sessions, events } = user;
  const attributes = userAttributes(user.newest);
  const [eventPage, nextEvent] = pageOf(events, question.events?.limit, eventToken);
  const [sessionPage, nextSession] = pageOf(
    sessions.sessions,
    question.sessions?.limit,
    sessionToken,
  );
  const notes: string[] = [];
  if (attributes.areCut) {
    notes.push(`only the ${USER_ATTRIBUTES_MAX} attributes that were set last are given`);
  }
  return {
    user_profile: {
      user_id: question.userId,
      first_seen: timestampJson(totals.firstSeenMs),
      last_seen: timestampJson(totals.lastSeenMs),
      total_sessions: totals.sessions,
      total_events: totals.events,
      attributes: attributes.values,
      attribute_events: user.newest.length,
    },
    sessions: sessionPage.map(sessionJson),
    events: eventPage.map(({ event }) => eventJson(event)),
    metrics: metricsJson(user, question, asked),
    next_page_token: nextEvent,
    next_sessions_page_token: nextSession,
    time_range: rangeJson(asked),
    time_zone: question.timeZone,
    notes,
  };
}

/** What is on a page that was asked for with one more than it has room for, and the next token. */
function pageOf<Each>(
  found: readonly Each[],
  limit: number | undefined,
  tokenOf: (last: Each) => string,
): [page: readonly Each[], token: string] {
  if (limit === undefined || found.length < limit) return [found, ""];
  const page = found.slice(0, limit - 1);
  return [page, tokenOf(page[page.length - 1])];
}

function sessionJson(session: UserSession): SessionJson {
  const { hash, id, startMs, endMs, entryType, exitType, events } = session;
  return {
    session_id: id ?? derivedSessionId(...hash),
    start_time: timestampJson(startMs),
    end_time: timestampJson(endMs),
    event_count: events,
    duration: durationJson(endMs - startMs),
    properties: {},
    entry_type: entryType,
    exit_type: exitType,
  };
}

function metricsJson(
  { totals, activity, sessions }: MergedUser,
  { timeZone }: UserQuestion,
  { startMs, endMs, atMs }: Asked,
): UserMetricsJson {
  const { days, transactions, revenue } = activity;
  // Days before the user was known, and those to come, are not held against the user.
  const knownMs = Math.max(startMs, totals.firstSeenMs);
  const daysInRange = daysMet(timeZone, knownMs, Math.min(endMs, atMs));
  const averageMs = sessions.count === 0 ? 0 : sessions.durationMs / sessions.count;
  return {
    engagement_score: engagementScore({
      daysActive: days.length,
      days: daysInRange,
      sessions: sessions.count,
      sessionEvents: sessions.events,
      transactions,
    }),
    days_active: days.length,
    avg_session_duration: averageMs / SECOND_MS,
    total_transactions: transactions,
    total_revenue: revenue,
    sessions: sessions.count,
    days_in_range: daysInRange,
  };
}

function accuracyOf({ totals, newest }: MergedUser, question: UserQuestion) {
  const all = newest.length === totals.events || newest.length < question.newest;
  return {
    "user_profile.total_sessions": EXACT,
    "user_profile.total_events": EXACT,
    "user_profile.attributes": all ? EXACT : OF_NEWEST_EVENTS,
    metrics: EXACT,
  };
}
