import assert from "node:assert/strict";
import type { Hono } from "hono";
import { ProblemError } from "../../lib/http/problem.ts";
import type { RollupPlan } from "../../lib/query/plan.ts";
import { bruteShard, type PlainEvent } from "../../tests/support/brute_rollups.ts";
import { LegacySummarySchema, SeriesSchema, SummarySchema, UserSchema } from "./answer_json.ts";
import type { UserQuestion } from "../../lib/process/user_question.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { analyticsRoutes, legacyAnalyticsRoutes } from "./http.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");

const EVENTS: PlainEvent[] = Array.from({ length: 10 }, (_, i) => ({
  project: "shop",
  type: i % 3 === 0 ? "buy" : "view",
  timestampMs: NOW_MS - i * 600_000,
  user: i % 4,
  session: i,
  amount: i % 3 === 0 ? 10 : NaN,
}));

interface Asked {
  readonly plans: RollupPlan[];
  readonly users: UserQuestion[];
}

function openRoutes(
  routes: (options: Parameters<typeof analyticsRoutes>[0]) => Hono,
): Asked & { app: Hono } {
  const plans: RollupPlan[] = [];
  const users: UserQuestion[] = [];
  const ports: AnalyticsPorts = {
    now: () => NOW_MS,
    askShards: (plan) => {
      plans.push(plan);
      return Promise.resolve({ partials: [bruteShard(plan, EVENTS, NOW_MS)], missing: [] });
    },
    askRows: () => Promise.reject(new Error("no rows here")),
    askUser: (question) => {
      users.push(question);
      const known = {
        totals: { events: 3, sessions: 1, firstSeenMs: NOW_MS - 5, lastSeenMs: NOW_MS },
        activity: { days: [], transactions: 0, revenue: 0 },
        sessions: { sessions: [], count: 0, events: 0, durationMs: 0 },
        allSessions: null,
        newest: [],
        events: [],
      };
      const answer = { partition: 0, known, completeUntilMs: NOW_MS };
      return Promise.resolve({ answers: [answer], missing: [] });
    },
  };
  const app = routes({ ports, projectOf: () => "shop" });
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    return context.json(
      { code: error.code, field: error.options.field, detail: error.message },
      400,
    );
  });
  return { app, plans, users };
}

async function get(app: Hono, path: string): Promise<Record<string, unknown>> {
  const response = await app.request(path);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

Deno.test("GET /v1/analytics/summary answers in proto JSON form", async () => {
  const { app } = openRoutes(analyticsRoutes);
  const answer = SummarySchema.parse(
    await get(app, "/v1/analytics/summary?event_types=buy&group_by=event_type"),
  );
  assert.deepEqual([answer.total_events, answer.events_by_type], ["4", { buy: "4" }]);
});

Deno.test("GET /v1/analytics/timeseries reads every parameter under both spellings", async () => {
  const { app, plans } = openRoutes(analyticsRoutes);
  const start = "2026-03-29T10:00:00Z";
  const end = "2026-03-29T13:00:00Z";
  const rest = "metric=events&granularity=TIME_GRANULARITY_HOUR&tz=UTC";
  const proto = await get(
    app,
    `/v1/analytics/timeseries?time_range.start=${start}&time_range.end=${end}` +
      `&event_types=buy&event_types=view&group_by=type&${rest}`,
  );
  const camel = await get(
    app,
    `/v1/analytics/timeseries?timeRange.start=${start}&timeRange.end=${end}` +
      `&eventTypes=buy,view&groupBy=event_type&${rest}`,
  );
  assert.deepEqual(camel, proto);
  assert.deepEqual(plans[0], plans[1]);
  const answer = SeriesSchema.parse(proto);
  assert.deepEqual(
    answer.series.map(({ value, labels }) => [labels.event_type, value]),
    [["buy", 0], ["buy", 2], ["buy", 2], ["view", 0], ["view", 4], ["view", 2]],
  );
});

Deno.test("GET /v1/analytics/users/{user_id} decodes the id", async () => {
  const { app, users } = openRoutes(analyticsRoutes);
  const id = "a/b c%d ü?";
  const path = `/v1/analytics/users/${encodeURIComponent(id)}?include_events=true&limit=7`;
  const answer = UserSchema.parse(await get(app, path));
  assert.equal(answer.user_profile.user_id, id);
  assert.deepEqual([users[0].userId, users[0].events?.limit], [id, 8]);
});

Deno.test("GET /analytics/summary answers in the older form", async () => {
  const { app } = openRoutes(legacyAnalyticsRoutes);
  const to = Math.floor(NOW_MS / 1_000) + 1;
  const answer = LegacySummarySchema.parse(
    await get(app, `/analytics/summary?from=${to - 3_600}&to=${to}`),
  );
  assert.deepEqual([answer.total_events, answer.total_users, answer.from], [6, 4, to - 3_600]);
});

Deno.test("analyticsRoutes() refuses a bad parameter by its name", async () => {
  const { app, plans, users } = openRoutes(analyticsRoutes);
  const cases: [string, string, RegExp][] = [
    ["summary?time_range.start=x", "time_range.start", /RFC 3339/],
    ["summary?time_range.start=20&time_range.end=10", "time_range", /start after its end/],
    ["summary?start=5", "start", /time_range\.start/],
    [`summary?event_types=${"a,".repeat(101)}`, "event_types", /more than 100/],
    ["summary?filters[amount]=much", "filters.amount", /amount is a number/],
    ["summary?filter=country", "filter", /must be JSON/],
    ["summary?timeout_seconds=500", "timeout_seconds", /from 1 to 120/],
    ["summary?group_by=country", "group_by", /event_type only/],
    ["summary?metric=events", "metric", /unknown parameter/],
    ["summary?filters%5B%5D=DE", "filters", /NAME/],
    ["timeseries", "metric", /one of events, users/],
    ["timeseries?metric=clicks", "metric", /one of events, users/],
    ["timeseries?metric=events&metric=users", "metric", /given once/],
    ["timeseries?metric=events&granularity=year", "granularity", /minute, hour, day, week, month/],
    ["timeseries?metric=events&tz=Nowhere", "tz", /IANA/],
    ["timeseries?metric=events&group_by=type,country,plan", "group_by", /at most 2/],
    ["timeseries?metric=events&group_by=plan,plan", "group_by", /each once/],
    ["users/ann?limit=0", "limit", /1 to 1000/],
    ["users/ann?limit=1001", "limit", /1 to 1000/],
    ["users/ann?include_events=maybe", "include_events", /true or false/],
    ["users/ann?include_sessions=yes", "include_sessions", /true or false/],
    ["users/ann?sessions_limit=1001", "sessions_limit", /1 to 1000/],
    ["users/ann?include_sessions=1&sessions_page_token=1-2", "sessions_page_token", /next_sess/],
    ["users/ann?include_sessions=1&sessions_page_token=1-zzzzzzz-0", "sessions_page_token", /next/],
    ["users/ann?attribute_events=1001", "attribute_events", /0 to 1000/],
    ["users/ann?tz=Nowhere", "tz", /IANA/],
    ["users/ann?timeout_seconds=0", "timeout_seconds", /1 to/],
    ["users/ann?event_types=view", "include_events", /include_events=true/],
    ["users/ann?include_events=1&filter=[{]", "filter", /JSON/],
    ["users/ann?time_range.start=20&time_range.end=10", "time_range", /start after its end/],
    ["users/ann?prefix=a", "prefix", /unknown parameter/],
    ["users?limit=0", "limit", /1 to 1000/],
    [`users?prefix=${"a".repeat(257)}`, "prefix", /256/],
    ["users?prefix=a%00", "prefix", /U\+0000/],
    ["users?page_token=%25", "page_token", /next_page_token/],
    ["users?page_token=gA", "page_token", /next_page_token/],
    ["users?include_events=1", "include_events", /unknown parameter/],
    ["users/ann?include_events=1&page_token=zz", "page_token", /next_page_token/],
  ];
  for (const [path, field, detail] of cases) {
    const response = await app.request(`/v1/analytics/${path}`);
    const problem = await response.json();
    assert.deepEqual([problem.code, problem.field], ["invalid_parameter", field], path);
    assert.match(problem.detail, detail, path);
  }
  assert.deepEqual([plans.length, users.length], [0, 0], "nothing was asked of the shards");
});

Deno.test("legacyAnalyticsRoutes() refuses a bad parameter by its name", async () => {
  const { app } = openRoutes(legacyAnalyticsRoutes);
  for (const [query, field] of [["from=x", "from"], ["from=9&to=8", "from"], ["a=1", "a"]]) {
    const problem = await (await app.request(`/analytics/summary?${query}`)).json();
    assert.deepEqual([problem.code, problem.field], ["invalid_parameter", field]);
  }
});
