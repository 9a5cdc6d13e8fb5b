import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import {
  type FunnelPartial,
  FunnelTally,
  troubledPartial,
} from "../../lib/query/funnel/funnel_partial.ts";
import type { FunnelUser, FunnelUsersPartial } from "../../lib/query/funnel/funnel_question.ts";
import type { RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { funnelRoutes } from "./funnel_http.ts";
import { FunnelSchema, FunnelUsersSchema } from "./funnel_json.ts";

const NOW_MS = Date.parse("2026-05-15T12:00:00Z");
const PATH = "/v1/analytics/funnel";

/** The routes over partitions that give these answers, and what those were asked. */
function openRoutes(partials: readonly (FunnelPartial | FunnelUsersPartial)[]) {
  const questions: RowQuestion[] = [];
  const never = () => Promise.reject(new Error("not asked here"));
  const ports = {
    now: () => NOW_MS,
    askShards: never,
    askUser: never,
    askRows: (question: RowQuestion) => {
      questions.push(question);
      const answers = partials.map((partial, partition) => (
        { partition, partial: question.kind === "known_keys" ? ["country"] : partial }
      )).map((answer) => ({ ...answer, completeUntilMs: NOW_MS }));
      return Promise.resolve({ answers, missing: [] });
    },
  } as AnalyticsPorts;
  const app = funnelRoutes({ ports, bodies: new BodyReader(), projectOf: () => "shop" });
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    const { code, detail, options: { field } } = error;
    return context.json({ code, field, detail }, 400);
  });
  const post = async (path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const response = await app.request(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers,
    });
    return { status: response.status, body: await response.json() };
  };
  return { post, questions };
}

const STEPS = [{ event_type: "view" }, { event_type: "buy", name: "bought" }];
const TWO = STEPS.map(({ event_type: name }) => ({
  name,
  filter: { kind: "and", filters: [] } as const,
  optional: false,
}));

/** Users by what they took to convert, ms; null = they did not. */
function partialOf(times: readonly (number | null)[], labels: number[] | null = null) {
  const breakdown = labels === null ? null : { kind: "property", key: "country" } as const;
  const tally = new FunnelTally({ steps: TWO, breakdown });
  times.forEach((ms, user) => {
    const timesMs = Float64Array.of(1_000, ms === null ? NaN : 1_000 + ms);
    tally.add(timesMs, ms === null ? 0 : 1, labels?.[user] ?? null);
  });
  return tally.partial(["DE", "FR"]);
}

Deno.test("POST /v1/analytics/funnel answers what all partitions say together", async () => {
  const { post, questions } = openRoutes([partialOf([500, null]), partialOf([1_500])]);
  const { status, body } = await post(PATH, {
    steps: STEPS,
    filters: { plan: "pro" },
    stepTimeout: "0.5s",
  });
  assert.equal(status, 200);
  const answer = FunnelSchema.parse(body);
  const [first, last] = answer.steps;
  assert.deepEqual(first, {
    name: "view",
    users: "3",
    conversion_rate: 1,
    avg_time_to_convert: null,
    conversion_from_previous: 1,
    dropped: "1",
    optional: false,
    median_time_to_convert: null,
  });
  assert.deepEqual([last.name, last.users, last.avg_time_to_convert], ["bought", "2", "1s"]);
  assert.equal(last.conversion_rate, 2 / 3);
  assert.equal(answer.overall_conversion_rate, 2 / 3);
  const { processing_time: _, ...metadata } = answer.metadata;
  assert.deepEqual(metadata, {
    time_range: { start: "2026-05-14T12:01:00Z", end: "2026-05-15T12:01:00Z" },
    total_users: "3",
    order: "sequential",
    window: "1209600s",
    step_timeout: "0.500s",
  });
  assert.deepEqual([answer.breakdown, answer.notes, answer.complete], [[], [], true]);
  const [question] = questions;
  assert.ok(question.kind === "funnel");
  assert.equal(question.plan.stepTimeoutMs, 500);
  assert.match(JSON.stringify(question.plan.filter), /"plan".*"pro"/);
});

Deno.test("POST /v1/analytics/funnel shows the largest values and the others together", async () => {
  const partials = [partialOf([500, null, 700], [0, 0, 1]), partialOf([100], [-1])];
  const { post } = openRoutes(partials);
  const request = { steps: STEPS, breakdown: "country", breakdown_limit: "1" };
  const answer = FunnelSchema.parse((await post(PATH, request)).body);
  assert.deepEqual(
    answer.breakdown.map(({ kind, value, steps, overall_conversion_rate: rate }) => {
      return [kind, value, ...steps.map(({ users }) => users), rate];
    }),
    [["value", "DE", "2", "1", 0.5], ["other", "(other)", "1", "1", 1], [
      "none",
      "(none)",
      "1",
      "1",
      1,
    ]],
  );
});

Deno.test("POST /v1/analytics/funnel notes unknown properties when nobody converts", async () => {
  const { post } = openRoutes([partialOf([])]);
  const steps = [STEPS[0], { event_type: "buy", filters: { contry: "DE", country: "DE" } }];
  const answer = FunnelSchema.parse((await post(PATH, { steps, breakdown: "pln" })).body);
  assert.deepEqual(answer.steps.map(({ users }) => users), ["0", "0"]);
  assert.deepEqual(answer.steps.map((step) => step.conversion_from_previous), [0, 0]);
  assert.deepEqual(answer.notes, [
    'no event in the range has the property "contry"',
    'no event in the range has the property "pln"',
  ]);
});

const view = STEPS[0];
const REFUSED: readonly [what: string, body: Record<string, unknown>, field: string][] = [
  ["no steps are given", { steps: undefined }, "steps"],
  ["there is one step", { steps: [view] }, "steps"],
  ["there are 21 steps", { steps: Array(21).fill(view) }, "steps"],
  ["there are 101 conditions", {
    steps: [49, 50].map((count) => ({
      ...view,
      filter: Array.from({ length: count }, (_, i) => ({ property: `p${i}`, op: "exists" })),
    })),
  }, "steps"],
  ["a step says nothing", { steps: [view, { name: "x", filters: {} }] }, "steps[1]"],
  ["a step has an unknown member", { steps: [view, { type: "x" }] }, "steps[1].type"],
  [
    "a filter of a step is wrong",
    { steps: [view, { filter: [{ property: "n", op: "gt", value: "x" }] }] },
    "steps[1].filter[0].value",
  ],
  [
    "the first step is optional",
    { steps: [{ ...view, optional: true }, view] },
    "steps[0].optional",
  ],
  [
    "the last step is optional",
    { steps: [view, { ...view, optional: true }] },
    "steps[1].optional",
  ],
  ["an exclusion says nothing", { exclusions: [{}] }, "exclusions[0]"],
  ["there are 11 exclusions", { exclusions: Array(11).fill(view) }, "exclusions"],
  ["the order is unknown", { order: "random" }, "order"],
  ["the window is 0", { window: "0s" }, "window"],
  ["the window is negative", { window: "-5s" }, "window"],
  ["the window is no duration", { window: 86_400 }, "window"],
  ["the window is longer than any range", { window: "999999999s" }, "window"],
  ["the step timeout is 0", { step_timeout: "0s" }, "step_timeout"],
  ["any order has a step timeout", { order: "any", step_timeout: "5s" }, "step_timeout"],
  [
    "any order has an optional step",
    { order: "any", steps: [view, { ...view, optional: true }, view] },
    "steps[1].optional",
  ],
  ["a limit has no breakdown", { breakdown_limit: 5 }, "breakdown_limit"],
  ["the breakdown's limit is 0", { breakdown: "country", breakdown_limit: 0 }, "breakdown_limit"],
  ["the range is turned round", { time_range: { start: 1e9, end: 1 } }, "time_range"],
  ["the range is 100 years", { time_range: { start: 1, end: 3_155_760_000 } }, "time_range"],
  ["a member is unknown", { stepz: [] }, "stepz"],
];

for (const [what, body, field] of REFUSED) {
  Deno.test(`POST /v1/analytics/funnel refuses when ${what}`, async () => {
    const { post, questions } = openRoutes([]);
    const answer = await post(PATH, { steps: STEPS, ...body });
    assert.deepEqual([answer.body.code, answer.body.field], ["invalid_parameter", field]);
    assert.deepEqual(questions, []);
  });
}

Deno.test("POST /v1/analytics/funnel refuses what a partition has no memory for", async () => {
  const many = await openRoutes([partialOf([1]), troubledPartial("labels")])
    .post(PATH, { steps: STEPS, breakdown: "id" });
  assert.deepEqual([many.body.code, many.body.field], ["invalid_parameter", "breakdown"]);
  const long = await openRoutes([troubledPartial("rows")]).post(PATH, { steps: STEPS });
  assert.deepEqual([long.body.code, long.body.field], ["invalid_parameter", "time_range"]);
});

const user = (high: number, low: number): FunnelUser => (
  { high, low, userId: `${high}-${low}`, startedMs: 1_000, endedMs: 2_500, level: 1 }
);

Deno.test("POST /v1/analytics/funnel/users gives the first users of all partitions", async () => {
  const { post, questions } = openRoutes([
    { trouble: null, users: [user(1, 2), user(0xffff_ffff, 1)], hasMore: false },
    { trouble: null, users: [user(1, 0xffff_fff0)], hasMore: false },
  ]);
  const request = { steps: STEPS, step: 2, outcome: "converted", limit: 2 };
  const page = FunnelUsersSchema.parse((await post(`${PATH}/users`, request)).body);
  assert.deepEqual(page.users.map((each) => each.user_id), ["1-2", "1-4294967280"]);
  assert.deepEqual(page.users[0], {
    user_id: "1-2",
    first_step_at: "1970-01-01T00:00:01Z",
    last_step_at: "1970-01-01T00:00:02.500Z",
    last_step: 2,
  });
  assert.equal(page.next_page_token, "00000001fffffff0");
  await post(`${PATH}/users`, { ...request, page_token: page.next_page_token });
  const [first, next] = questions;
  assert.ok(first.kind === "funnel_users" && next.kind === "funnel_users");
  assert.deepEqual([first.step, first.outcome, first.after], [1, "converted", null]);
  assert.deepEqual(next.after, { high: 1, low: 0xffff_fff0 });
});

const REFUSED_USERS: readonly [what: string, body: Record<string, unknown>, field: string][] = [
  ["no step is given", { step: undefined }, "step"],
  ["the step is 0", { step: 0 }, "step"],
  ["there is no such step", { step: 3 }, "step"],
  ["nobody can drop out any more", { step: 2, outcome: "dropped" }, "step"],
  ["the outcome is unknown", { outcome: "lost" }, "outcome"],
  ["no outcome is given", { outcome: undefined }, "outcome"],
  ["the limit is too large", { limit: 1_001 }, "limit"],
  ["the token is of another kind", { page_token: "next" }, "page_token"],
];

for (const [what, body, field] of REFUSED_USERS) {
  Deno.test(`POST /v1/analytics/funnel/users refuses when ${what}`, async () => {
    const { post, questions } = openRoutes([]);
    const request = { steps: STEPS, step: 1, outcome: "converted", ...body };
    const answer = await post(`${PATH}/users`, request);
    assert.deepEqual([answer.body.code, answer.body.field], ["invalid_parameter", field]);
    assert.deepEqual(questions, []);
  });
}
