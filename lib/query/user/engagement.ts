/**
 * A user's engagement score, 0 to 100: how regularly the user comes, how much is done in a session,
 * and how often something is bought.
 *
 *     50 * min(1, days_active / days)
 *     + 30 * min(1, events per session / 10)
 *     + 20 * min(1, transactions / 5)
 */

import { bucketStarts } from "../time_zone.ts";

const REGULARITY = 50;
const DEPTH = 30;
const BUYING = 20;
/** Events per session, and transactions, from which on more of them adds nothing. */
const SESSION_EVENTS_FULL = 10;
const TRANSACTIONS_FULL = 5;

/** What the score is made of, all of one range. */
export interface EngagementParts {
  readonly daysActive: number;
  /** Days that the user could have been active on, at least 1. */
  readonly days: number;
  readonly sessions: number;
  /** Events of these sessions. */
  readonly sessionEvents: number;
  readonly transactions: number;
}

/** The score; 0 for a user who did nothing. */
export function engagementScore(parts: EngagementParts): number {
  const { daysActive, days, sessions, sessionEvents, transactions } = parts;
  const perSession = sessions === 0 ? 0 : sessionEvents / sessions;
  return REGULARITY * Math.min(1, daysActive / days) +
    DEPTH * Math.min(1, perSession / SESSION_EVENTS_FULL) +
    BUYING * Math.min(1, transactions / TRANSACTIONS_FULL);
}

/** Days in the time zone that [fromMs, toMs) meets; at least 1. */
export function daysMet(timeZone: string, fromMs: number, toMs: number): number {
  return Math.max(1, bucketStarts(timeZone, "day", fromMs, toMs, Infinity).length - 1);
}
