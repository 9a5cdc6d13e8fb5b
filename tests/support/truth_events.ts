/**
 * Random sets of events for the truth suite, as clients send them, and what is known of each event
 * once it is stored, found by the plainest means: ids that come again within the window are dropped,
 * sessions that were not given come of inactivity.
 *
 * The sets are made to be awkward: few users and instants, so that ties are the rule; instants at
 * both sides of midnight in UTC and in Berlin, where the clock goes forward on 31 March 2024; late
 * and repeated events; gaps of days; sets without events.
 */
import fc from "fast-check";
import { amountOfProperties, categoryOfType, type PropertyValue } from "../../lib/event/event.ts";
import type { EventView } from "../../lib/query/filter/match_filter.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Events lie in [TRUTH_START_MS, TRUTH_END_MS): two weeks from a Thursday, over a change of clocks. */
export const TRUTH_START_MS = Date.UTC(2024, 2, 21);
export const TRUTH_END_MS = TRUTH_START_MS + 14 * DAY_MS;
/** What the platform is set to for them. */
export const TRUTH_SETTINGS = { dedupWindowMs: HOUR_MS, sessionGapMs: HOUR_MS / 2 } as const;
/** Users are remembered for so long after they were heard of, on top of the gap of sessions. */
const memoryMs = HOUR_MS;

export const TRUTH_TYPES = ["view", "cart", "buy", "refund", "user"] as const;
export const TRUTH_USERS = [
  "ann",
  "bob",
  "cyd",
  "dee",
  "eve",
  "finn",
  "gus",
  "Anna",
  "ann%",
] as const;
/** Properties and what they may hold; "n" and "amount" hold numbers, some of them as texts. */
export const TRUTH_PROPERTIES: Readonly<Record<string, readonly PropertyValue[]>> = {
  country: ["DE", "FR", "de", ""],
  plan: ["free", "pro", true],
  n: [0, 5, "5", 5.5, -1, 1000, "x"],
  "a/b~c": ["it's", 'quo"te'],
};

/** One event as it is sent. */
export interface SentEvent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  /** Ms since the epoch. */
  readonly timestamp: number;
  readonly session_id?: string;
  readonly source?: string;
  readonly amount?: number;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/** Events that come in one request. */
export interface SentBatch {
  /** After the request before, ms. */
  readonly waitMs: number;
  readonly events: readonly SentEvent[];
}

/** One event as stored. */
export interface TruthEvent extends EventView {
  /** Place among all stored events of the set, in the order of their coming. */
  readonly order: number;
}

/** At both sides of what days, hours, sessions and minutes begin with. */
const momentsOfDay = fc.oneof(
  fc.constantFrom(
    0,
    1,
    MINUTE_MS,
    HOUR_MS - 1,
    HOUR_MS,
    9 * HOUR_MS,
    9 * HOUR_MS + 10 * MINUTE_MS,
    9 * HOUR_MS + 40 * MINUTE_MS,
    9 * HOUR_MS + 40 * MINUTE_MS + 1,
    10 * HOUR_MS,
    22 * HOUR_MS - 1,
    22 * HOUR_MS,
    23 * HOUR_MS - 1,
    23 * HOUR_MS,
    DAY_MS - 1,
  ),
  fc.integer({ min: 0, max: DAY_MS - 1 }),
);

/** Instants of the fortnight, many of them the same. */
export const truthInstants: fc.Arbitrary<number> = fc
  .tuple(fc.constantFrom(0, 1, 1, 1, 2, 3, 9, 10, 10, 11, 13), momentsOfDay)
  .map(([day, moment]) => TRUTH_START_MS + day * DAY_MS + moment);

const propertySets = fc.record(
  Object.fromEntries(
    Object.entries(TRUTH_PROPERTIES).map(([key, values]) => [key, fc.constantFrom(...values)]),
  ),
  { requiredKeys: [] },
) as fc.Arbitrary<Record<string, PropertyValue>>;

/** Quarters: their sums are exact in any order. */
const amounts = fc.nat(800).map((quarters) => quarters / 4);

const sentEvents: fc.Arbitrary<SentEvent> = fc.record({
  number: fc.nat(99),
  user_id: fc.constantFrom("ann", "ann", "ann", "bob", "bob", ...TRUTH_USERS),
  event_type: fc.constantFrom("view", "view", "view", ...TRUTH_TYPES),
  timestamp: truthInstants,
  session: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom("s1", "s2") },
  ),
  source: fc.constantFrom(null, null, "web", "app"),
  amount: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: amounts },
  ),
  properties: propertySets,
}).map(({ number, session, source, amount, ...event }) => ({
  ...event,
  // Ids are unique among users: deduplication knows those of a partition, and users lie in one.
  id: `${event.user_id}-${number}`,
  ...(session === null ? {} : { session_id: session }),
  ...(source === null ? {} : { source }),
  ...(amount === null ? {} : { amount }),
}));

const waits = fc.constantFrom(
  0,
  1_000,
  20 * MINUTE_MS,
  HOUR_MS,
  HOUR_MS + 1_000,
  2 * HOUR_MS,
);

const batchesOf = (leastEvents: number, minLength: number) =>
  fc.array(
    fc.record({
      waitMs: waits,
      events: fc.array(sentEvents, { minLength: leastEvents, maxLength: 25, size: "max" }),
    }),
    { minLength, maxLength: 6, size: "max" },
  );

/** Sets of events: up to 6 requests of up to 25 events. Few are small or have nothing at all. */
export const truthSets: fc.Arbitrary<SentBatch[]> = fc.oneof(
  { weight: 1, arbitrary: batchesOf(1, 0) },
  { weight: 5, arbitrary: batchesOf(10, 3) },
);

/** The body of a request, NDJSON. */
export function bodyOf({ events }: SentBatch): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** What is stored when the first request comes in at `startMs`. */
export function storedEvents(batches: readonly SentBatch[], startMs: number): TruthEvent[] {
  const stored: TruthEvent[] = [];
  const seen = new Map<string, number>();
  const sessions = new Sessions();
  let receivedAtMs = startMs;
  for (const { waitMs, events } of batches) {
    receivedAtMs += waitMs;
    const second = Math.floor(receivedAtMs / 1000);
    for (const event of events) {
      const before = seen.get(event.id);
      if (before !== undefined && second - before <= TRUTH_SETTINGS.dedupWindowMs / 1000) continue;
      seen.set(event.id, second);
      const { id, user_id: userId, event_type: type, timestamp, properties } = event;
      stored.push({
        order: stored.length,
        id,
        userId,
        sessionId: event.session_id ?? sessions.sessionOf(userId, timestamp, second),
        type,
        category: categoryOfType(type),
        timestampMs: timestamp,
        receivedAtMs,
        source: event.source ?? null,
        amount: event.amount ?? amountOfProperties(properties),
        properties,
      });
    }
  }
  return stored;
}

/** Sessions that were not given (docs/EVENTS.md). */
class Sessions {
  readonly #users = new Map<string, { session: string; lastMs: number; heard: number }>();

  sessionOf(userId: string, timestampMs: number, second: number): string {
    const gapMs = TRUTH_SETTINGS.sessionGapMs;
    const user = this.#users.get(userId);
    if (user !== undefined && second - user.heard <= (memoryMs + gapMs) / 1000) {
      if (timestampMs < user.lastMs - gapMs) {
        user.heard = second;
        return `${userId} late ${Math.floor(timestampMs / gapMs)}`;
      }
      if (timestampMs <= user.lastMs + gapMs) {
        user.heard = second;
        user.lastMs = Math.max(user.lastMs, timestampMs);
        return user.session;
      }
    }
    const session = `${userId} from ${timestampMs}`;
    this.#users.set(userId, { session, lastMs: timestampMs, heard: second });
    return session;
  }
}

/** Events of [fromMs, toMs) that `keep` lets through. */
export function eventsIn(
  events: readonly TruthEvent[],
  fromMs: number,
  toMs: number,
  keep: (event: TruthEvent) => boolean = () => true,
): TruthEvent[] {
  return events.filter((event) => {
    return event.timestampMs >= fromMs && event.timestampMs < toMs && keep(event);
  });
}
