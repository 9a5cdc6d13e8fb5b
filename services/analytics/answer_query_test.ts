import assert from "node:assert/strict";
import fc from "fast-check";
import { ProblemError } from "../../lib/http/problem.ts";
import { isOfType } from "../../lib/query/filter/filter.ts";
import type { RollupPlan } from "../../lib/query/plan.ts";
import {
  bruteShard,
  type PlainEvent,
  plainEvents,
  recount,
} from "../../tests/support/brute_rollups.ts";
import { LegacySummarySchema, SeriesSchema, SummarySchema } from "./answer_json.ts";
import {
  type AnalyticsPorts,
  answerLegacySummary,
  answerSeries,
  answerSummary,
  type SeriesRequest,
} from "./answer_query.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");
const HOUR_MS = 3_600_000;
const PATIENCE = { timeoutMs: null, gone: null };
const MISSING = { startMs: null, endMs: null };

/** Ports over shards that are plain lists of events. */
function portsOver(
  shards: readonly (readonly PlainEvent[])[],
  completeUntilMs = NOW_MS,
  missing: readonly number[] = [],
): AnalyticsPorts & { plans: RollupPlan[] } {
  const plans: RollupPlan[] = [];
  return {
    plans,
    now: () => NOW_MS,
    askShards: (plan) => {
      plans.push(plan);
      const partials = shards.map((list) => bruteShard(plan, list, completeUntilMs));
      return Promise.resolve({ partials, missing });
    },
    askRows: () => Promise.reject(new Error("no rows here")),
    askUser: () => Promise.reject(new Error("not asked here")),
  };
}

const event = (change: Partial<PlainEvent>): PlainEvent => ({
  project: "shop",
  type: "view",
  timestampMs: NOW_MS,
  user: 1,
  session: 1,
  amount: NaN,
  ...change,
});

const seriesRequest = (change: Partial<SeriesRequest> = {}): SeriesRequest => ({
  project: "shop",
  range: MISSING,
  filter: null,
  patience: PATIENCE,
  metric: "events",
  granularity: null,
  timeZone: null,
  by: [],
  ...change,
});

async function refusal(answer: Promise<unknown>): Promise<[string, string | undefined]> {
  const error = await answer.then(() => null, (thrown) => thrown);
  assert(error instanceof ProblemError, String(error));
  return [error.code, error.options.field];
}

Deno.test("answerSummary() equals a recount when events and range are random", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plainEvents(NOW_MS - 4 * HOUR_MS, NOW_MS), { maxLength: 3 }),
      fc.integer({ min: 0, max: 3 * HOUR_MS }),
      fc.integer({ min: 0, max: 2 * HOUR_MS }),
      async (shards, beforeMs, lengthMs) => {
        const startMs = NOW_MS - beforeMs;
        const endMs = startMs + lengthMs;
        const request = {
          project: "shop",
          range: { startMs, endMs },
          filter: null,
          patience: PATIENCE,
        };
        const answer = await answerSummary(request, portsOver(shards));
        SummarySchema.parse(answer);
        const ofShop = (each: PlainEvent) => each.project === "shop";
        const expected = recount(shards.flat(), startMs, endMs, ofShop);
        assert.equal(answer.total_events, String(expected.events));
        assert.equal(answer.unique_users, String(expected.users));
        assert.equal(answer.sessions, String(expected.sessions));
        for (const type of new Set(shards.flat().map((each) => each.type))) {
          const keep = (each: PlainEvent) => ofShop(each) && each.type === type;
          const { events } = recount(shards.flat(), startMs, endMs, keep);
          const shown = Object.hasOwn(answer.events_by_type, type)
            ? answer.events_by_type[type]
            : "0";
          assert.equal(shown, String(events));
        }
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("answerSummary() takes 24 hours to this minute's end when none is given", async () => {
  const ports = portsOver([[
    event({}),
    event({ timestampMs: Date.parse("2026-03-28T12:35:00Z"), user: 2, amount: 4 }),
    event({ timestampMs: Date.parse("2026-03-28T12:34:59.999Z"), user: 3, amount: 2 }),
  ]]);
  const answer = await answerSummary({
    project: "shop",
    range: MISSING,
    filter: null,
    patience: PATIENCE,
  }, ports);
  assert.deepEqual(answer, {
    total_events: "2",
    unique_users: "2",
    sessions: "1",
    events_by_type: { view: "2" },
    top_metrics: [
      { name: "events", value: 2, unit: "events", change_percentage: 100 },
      { name: "unique_users", value: 2, unit: "users", change_percentage: 100 },
      { name: "sessions", value: 1, unit: "sessions", change_percentage: 0 },
      { name: "revenue", value: 4, unit: "amount", change_percentage: 100 },
      { name: "average_amount", value: 4, unit: "amount", change_percentage: 100 },
      { name: "events_per_user", value: 1, unit: "events/user", change_percentage: 0 },
    ],
    last_updated: "2026-03-29T12:34:56.789Z",
    metadata: {
      time_range: { start: "2026-03-28T12:35:00Z", end: "2026-03-29T12:35:00Z" },
      processing_time: "0s",
      cache_status: "none",
    },
    complete_until: "2026-03-29T12:34:56.789Z",
    complete: true,
    accuracy: {
      total_events: "exact",
      unique_users: "exact",
      sessions: "exact",
      events_by_type: "exact",
      "top_metrics.events": "exact",
      "top_metrics.unique_users": "exact",
      "top_metrics.sessions": "exact",
      "top_metrics.revenue": "exact",
      "top_metrics.average_amount": "exact",
      "top_metrics.events_per_user": "exact",
    },
  });
  assert.deepEqual(ports.plans.length, 1);
});

Deno.test("answerSummary() is complete when the mark reaches the range's end or now", async () => {
  const markMs = NOW_MS - HOUR_MS;
  const ask = (endMs: number | null, completeUntilMs: number) =>
    answerSummary(
      {
        project: "shop",
        range: { startMs: NOW_MS - 5 * HOUR_MS, endMs },
        filter: null,
        patience: PATIENCE,
      },
      portsOver([[], []], completeUntilMs),
    );
  const late = await ask(null, markMs);
  assert.deepEqual([late.complete, late.complete_until], [false, "2026-03-29T11:34:56.789Z"]);
  assert.equal((await ask(markMs, markMs)).complete, true);
  assert.equal((await ask(markMs + 1, markMs)).complete, false);
  const ahead = await ask(null, Infinity);
  assert.deepEqual([ahead.complete, ahead.complete_until], [true, "2026-03-29T12:34:56.789Z"]);
});

Deno.test("answerLegacySummary() gives numbers and unix seconds over the last hour", async () => {
  const ports = portsOver([[event({ amount: 8 }), event({ timestampMs: NOW_MS - 2 * HOUR_MS })]]);
  const answer = await answerLegacySummary({
    project: "shop",
    range: MISSING,
    filter: null,
    patience: PATIENCE,
  }, ports);
  LegacySummarySchema.parse(answer);
  const { total_events, total_users, unique_users, sessions, events_by_type, from, to } = answer;
  assert.deepEqual([total_events, total_users, unique_users, sessions], [1, 1, 1, 1]);
  assert.deepEqual(events_by_type, { view: 1 });
  const end = Date.parse("2026-03-29T12:35:00Z") / 1_000;
  assert.deepEqual([from, to], [end - 3_600, end]);
  const now = Math.floor(NOW_MS / 1_000);
  assert.deepEqual([answer.last_updated, answer.complete_until, answer.complete], [now, now, true]);
  assert.deepEqual(answer.top_metrics[3], {
    name: "revenue",
    value: 8,
    labels: { unit: "amount" },
    timestamp: now,
    change_percentage: 100,
  });
});

Deno.test("answerLegacySummary() names from when the range is refused", async () => {
  const ports = portsOver([]);
  for (const range of [{ startMs: 5, endMs: 4 }, { startMs: 0, endMs: NOW_MS }]) {
    const answer = answerLegacySummary({
      project: "shop",
      range,
      filter: null,
      patience: PATIENCE,
    }, ports);
    assert.deepEqual(await refusal(answer), ["invalid_parameter", "from"]);
  }
});

Deno.test("answerSeries() fills empty buckets and keeps whole starts when ungrouped", async () => {
  const startMs = Date.parse("2026-03-29T00:30:00Z");
  const range = { startMs, endMs: startMs + 2 * HOUR_MS };
  const answer = await answerSeries(
    seriesRequest({ range, timeZone: "europe/berlin" }),
    portsOver([[event({ timestampMs: startMs })], [event({ timestampMs: startMs + 1 })]]),
  );
  SeriesSchema.parse(answer);
  assert.deepEqual(answer.series, [
    { timestamp: "2026-03-29T00:00:00Z", value: 2, labels: {} },
    { timestamp: "2026-03-29T01:00:00Z", value: 0, labels: {} },
    { timestamp: "2026-03-29T02:00:00Z", value: 0, labels: {} },
  ]);
  assert.deepEqual(answer.metadata, {
    metric: "events",
    granularity: "TIME_GRANULARITY_HOUR",
    data_points: 3,
    time_range: { start: "2026-03-29T00:30:00Z", end: "2026-03-29T02:30:00Z" },
    time_zone: "Europe/Berlin",
    processing_time: "0s",
  });
  assert.deepEqual(answer.accuracy, { "series.value": "exact" });
});

Deno.test("answerSeries() labels points by type and shows named types when grouped", async () => {
  const range = { startMs: NOW_MS, endMs: NOW_MS + 1 };
  const shard = [event({ type: "buy", amount: 3 }), event({ type: "view" })];
  const answer = await answerSeries(
    seriesRequest({
      range,
      by: [{ label: "event_type", subject: { kind: "field", name: "type" } }],
      granularity: "day",
      metric: "avg:amount",
      filter: isOfType(["view", "refund", "buy"]),
    }),
    portsOver([shard]),
  );
  assert.deepEqual(
    answer.series.map(({ value, labels }) => [labels.event_type, value]),
    [["buy", 3], ["refund", 0], ["view", 0]],
  );
});

Deno.test("answerSeries() names the parameter when the question is refused", async () => {
  const cases: [Partial<SeriesRequest>, string][] = [
    [{ metric: "" }, "metric"],
    [{ metric: "p75:amount" }, "metric"],
    [{ timeZone: "Berlin" }, "tz"],
    [{ range: { startMs: NOW_MS + HOUR_MS, endMs: null } }, "time_range"],
    [{ range: { startMs: 0, endMs: null } }, "time_range"],
    [
      { granularity: "minute", range: { startMs: NOW_MS - 400 * HOUR_MS, endMs: null } },
      "granularity",
    ],
  ];
  for (const [change, field] of cases) {
    const answer = answerSeries(seriesRequest(change), portsOver([[]]));
    assert.deepEqual(await refusal(answer), ["invalid_parameter", field]);
  }
});

Deno.test("answers name the partitions that they lack, and are not complete then", async () => {
  const ports = portsOver([[event({})]], NOW_MS, [1, 3]);
  const summary = await answerSummary({
    project: "shop",
    range: MISSING,
    filter: null,
    patience: PATIENCE,
  }, ports);
  SummarySchema.parse(summary);
  assert.deepEqual([summary.complete, summary.missing_partitions], [false, [1, 3]]);
  const series = await answerSeries(seriesRequest(), ports);
  assert.deepEqual([series.complete, series.missing_partitions], [false, [1, 3]]);
});
