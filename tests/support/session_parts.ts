/** Events of one user as parts of sessions, each a part of its own, for tests. */
import type { SessionPartChunk } from "../../lib/query/user/session_part.ts";
import { CATEGORY_TRANSACTION, REVENUE_SIGNS } from "../../lib/query/user/transaction.ts";

/** What of an event a part is made of. */
export interface PartEvent {
  readonly seq: number;
  readonly timestampMs: number;
  readonly session: readonly [low: number, high: number];
  readonly type: string;
  /** Default: EVENT_TYPE_CUSTOM. */
  readonly category?: number;
  readonly amount?: number | null;
  /** Default: the session is derived. */
  readonly sessionId?: string | null;
}

/** The parts, in the order of the events. */
export function sessionParts(events: readonly PartEvent[]): SessionPartChunk {
  const types = [...new Set(events.map(({ type }) => type))];
  const seq = Float64Array.from(events, (event) => event.seq);
  const timestampMs = Float64Array.from(events, (event) => event.timestampMs);
  const series = Int32Array.from(events, ({ type }) => types.indexOf(type));
  return {
    count: events.length,
    sessionHash: Uint32Array.from(events.flatMap(({ session }) => session)),
    minSeq: seq,
    maxSeq: seq,
    firstMs: timestampMs,
    lastMs: timestampMs,
    firstSeries: series,
    lastSeries: series,
    events: new Int32Array(events.length).fill(1),
    transactions: Int32Array.from(events, ({ category, type }) => {
      return Number(category === CATEGORY_TRANSACTION || REVENUE_SIGNS.has(type));
    }),
    revenue: Float64Array.from(events, ({ type, amount }) => {
      return (REVENUE_SIGNS.get(type) ?? 0) * (amount ?? 0);
    }),
    sessionId: (part) => events[part].sessionId ?? null,
    types: new Map(types.map((type, id) => [id, type])),
  };
}
