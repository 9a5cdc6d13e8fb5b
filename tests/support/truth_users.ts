/** Truth of questions about one user, and of the search for users: worked out from the events. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  answerTo,
  type Asker,
  assertClose,
  comparable,
  rangeParameters,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { TRUTH_TYPES, TRUTH_USERS, type TruthEvent } from "./truth_events.ts";
import { isOfTypeNamed, matchesAll, type SentFilter, truthFilters } from "./truth_filters.ts";
import { TRUTH_ZONES } from "./truth_rollups.ts";

const DAY_MS = 86_400_000;
const PURCHASES = ["purchase", "subscription"];
const TRANSACTIONS = [...PURCHASES, "refund", "transfer"];

interface UserQuestion {
  readonly user: string;
  readonly range: TruthRange;
  readonly zone: string;
  readonly types: readonly string[];
  readonly filters: readonly SentFilter[];
  readonly limit: number;
  readonly sessionsLimit: number;
  readonly attributeEvents: number;
}

const userIds = fc.constantFrom("ann", "ann", "ann", "bob", "bob", ...TRUTH_USERS, "nobody");

export const userCase: TruthCase<UserQuestion> = {
  kind: "user",
  questions: fc.record({
    user: userIds,
    range: truthRanges,
    zone: fc.constantFrom(...TRUTH_ZONES),
    types: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.subarray([...TRUTH_TYPES, "EVENT_TYPE_USER"], { minLength: 1 }) },
    ),
    filters: truthFilters,
    limit: fc.constantFrom(2, 5, 1_000, 1_000),
    sessionsLimit: fc.constantFrom(1, 3, 1_000, 1_000),
    attributeEvents: fc.constantFrom(0, 1, 3, 100, 1_000),
  }),
  async hold(question, events, ask) {
    const own = events.filter(({ userId }) => userId === question.user).toSorted(newestFirst);
    if (own.length === 0) {
      const { status } = await ask({ path: pathOf(question, {}) });
      assert.equal(status, 404);
      return null;
    }
    const answer = await answerTo(ask, { path: pathOf(question, {}) });
    holdProfile(answer, own, question);
    holdMetrics(answer.metrics, own, question);
    const asked = await allPages(ask, question, "events", "next_page_token", "page_token");
    holdEvents(asked, own, question);
    const sessions = await allPages(
      ask,
      question,
      "sessions",
      "next_sessions_page_token",
      "sessions_page_token",
    );
    holdSessions(sessions, sessionsOf(own, question.range));
    return comparable({ answer, asked, sessions });
  },
};

interface SearchQuestion {
  readonly prefix: string;
  readonly limit: number;
}

export const userSearchCase: TruthCase<SearchQuestion> = {
  kind: "user search",
  questions: fc.record({
    prefix: fc.constantFrom("", "", "a", "an", "ann", "Ann", "ann%", "e", "nobody", "%", "_"),
    limit: fc.constantFrom(1, 3, 1_000),
  }),
  async hold({ prefix, limit }, events, ask) {
    const found: unknown[] = [];
    let token = "";
    do {
      const query = new URLSearchParams({ prefix, limit: String(limit), page_token: token });
      // Its range ends now, which here is later than the shards' own clocks: not complete.
      const { status, body: answer } = await ask({ path: `/v1/analytics/users?${query}` });
      assert.equal(status, 200, JSON.stringify(answer));
      assert.ok(answer.users.length <= limit);
      found.push(...answer.users);
      token = answer.next_page_token;
    } while (token !== "");
    const users = Map.groupBy(events, ({ userId }) => userId);
    const expected = [...users.keys()].filter((user) => user.startsWith(prefix)).sort();
    assert.deepEqual(
      found,
      expected.map((user) => {
        const times = users.get(user)!.map(({ timestampMs }) => timestampMs);
        return {
          user_id: user,
          first_seen: timeOf(Math.min(...times)),
          last_seen: timeOf(Math.max(...times)),
          total_events: times.length,
        };
      }),
    );
    return found;
  },
};

function pathOf(question: UserQuestion, more: Record<string, string>): string {
  const { user, range, zone, types, filters, limit, sessionsLimit, attributeEvents } = question;
  const query = new URLSearchParams({
    ...rangeParameters(range),
    tz: zone,
    include_events: "true",
    include_sessions: "true",
    event_types: types.join(","),
    filter: filters.length === 0 ? "" : JSON.stringify(filters),
    limit: String(limit),
    sessions_limit: String(sessionsLimit),
    attribute_events: String(attributeEvents),
    ...more,
  });
  return `/v1/analytics/users/${encodeURIComponent(user)}?${query}`;
}

/** All of a list, page by page. */
async function allPages(
  ask: Asker,
  question: UserQuestion,
  list: "events" | "sessions",
  next: string,
  parameter: string,
): Promise<unknown[]> {
  const limit = list === "events" ? question.limit : question.sessionsLimit;
  const all: unknown[] = [];
  let token = "";
  do {
    const answer = await answerTo(ask, { path: pathOf(question, { [parameter]: token }) });
    assert.ok(answer[list].length <= limit);
    all.push(...answer[list]);
    token = answer[next];
    assert.ok(
      token === "" || answer[list].length === limit,
      "a page is full unless it is the last",
    );
  } while (token !== "");
  return all;
}

// deno-lint-ignore no-explicit-any -- JSON
function holdProfile(answer: any, own: readonly TruthEvent[], question: UserQuestion): void {
  const newest = own.slice(0, question.attributeEvents);
  const attributes = new Map<string, string>();
  for (const { properties } of newest) {
    for (const [key, value] of Object.entries(properties)) {
      if (!attributes.has(key)) attributes.set(key, String(value));
    }
  }
  assert.deepEqual(answer.user_profile, {
    user_id: question.user,
    first_seen: timeOf(own[own.length - 1].timestampMs),
    last_seen: timeOf(own[0].timestampMs),
    total_sessions: new Set(own.map(({ sessionId }) => sessionId)).size,
    total_events: own.length,
    attributes: Object.fromEntries(attributes),
    attribute_events: newest.length,
  });
  const isWhole = newest.length === own.length;
  const accuracy = answer.accuracy["user_profile.attributes"];
  assert.equal(accuracy, isWhole ? "exact" : "of the newest events");
}

function holdMetrics(
  metrics: Record<string, number>,
  own: readonly TruthEvent[],
  { range, zone }: UserQuestion,
): void {
  const inRange = own.filter(({ timestampMs }) => isIn(timestampMs, range));
  const bought = inRange.filter(({ type, category }) =>
    category === 2 || TRANSACTIONS.includes(type)
  );
  const revenue = bought.reduce((sum, { type, amount }) => {
    if (type === "refund") return sum - (amount ?? 0);
    return PURCHASES.includes(type) ? sum + (amount ?? 0) : sum;
  }, 0);
  const sessions = sessionsOf(own, range);
  const durationMs = sessions.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  const sessionEvents = sessions.reduce((sum, { count }) => sum + count, 0);
  const days = new Set(inRange.map(({ timestampMs }) => dateOf(timestampMs, zone))).size;
  const knownMs = Math.max(range.fromMs, own[own.length - 1].timestampMs);
  const rangeDays = knownMs < range.toMs
    ? (Date.parse(dateOf(range.toMs - 1, zone)) - Date.parse(dateOf(knownMs, zone))) / DAY_MS + 1
    : 1;
  const perSession = sessions.length === 0 ? 0 : sessionEvents / sessions.length;
  const score = 50 * Math.min(1, days / rangeDays) + 30 * Math.min(1, perSession / 10) +
    20 * Math.min(1, bought.length / 5);
  const expected = {
    engagement_score: score,
    days_active: days,
    avg_session_duration: sessions.length === 0 ? 0 : durationMs / 1_000 / sessions.length,
    total_transactions: bought.length,
    total_revenue: revenue,
    sessions: sessions.length,
    days_in_range: rangeDays,
  };
  assert.deepEqual(Object.keys(metrics).sort(), Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) assertClose(metrics[name], value, name);
}

function holdEvents(
  asked: readonly unknown[],
  own: readonly TruthEvent[],
  { range, types, filters }: UserQuestion,
): void {
  const expected = own.filter((event) =>
    isIn(event.timestampMs, range) &&
    (types.length === 0 || types.some((type) => isOfTypeNamed(type, event))) &&
    matchesAll(filters, event)
  );
  // deno-lint-ignore no-explicit-any -- JSON
  const found = asked as any[];
  assert.deepEqual(
    found.map(({ type, timestamp, properties, amount = null }) => (
      { type, timestamp, properties, amount }
    )),
    expected.map(({ type, timestampMs, properties, amount }) => ({
      type,
      timestamp: timeOf(timestampMs),
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, value]) => [key, String(value)]),
      ),
      amount,
    })),
  );
  assert.deepEqual(found.map(({ id }) => id), expected.map(({ id }) => id));
}

interface TruthSession {
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly entry: string;
  readonly exit: string;
  readonly count: number;
}

/** Sessions that start in the range, newest first; `own` is all events of a user, newest first. */
function sessionsOf(own: readonly TruthEvent[], range: TruthRange): TruthSession[] {
  const groups = Map.groupBy(own, ({ sessionId }) => sessionId);
  const sessions = [...groups].map(([id, events]) => {
    const first = events[events.length - 1], last = events[0];
    const [startMs, endMs] = [first.timestampMs, last.timestampMs];
    return { id, startMs, endMs, entry: first.type, exit: last.type, count: events.length };
  });
  return sessions.filter(({ startMs }) => isIn(startMs, range))
    .sort((a, b) => b.startMs - a.startMs);
}

/** Sessions that begin at the same time may be in any order; a derived id is any 16 hex digits. */
function holdSessions(found: readonly unknown[], expected: readonly TruthSession[]): void {
  const inOrder = (texts: readonly string[]) => texts.toSorted();
  const given = new Set(["s1", "s2"]);
  // deno-lint-ignore no-explicit-any -- JSON
  const sessions = found as any[];
  assert.deepEqual(
    sessions.map(({ start_time }) => start_time),
    expected.map(({ startMs }) => timeOf(startMs)),
  );
  assert.equal(new Set(sessions.map(({ session_id }) => session_id)).size, sessions.length);
  assert.deepEqual(
    inOrder(sessions.map((session) => {
      const { session_id, start_time, end_time, event_count, duration, properties } = session;
      assert.ok(given.has(session_id) || /^[0-9a-f]{16}$/.test(session_id), session_id);
      assert.deepEqual(properties, {});
      assert.equal(parseFloat(duration), (Date.parse(end_time) - Date.parse(start_time)) / 1_000);
      const id = given.has(session_id) ? session_id : "derived";
      const { entry_type, exit_type } = session;
      return [id, start_time, end_time, event_count, entry_type, exit_type].join();
    })),
    inOrder(expected.map(({ id, startMs, endMs, count, entry, exit }) => {
      const named = given.has(id) ? id : "derived";
      return [named, timeOf(startMs), timeOf(endMs), count, entry, exit].join();
    })),
  );
}

/** By time, and those of equal times by their coming, the last first. */
function newestFirst(a: TruthEvent, b: TruthEvent): number {
  return b.timestampMs - a.timestampMs || b.order - a.order;
}

function isIn(timestampMs: number, { fromMs, toMs }: TruthRange): boolean {
  return timestampMs >= fromMs && timestampMs < toMs;
}

function timeOf(timestampMs: number): string {
  return new Date(timestampMs).toISOString().replace(".000Z", "Z");
}

/** The local date of an instant. */
function dateOf(timestampMs: number, zone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(timestampMs).toZonedDateTimeISO(zone);
  return local.toPlainDate().toString();
}
