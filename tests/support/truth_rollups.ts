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

const METRICS = [
  "events",
  "users",
  "sessions",
  "sum:amount",
  "avg:amount",
  "p50:amount",
  "p90:amount",
  "p99:amount",
] as const;

/** Time zones of questions: one that changes its clocks in the fortnight, two that are odd. */
export const TRUTH_ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"] as const;

const typeLists = fc.oneof(
  fc.constant([] as string[]),
  fc.uniqueArray(fc.constantFrom(...TRUTH_TYPES, "never"), { minLength: 1, maxLength: 3 }),
);

interface SummaryQuestion {
  readonly range: TruthRange;
  readonly types: readonly string[];
}

export const summaryCase: TruthCase<SummaryQuestion> = {
  kind: "summary",
  questions: fc.record({ range: truthRanges, types: typeLists }),
  async hold({ range, types }, events, ask) {
    const query = new URLSearchParams({
      ...rangeParameters(range),
      event_types: types.join(","),
    });
    const answer = await answerTo(ask, { path: `/v1/analytics/summary?${query}` });
    const ofType = (event: TruthEvent) => types.length === 0 || types.includes(event.type);
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
  readonly types: readonly string[];
  readonly metric: typeof METRICS[number];
  readonly granularity: "hour" | "day" | "week" | "month";
  readonly zone: string;
  readonly grouped: boolean;
}

export const seriesCase: TruthCase<SeriesQuestion> = {
  kind: "series",
  questions: fc.record({
    range: truthRanges,
    types: typeLists,
    metric: fc.constantFrom(...METRICS),
    granularity: fc.constantFrom("hour", "day", "week", "month"),
    zone: fc.constantFrom(...TRUTH_ZONES),
    grouped: fc.boolean(),
  }),
  async hold({ range, types, metric, granularity, zone, grouped }, events, ask) {
    const query = new URLSearchParams({
      ...rangeParameters(range),
      event_types: types.join(","),
      metric,
      granularity,
      tz: zone,
      ...(grouped ? { group_by: "event_type" } : {}),
    });
    const answer = await answerTo(ask, { path: `/v1/analytics/timeseries?${query}` });
    const accuracy = answer.accuracy["series.value"];
    const asked = eventsIn(events, range.fromMs, range.toMs, ({ type }) => {
      return types.length === 0 || types.includes(type);
    });
    const expected = Map.groupBy(asked, (event) => {
      const bucket = bucketStart(event.timestampMs, granularity, zone);
      return `${bucket} ${grouped ? event.type : ""}`;
    });
    let found = 0;
    for (const { timestamp, value, labels } of answer.series) {
      const key = `${Date.parse(timestamp)} ${labels.event_type ?? ""}`;
      const inBucket = expected.get(key) ?? [];
      if (inBucket.length > 0) found++;
      assertWithin(value, metricOf(metric, inBucket), accuracy, `${metric} of ${key}`);
    }
    assert.equal(found, expected.size, "every bucket with events is answered, once");
    return comparable(answer);
  },
};

/** A metric of events. */
function metricOf(metric: typeof METRICS[number], events: readonly TruthEvent[]): number {
  const { events: count, unique_users: users, sessions, revenue, average_amount } = totals(events);
  switch (metric) {
    case "events":
      return count;
    case "users":
      return users;
    case "sessions":
      return sessions;
    case "sum:amount":
      return revenue;
    case "avg:amount":
      return average_amount;
  }
  return lowerQuantile(
    events.flatMap(({ amount }) => amount === null ? [] : [amount]),
    Number(metric.slice(1, 3)) / 100,
  );
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
