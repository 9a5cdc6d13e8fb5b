/**
 * The answer to a search for users, free of any transport: ids that begin with a text, in the order
 * of their bytes in UTF-8, a page at a time. Every partition gives its first ones after the page
 * before, so the first of all of them are whole: no partition has kept back any part of them.
 */

import { USERS_PAGE_DEFAULT } from "../../lib/config/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../../lib/event/text_coding.ts";
import { EXACT } from "../../lib/query/metric.ts";
import type { FoundUser } from "../../lib/query/user/user_search.ts";
import type { UsersJson } from "./answer_json.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { askRows, type Patience, withPatience } from "./ask_rows.ts";
import { askedNow, DEFAULT_RANGE_MS, qualityOf, refused } from "./asked_range.ts";
import { timestampJson } from "./proto_json.ts";

export interface UsersRequest {
  readonly project: string;
  /** "" = all users. */
  readonly prefix: string;
  /** Users on a page, 1 to USERS_PAGE_MAX; null = USERS_PAGE_DEFAULT. */
  readonly limit: number | null;
  /** `next_page_token` of the page before; null = the first page. */
  readonly pageToken: string | null;
  readonly patience: Patience;
}

/** A page of users. Throws ProblemError (invalid_parameter, deadline_exceeded). */
export async function answerUsers(
  { project, prefix, limit, pageToken, patience }: UsersRequest,
  ports: AnalyticsPorts,
): Promise<UsersJson> {
  const asked = askedNow({ startMs: null, endMs: null }, ports, DEFAULT_RANGE_MS, "time_range");
  const after = pageToken === null ? null : readToken(pageToken);
  const pageLimit = limit ?? USERS_PAGE_DEFAULT;
  const { partials, missing, completeUntilMs } = await withPatience(patience, (signal) => {
    const search = { kind: "find_users", project, prefix, after, limit: pageLimit + 1 } as const;
    return askRows(search, ports, signal);
  });
  const users = mergeUsers(partials);
  const page = users.slice(0, pageLimit);
  return {
    users: page.map(({ userId, events, firstSeenMs, lastSeenMs }) => ({
      user_id: userId,
      first_seen: timestampJson(firstSeenMs),
      last_seen: timestampJson(lastSeenMs),
      total_events: events,
    })),
    next_page_token: users.length > pageLimit ? writeToken(page[pageLimit - 1].userId) : "",
    ...qualityOf(asked, { completeUntilMs, missing }, { "users.total_events": EXACT }),
  };
}

/** Users of all partitions in order, those of several partitions as one. */
function mergeUsers(partials: readonly (readonly FoundUser[])[]): FoundUser[] {
  const users = new Map<string, FoundUser>();
  for (const user of partials.flat()) {
    const known = users.get(user.userId);
    users.set(
      user.userId,
      known === undefined ? user : {
        userId: user.userId,
        events: known.events + user.events,
        firstSeenMs: Math.min(known.firstSeenMs, user.firstSeenMs),
        lastSeenMs: Math.max(known.lastSeenMs, user.lastSeenMs),
      },
    );
  }
  return [...users.values()].sort((a, b) => compareBytes(a.userId, b.userId));
}

/** The order of two texts by their bytes in UTF-8, which is that of their code points. */
function compareBytes(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  // Where halves of surrogate pairs differ, the whole characters begin one unit before.
  if (at > 0 && isLowSurrogate(a, at) && isLowSurrogate(b, at)) at--;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

/** The last id of a page, in base64url. */
function writeToken(userId: string): string {
  return encodeUtf8(userId).toBase64({ alphabet: "base64url", omitPadding: true });
}

function readToken(token: string): string {
  try {
    return decodeUtf8(Uint8Array.fromBase64(token, { alphabet: "base64url" }));
  } catch {
    const detail = "page_token must be the next_page_token of an earlier answer";
    throw refused({ parameter: "page_token", detail });
  }
}
