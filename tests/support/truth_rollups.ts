/** Truth of summaries and time series: counted anew from the events. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  answerTo,
  assertClose,
  assertWithin,
  comparable,
  rangeParameters,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { eventsIn, TRUTH_TYPES, type TruthEvent } from "./truth_events.ts";
import {
  isOfTypeNamed,
  matchesAll,
  numberOf,
  type SentFilter,
  truthFilters,
  valueNamed,
} from "./truth_filters.ts";

/** Metrics of questions; "n" is a number in some events, a text that is one in others. */
export const truthMetrics = fc.constantFrom(
  "events",
  "users",
  "sessions",
  "events_per_user",
  "sum:amount",
  "avg:amount",
  "min:amount",
  "max:amount",
  "p50:amount",
  "p99:amount",
  "sum:n",
  "avg:n",
  "min:n",
  "max:properties.n",
  "p90:n",
  "sum:country",
  "max:missing",
);

/** Time zones of questions: one that changes its clocks in the fortnight, two that are odd. */
export const TRUTH_ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"] as const;

/** What a question groups by. */
export const truthGroups = fc.constantFrom<readonly string[]>(
  [],
  ["event_type"],
  ["country"],
  ["plan", "event_type"],
  ["n"],
  ["a/b~c", "country"],
  ["source"],
  ["missing"],
);

const typeLists = fc.oneof(
  fc.constant([] as string[]),
  fc.uniqueArray(
    fc.constantFrom(...TRUTH_TYPES, "never", "EVENT_TYPE_USER", "EVENT_TYPE_CUSTOM"),
    { minLength: 1, maxLength: 3 },
  ),
);

/** Which events a question is about: types, the contract's map, a list of conditions. */
export interface TruthScope {
  readonly types: readonly string[];
  readonly map: Readonly<Record<string, string>>;
  readonly filter: readonly SentFilter[];
}

export const truthScopes: fc.Arbitrary<TruthScope> = fc.record({
  types: typeLists,
  map: fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Record<string, string>>(
        { country: "DE" },
        { n: "5", user_id: "ann" },
        { event_type: "view" },
        { missing: "x" },
      ),
    },
  ),
  filter: truthFilters,
});

/** The scope as parameters of a query string. */
export function scopeParameters({ types, map, filter }: TruthScope): Record<string, string> {
  const entries = Object.entries(map).map(([name, text]) => [`filters[${name}]`, text]);
  return {
    event_types: types.join(","),
    filter: filter.length === 0 ? "" : JSON.stringify(filter),
    ...Object.fromEntries(entries),
  };
}

export function isInScope({ types, map, filter }: TruthScope, event: TruthEvent): boolean {
  const equals = Object.entries(map).map(([property, value]) => ({ property, op: "eq", value }));
  return (types.length === 0 || types.some((type) => isOfTypeNamed(type, event))) &&
    matchesAll([...equals, ...filter], event);
}

interface SummaryQuestion {
  readonly range: TruthRange;
  readonly scope: TruthScope;
}

export const summaryCase: TruthCase<SummaryQuestion> = {
  kind: "summary",
  questions: fc.record({ range: truthRanges, scope: truthScopes }),
  async hold({ range, scope }, events, ask) {
    const query = new URLSearchParams({ ...rangeParameters(range), ...scopeParameters(scope) });
    const answer = await answerTo(ask, { path: `/v1/analytics/summary?${query}` });
    const ofType = (event: TruthEvent) => isInScope(scope, event);
    const { fromMs, toMs } = range;
    const now = totals(eventsIn(events, fromMs, toMs, ofType));
    const before = totals(eventsIn(events, fromMs - (toMs - fromMs), fromMs, ofType));
    assert.equal(answer.total_events, String(now.events));
    assert.equal(answer.unique_users, String(now.unique_users));
    assert.equal(answer.sessions, String(now.sessions));
    assert.deepEqual(answer.events_by_type, countsByType(eventsIn(events, fromMs, toMs, ofType)));
    for (const { name, value, change_percentage: change } of answer.top_metrics) {
      const [present, past] = [now[name as keyof Totals], before[name as keyof Totals]];
      assertClose(value, present, name);
      const expected = past === 0 ? (present === 0 ? 0 : 100) : (present - past) / past * 100;
      assertClose(change, expected, `change of ${name}`);
    }
    return comparable(answer);
  },
};

type Totals = ReturnType<typeof totals>;

function totals(events: readonly TruthEvent[]) {
  const amounts = events.flatMap(({ amount }) => amount === null ? [] : [amount]);
  const revenue = amounts.reduce((sum, amount) => sum + amount, 0);
  const users = new Set(events.map(({ userId }) => userId)).size;
  return {
    events: events.length,
    unique_users: users,
    sessions: new Set(events.map(({ sessionId }) => sessionId)).size,
    revenue,
    average_amount: amounts.length === 0 ? 0 : revenue / amounts.length,
    events_per_user: users === 0 ? 0 : events.length / users,
  };
}

function countsByType(events: readonly TruthEvent[]): Record<string, string> {
  const groups = Map.groupBy(events, ({ type }) => type);
  return Object.fromEntries([...groups].map(([type, each]) => [type, String(each.length)]));
}

interface SeriesQuestion {
  readonly range: TruthRange;
  readonly scope: TruthScope;
  readonly metric: string;
  readonly granularity: "hour" | "day" | "week" | "month";
  readonly zone: string;
  readonly groups: readonly string[];
}

export const seriesCase: TruthCase<SeriesQuestion> = {
  kind: "series",
  questions: fc.record({
    range: truthRanges,
    scope: truthScopes,
    metric: truthMetrics,
    granularity: fc.constantFrom("hour", "day", "week", "month"),
    zone: fc.constantFrom(...TRUTH_ZONES),
    groups: truthGroups,
  }),
  async hold({ range, scope, metric, granularity, zone, groups }, events, ask) {
    const query = new URLSearchParams({
      ...rangeParameters(range),
      ...scopeParameters(scope),
      metric,
      granularity,
      tz: zone,
      group_by: groups.join(","),
    });
    const answer = await answerTo(ask, { path: `/v1/analytics/timeseries?${query}` });
    const accuracy = answer.accuracy["series.value"];
    const { fromMs, toMs } = range;
    const asked = eventsIn(events, fromMs, toMs, (event) => isInScope(scope, event));
    const expected = Map.groupBy(asked, (event) => {
      const bucket = bucketStart(event.timestampMs, granularity, zone);
      return `${bucket} ${JSON.stringify(groups.map((name) => textNamed(name, event)))}`;
    });
    let found = 0;
    for (const { timestamp, value, labels } of answer.series) {
      const texts = groups.map((name) => labels[name] ?? null);
      const key = `${Date.parse(timestamp)} ${JSON.stringify(texts)}`;
      const inBucket = expected.get(key) ?? [];
      if (inBucket.length > 0) found++;
      assertWithin(value, metricOf(metric, inBucket) ?? 0, accuracy, `${metric} of ${key}`);
    }
    assert.equal(found, expected.size, "every bucket with events is answered, once");
    return comparable(answer);
  },
};

/** The text that an event is grouped by under a name; null = it has none. */
export function textNamed(name: string, event: TruthEvent): string | null {
  const value = valueNamed(name, event);
  return value === undefined ? null : String(value);
}

/** The numbers that a metric is made of. */
export function numbersOf(metric: string, events: readonly TruthEvent[]): number[] {
  const name = metric.slice(metric.indexOf(":") + 1);
  return events.flatMap((event) => numberOf(valueNamed(name, event)) ?? []);
}

/** A metric of events; null = it is made of numbers and no event has one. */
export function metricOf(metric: string, events: readonly TruthEvent[]): number | null {
  const { events: count, unique_users: users, sessions, events_per_user } = totals(events);
  if (metric === "events") return count;
  if (metric === "users") return users;
  if (metric === "sessions") return sessions;
  if (metric === "events_per_user") return events_per_user;
  const numbers = numbersOf(metric, events);
  const sum = numbers.reduce((total, each) => total + each, 0);
  const aggregate = metric.slice(0, metric.indexOf(":"));
  if (aggregate === "sum") return sum;
  if (numbers.length === 0) return null;
  if (aggregate === "avg") return sum / numbers.length;
  if (aggregate === "min") return Math.min(...numbers);
  if (aggregate === "max") return Math.max(...numbers);
  return lowerQuantile(numbers, Number(aggregate.slice(1)) / 100);
}

/** The value at rank floor(q * (n - 1)) of the sorted ones; 0 of none. */
export function lowerQuantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
}

/** Start of the hour, day, week (Monday) or month of a time zone that an instant lies in, ms. */
export function bucketStart(
  atMs: number,
  granularity: "hour" | "day" | "week" | "month",
  zone: string,
): number {
  const local = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(zone);
  if (granularity === "hour") {
    const past = { minute: local.minute, second: local.second, millisecond: local.millisecond };
    return local.subtract({ minutes: past.minute, seconds: past.second }).epochMilliseconds -
      past.millisecond;
  }
  const day = local.startOfDay();
  if (granularity === "day") return day.epochMilliseconds;
  const back = granularity === "week" ? day.dayOfWeek - 1 : day.day - 1;
  return day.subtract({ days: back }).startOfDay().epochMilliseconds;
}
