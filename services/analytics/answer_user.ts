/**
 * The answer to a question about one user, free of any transport: totals over all time, and a page
 * of the events in the range, newest first. The user's events may lie in several partitions.
 */

import { USER_EVENTS_PAGE_DEFAULT } from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { EXACT } from "../../lib/query/metric.ts";
import type { EventPlace, StoredEvent, UserTotals } from "../../lib/store/event_store.ts";
import type { UserJson } from "./answer_json.ts";
import type { AnalyticsPorts, UserPartial } from "./answer_query.ts";
import {
  askedNow,
  DEFAULT_RANGE_MS,
  qualityOf,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import { eventJson } from "./event_json.ts";
import { timestampJson } from "./proto_json.ts";

export interface UserRequest {
  readonly project: string;
  readonly userId: string;
  readonly range: RequestedRange;
  readonly includeEvents: boolean;
  /** Events on a page, 1 to USER_EVENTS_PAGE_MAX; null = USER_EVENTS_PAGE_DEFAULT. */
  readonly limit: number | null;
  /** `next_page_token` of the page before; null = the first page. */
  readonly pageToken: string | null;
}

/** `analytics.v1` GetUserAnalyticsResponse. Throws ProblemError (invalid_parameter, not_found). */
export async function answerUser(request: UserRequest, ports: AnalyticsPorts): Promise<UserJson> {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const pageLimit = request.includeEvents ? request.limit ?? USER_EVENTS_PAGE_DEFAULT : 0;
  const { answers, missing } = await ports.askUser({
    project: request.project,
    userId: request.userId,
    fromMs: asked.startMs,
    toMs: asked.endMs,
    // One more than the page shows whether another page follows.
    limit: pageLimit === 0 ? 0 : pageLimit + 1,
    before: request.pageToken === null ? null : readPageToken(request.pageToken),
  });
  const totals = sumTotals(answers);
  if (totals === null) {
    if (missing.length === 0) {
      throw new ProblemError("not_found", "no event of this user is stored");
    }
    const where = `partitions ${missing.join(", ")} are not open in this process`;
    throw new ProblemError("store_unavailable", `${where}, and may have this user's events`);
  }
  const completeUntilMs = Math.min(...answers.map((answer) => answer.completeUntilMs));
  const events = newestFirst(answers);
  const page = events.slice(0, pageLimit);
  const last = page.at(-1);
  return {
    user_profile: {
      user_id: request.userId,
      first_seen: timestampJson(totals.firstSeenMs),
      last_seen: timestampJson(totals.lastSeenMs),
      total_sessions: totals.sessions,
      total_events: totals.events,
      attributes: {},
    },
    sessions: [],
    events: page.map(({ event }) => eventJson(event)),
    next_page_token: last !== undefined && events.length > pageLimit ? writePageToken(last) : "",
    ...qualityOf(asked, { completeUntilMs, missing }, {
      "user_profile.total_sessions": EXACT,
      "user_profile.total_events": EXACT,
    }),
  };
}

/** The user's totals over all partitions; null = no event anywhere. */
function sumTotals(answers: readonly UserPartial[]): UserTotals | null {
  return answers.reduce<UserTotals | null>((sum, { totals }) => {
    if (sum === null || totals === null) return sum ?? totals;
    return {
      events: sum.events + totals.events,
      sessions: sum.sessions + totals.sessions,
      firstSeenMs: Math.min(sum.firstSeenMs, totals.firstSeenMs),
      lastSeenMs: Math.max(sum.lastSeenMs, totals.lastSeenMs),
    };
  }, null);
}

/** An event and the partition it was found in. */
interface PlacedEvent {
  readonly partition: number;
  readonly event: StoredEvent;
}

/** The events of all partitions: by time, then partition, then place in it, the highest first. */
function newestFirst(answers: readonly UserPartial[]): PlacedEvent[] {
  const events = answers.flatMap(({ partition, events }) => (
    events.map((event) => ({ partition, event }))
  ));
  if (answers.length < 2) return events;
  return events.sort((a, b) =>
    b.event.timestampMs - a.event.timestampMs || b.partition - a.partition ||
    b.event.seq - a.event.seq
  );
}

/** The place of an event in newest-first order: what the next page is before. */
function writePageToken({ partition, event }: PlacedEvent): string {
  return [event.timestampMs, partition, event.seq].map((part) => part.toString(36)).join("-");
}

function readPageToken(token: string): EventPlace {
  const match = /^([0-9a-z]{1,10})-([0-9a-z]{1,4})-([0-9a-z]{1,10})$/.exec(token);
  if (match === null) {
    const detail = "page_token must be the next_page_token of an earlier answer";
    throw refused({ parameter: "page_token", detail });
  }
  const [timestampMs, partition, seq] = match.slice(1).map((part) => parseInt(part, 36));
  return { timestampMs, partition, seq };
}
