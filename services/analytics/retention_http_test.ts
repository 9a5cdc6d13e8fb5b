import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import type { RetentionPartial } from "../../lib/query/retention/retention.ts";
import type { StickinessPartial } from "../../lib/query/retention/stickiness.ts";
import type { RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { retentionRoutes } from "./retention_http.ts";
import { RetentionSchema, StickinessSchema } from "./retention_json.ts";

/** A Wednesday. */
const NOW_MS = Date.parse("2024-05-15T12:00:00Z");

/** The routes over partitions that all give the same answer, and what those were asked. */
function openRoutes(partial: unknown, completeUntilMs = NOW_MS, partitions = 1) {
  const questions: RowQuestion[] = [];
  const never = () => Promise.reject(new Error("not asked here"));
  const ports = {
    now: () => NOW_MS,
    askShards: never,
    askUser: never,
    askRows: (question: RowQuestion) => {
      questions.push(question);
      const answer = question.kind === "known_keys" ? ["country"] : partial;
      const answers = Array.from({ length: partitions }, (_, partition) => (
        { partition, partial: answer, completeUntilMs }
      ));
      return Promise.resolve({ answers, missing: [] });
    },
  } as AnalyticsPorts;
  const app = retentionRoutes({ ports, bodies: new BodyReader(), projectOf: () => "shop" });
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    return context.json({ code: error.code, field: error.options.field }, 400);
  });
  const post = async (path: string, body: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", body: text, headers };
    const response = await app.request(`/v1/analytics/${path}`, init);
    return { status: response.status, body: await response.json() };
  };
  return { post, questions };
}

const twoWeeks = { time_range: { start: "2024-05-06T00:00:00Z", end: "2024-05-20T00:00:00Z" } };

const matrix: RetentionPartial = {
  sizes: Float64Array.of(4, 2),
  users: Float64Array.of(4, 1, 2, 0),
};

Deno.test("POST /v1/analytics/retention answers a matrix that says what is not over", async () => {
  const { post, questions } = openRoutes(matrix, NOW_MS, 2);
  const { status, body } = await post("retention", {
    ...twoWeeks,
    event_types: ["view", "buy"],
    start: { event_types: ["view"] },
    return: { filters: { country: "DE" } },
    granularity: "TIME_GRANULARITY_WEEK",
  });
  assert.equal(status, 200);
  const answer = RetentionSchema.parse(body);
  assert.deepEqual(answer.cohorts, [
    {
      start: "2024-05-06T00:00:00Z",
      end: "2024-05-13T00:00:00Z",
      size: "8",
      complete: true,
      periods: [
        { period: 0, start: "2024-05-06T00:00:00Z", users: "8", rate: 1, complete: true },
        { period: 1, start: "2024-05-13T00:00:00Z", users: "2", rate: 0.25, complete: false },
      ],
    },
    {
      start: "2024-05-13T00:00:00Z",
      end: "2024-05-20T00:00:00Z",
      size: "4",
      complete: false,
      periods: [
        { period: 0, start: "2024-05-13T00:00:00Z", users: "4", rate: 1, complete: false },
      ],
    },
  ]);
  assert.deepEqual(answer.totals, {
    size: "12",
    periods: [
      { period: 0, cohorts: 1, size: "8", users: "8", rate: 1 },
      { period: 1, cohorts: 0, size: "0", users: "0", rate: 0 },
    ],
  });
  const { processing_time: _, ...metadata } = answer.metadata;
  assert.deepEqual(metadata, {
    mode: "exact",
    cohort: "first_in_range",
    granularity: "TIME_GRANULARITY_WEEK",
    time_zone: "UTC",
    time_range: { start: "2024-05-06T00:00:00Z", end: "2024-05-20T00:00:00Z" },
  });
  assert.deepEqual([answer.complete, answer.notes], [true, []]);
  const [question] = questions;
  assert.ok(question.kind === "retention" && question.start !== null && question.again !== null);
  assert.match(JSON.stringify(question.start), /"and".*"view","buy".*"view"/);
  assert.match(JSON.stringify(question.again), /"and".*"view","buy".*"country"/);
});

Deno.test("POST /v1/analytics/retention looks at the last 8 periods when it gets no start", async () => {
  const zeros = { sizes: new Float64Array(8), users: new Float64Array(64) };
  const { post } = openRoutes(zeros);
  const week = RetentionSchema.parse((await post("retention", {})).body);
  assert.deepEqual(week.metadata.time_range, {
    start: "2024-03-25T00:00:00Z",
    end: "2024-05-20T00:00:00Z",
  });
  const month = { granularity: "month", tz: "europe/berlin" };
  const { metadata } = RetentionSchema.parse((await post("retention", month)).body);
  assert.equal(metadata.time_zone, "Europe/Berlin");
  assert.deepEqual(metadata.time_range, {
    start: "2023-09-30T22:00:00Z",
    end: "2024-05-31T22:00:00Z",
  });
});

Deno.test("POST /v1/analytics/retention names unknown properties when the answer is empty", async () => {
  const none = { sizes: new Float64Array(2), users: new Float64Array(4) };
  const { post } = openRoutes(none);
  const body = { ...twoWeeks, start: { filters: { country: "DE", cuontry: "DE" } } };
  const { notes } = RetentionSchema.parse((await post("retention", body)).body);
  assert.deepEqual(notes, ['no event in the range has the property "cuontry"']);
});

Deno.test("POST /v1/analytics/stickiness answers distributions, means and ratios", async () => {
  const usersByDays = [Float64Array.of(0, 3, 1, 0, 0, 0, 0, 0), new Float64Array(8)];
  const active = { day: 1, week: 2, month: 4 };
  const partial: StickinessPartial = { usersByDays, active };
  const { post, questions } = openRoutes(partial);
  const { body } = await post("stickiness", { ...twoWeeks, filters: { plan: "pro" } });
  const answer = StickinessSchema.parse(body);
  assert.deepEqual(answer.periods, [
    {
      start: "2024-05-06T00:00:00Z",
      end: "2024-05-13T00:00:00Z",
      complete: true,
      days: 7,
      users: "4",
      user_days: "5",
      mean_days: 1.25,
      daily_users: 5 / 7,
      ratio: 5 / 28,
      users_by_days: ["3", "1", "0", "0", "0", "0", "0"],
    },
    {
      start: "2024-05-13T00:00:00Z",
      end: "2024-05-20T00:00:00Z",
      complete: false,
      days: 3,
      users: "0",
      user_days: "0",
      mean_days: 0,
      daily_users: 0,
      ratio: 0,
      users_by_days: ["0", "0", "0", "0", "0", "0", "0"],
    },
  ]);
  assert.deepEqual(answer.active_users, {
    day: { start: "2024-05-14T00:00:00Z", end: "2024-05-15T00:00:00Z" },
    complete: true,
    daily: "1",
    weekly: "2",
    monthly: "4",
    daily_to_weekly: 0.5,
    daily_to_monthly: 0.25,
    weekly_to_monthly: 0.5,
  });
  const [question] = questions;
  assert.ok(question.kind === "stickiness");
  assert.equal(question.lastDaysMs.length, 31);
});

Deno.test("questions about who came back are refused by the place that is wrong", async () => {
  const { post, questions } = openRoutes(matrix);
  const day = 86_400_000;
  const range = (days: number) => ({ start: day, end: (1 + days) * day });
  const cases: [path: string, body: unknown, field: string | undefined][] = [
    ["retention", "[]", undefined],
    ["retention", { time_range: range(61), granularity: "day" }, "time_range"],
    ["retention", { time_range: { start: 2 * day, end: day } }, "time_range"],
    [
      "retention",
      { time_range: { start: "1970-01-01T00:00:00Z", end: "2070-01-01T00:00:00Z" } },
      "time_range",
    ],
    ["retention", { time_range: { start: "yesterday" } }, "time_range.start"],
    ["retention", { periods: 61 }, "periods"],
    ["retention", { periods: 0 }, "periods"],
    ["retention", { tz: "Mars/Phobos" }, "tz"],
    ["retention", { granularity: "hour" }, "granularity"],
    ["retention", { mode: "loose" }, "mode"],
    ["retention", { cohort: "last" }, "cohort"],
    ["retention", { start: { event_type: "view" } }, "start.event_type"],
    ["retention", { return: { event_types: [""] } }, "return.event_types[0]"],
    [
      "retention",
      { return: { filter: [{ property: "n", op: "gt", value: "x" }] } },
      "return.filter[0].value",
    ],
    ["retention", { steps: [] }, "steps"],
    ["retention", { timeout_seconds: 1_000 }, "timeout_seconds"],
    ["stickiness", { granularity: "day" }, "granularity"],
    ["stickiness", { time_range: range(61 * 7) }, "time_range"],
    ["stickiness", { mode: "exact" }, "mode"],
    ["stickiness", { filter: [{ property: "n", op: "like", value: 1 }] }, "filter[0].op"],
  ];
  for (const [path, body, field] of cases) {
    const answer = await post(path, body);
    const expected = { code: "invalid_parameter", ...field === undefined ? {} : { field } };
    assert.deepEqual(answer, { status: 400, body: expected }, JSON.stringify(body));
  }
  assert.equal((await post("retention", "{")).body.code, "invalid_json");
  assert.deepEqual(questions, []);
});
