/**
 * Random visits of a few users over some weeks, at both sides of midnights and changes of clocks,
 * and what a store makes of them: for tests of questions about who came back.
 */
import fc from "fast-check";
import type { UserPeriods } from "../../lib/store/event_store.ts";
import { AWKWARD_ZONES, type BruteEvent } from "./brute_retention.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The clocks of the zones change on 4, 25 October and 1 November 2026. */
export const VISITS_START_MS = Date.UTC(2026, 8, 28);
const DAYS = 49;

const moments = fc.tuple(
  fc.nat(DAYS - 1),
  fc.nat(47),
  fc.constantFrom(-1, 0, 0, 1, HOUR_MS / 3),
).map(([day, half, off]) => VISITS_START_MS + day * DAY_MS + half * HOUR_MS / 2 + off);

/** Up to 60 events of up to 7 users. */
export const madeVisits: fc.Arbitrary<BruteEvent[]> = fc.array(
  fc.record({
    userId: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
    timestampMs: moments,
    isStart: fc.boolean(),
    isReturn: fc.boolean(),
  }),
  { maxLength: 60, size: "max" },
);

/** A range, a zone and a width of periods; the range is not empty. */
export const madeSpans = fc.record({
  width: fc.constantFrom("day" as const, "week" as const, "month" as const),
  timeZone: fc.constantFrom(...AWKWARD_ZONES),
  fromMs: moments,
  lengthMs: fc.integer({ min: 1, max: DAYS * DAY_MS }),
}).map(({ lengthMs, ...span }) => ({ ...span, toMs: span.fromMs + lengthMs }));

/** The periods of each user by the words of PartitionStore.userPeriods, one event at a time. */
export function periodsOfUsers(
  events: readonly BruteEvent[],
  boundsMs: readonly number[],
  sinceFromMs: number | null,
): UserPeriods {
  const periodOf = (ms: number) => boundsMs.findLastIndex((bound) => bound <= ms);
  const isInside = (ms: number) => ms >= boundsMs[0] && ms < boundsMs[boundsMs.length - 1];
  const firstMs: number[] = [];
  const active: number[] = [];
  for (const own of Map.groupBy(events, (event) => event.userId).values()) {
    const starts = own.filter((event) => event.isStart && event.timestampMs >= (sinceFromMs ?? 0));
    const first = sinceFromMs === null ? 0 : Math.min(...starts.map((event) => event.timestampMs));
    if (sinceFromMs !== null && !isInside(first)) continue;
    const bits = [0, 0];
    for (const { timestampMs, isReturn } of own) {
      if (!isReturn || !isInside(timestampMs) || timestampMs < first) continue;
      const period = periodOf(timestampMs);
      bits[period >> 5] |= 1 << (period & 31);
    }
    if (sinceFromMs === null && bits[0] === 0 && bits[1] === 0) continue;
    firstMs.push(first);
    active.push(...bits);
  }
  return {
    count: firstMs.length,
    firstMs: sinceFromMs === null ? null : Float64Array.from(firstMs),
    active: Uint32Array.from(active),
  };
}
