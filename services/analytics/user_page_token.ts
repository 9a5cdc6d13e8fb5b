/** Tokens of pages about one user: the place of the last thing on a page, which the next is before. */

import type { SessionPlace, UserSession } from "../../lib/query/user/session_table.ts";
import type { EventPlace } from "../../lib/store/event_store.ts";
import { refused } from "./asked_range.ts";
import type { PlacedEvent } from "./merge_user.ts";

const EVENT_TOKEN = /^([0-9a-z]{1,10})-([0-9a-z]{1,4})-([0-9a-z]{1,10})$/;
const SESSION_TOKEN = /^([0-9a-z]{1,10})-([0-9a-z]{1,7})-([0-9a-z]{1,7})$/;
const WORD_MAX = 0xffff_ffff;

/** The token of the page after this event. */
export function eventToken({ partition, event }: PlacedEvent): string {
  return [event.timestampMs, partition, event.seq].map((part) => part.toString(36)).join("-");
}

/** Throws ProblemError. */
export function readEventToken(token: string): EventPlace {
  const [timestampMs, partition, seq] = partsOf(token, EVENT_TOKEN, "page_token");
  return { timestampMs, partition, seq };
}

/** The token of the page after this session. */
export function sessionToken({ startMs, hash: [low, high] }: UserSession): string {
  return [startMs, high, low].map((part) => part.toString(36)).join("-");
}

/** Throws ProblemError. */
export function readSessionToken(token: string): SessionPlace {
  const parameter = "sessions_page_token";
  const [startMs, high, low] = partsOf(token, SESSION_TOKEN, parameter);
  if (high > WORD_MAX || low > WORD_MAX) throw foreignToken(parameter);
  return { startMs, low, high };
}

function partsOf(token: string, form: RegExp, parameter: string): number[] {
  const match = form.exec(token);
  if (match === null) throw foreignToken(parameter);
  return match.slice(1).map((part) => parseInt(part, 36));
}

function foreignToken(parameter: string) {
  const detail = `${parameter} must be the next_${parameter} of an earlier answer`;
  return refused({ parameter, detail });
}
