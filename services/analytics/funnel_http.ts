/**
 * `POST /v1/analytics/funnel` and `/funnel/users`. They turn a JSON body into a request of
 * answer_funnel.ts and its answer into JSON or CSV, and nothing else. Refusals are thrown as ProblemError,
 * for the server's one error handler.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  FILTER_TEXT_CHARS_MAX,
  FUNNEL_SEGMENTS_DEFAULT,
  FUNNEL_SEGMENTS_MAX,
  FUNNEL_STEPS_MAX,
  FUNNEL_USERS_PAGE_DEFAULT,
  FUNNEL_USERS_PAGE_MAX,
  TYPE_CHARS_MAX,
} from "../../lib/config/limits.ts";
import { duration, message, wholeNumber } from "../../lib/http/json_body.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { type AskedStep, FUNNEL_ORDERS } from "../../lib/query/funnel/plan_funnel.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import { answerFunnel, answerFunnelUsers, type FunnelRequest } from "./answer_funnel.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { postedFormat } from "./csv_answer.ts";
import { funnelCsv, funnelUsersCsv } from "./csv_tables.ts";
import { FunnelSchema, FunnelUsersSchema } from "./funnel_json.ts";
import { postRoute } from "./post_route.ts";
import {
  type Asker,
  askerOf,
  commonShape,
  filterMember,
  filterOf,
  filtersMember,
  patienceOfAsker,
  rangeOf,
  readBody,
} from "./question_body.ts";

/** What the routes work with. */
export interface FunnelRoutesOptions {
  readonly ports: AnalyticsPorts;
  readonly bodies: BodyReader;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

/** A text; an empty one is missing, as in proto JSON. */
const text = (charsMax: number) =>
  z.string("must be a text").max(charsMax, `must not be longer than ${charsMax} characters`)
    .optional();

const StepBody = message({
  name: text(TYPE_CHARS_MAX).describe("Its event type if missing"),
  event_type: text(TYPE_CHARS_MAX),
  filters: filtersMember,
  filter: filterMember,
  optional: z.boolean("must be true or false").optional()
    .describe("May be left out by a user who goes on"),
});

const ExclusionBody = message({
  name: text(TYPE_CHARS_MAX),
  event_type: text(TYPE_CHARS_MAX),
  filters: filtersMember,
  filter: filterMember,
});

const funnelShape = {
  ...commonShape,
  steps: z.array(StepBody, "must be a list of steps").describe(`2 to ${FUNNEL_STEPS_MAX} steps`),
  exclusions: z.array(ExclusionBody, "must be a list of steps").optional()
    .describe("Events that end an attempt"),
  order: text(TYPE_CHARS_MAX).describe(`${FUNNEL_ORDERS.join(", ")}; the first if missing`),
  window: duration.optional()
    .describe("Longest time from the first step to the last, such as 86400s; 14 days if missing"),
  step_timeout: duration.optional()
    .describe("Longest time from one step to the next; any if missing"),
  breakdown: text(FILTER_TEXT_CHARS_MAX)
    .describe("A field or property of the first step's event to tell users apart by"),
  breakdown_limit: wholeNumber(1, FUNNEL_SEGMENTS_MAX).optional()
    .describe(`Values of it that are shown; ${FUNNEL_SEGMENTS_DEFAULT} if missing`),
};

/** What a funnel is asked by. */
export const FunnelBody = message(funnelShape);

const FunnelUsersBody = message({
  ...funnelShape,
  step: wholeNumber(1, FUNNEL_STEPS_MAX).describe("Counted from 1"),
  outcome: z.string("must be converted or dropped")
    .describe("converted: who reached it; dropped: who got no further than the one before"),
  limit: wholeNumber(1, FUNNEL_USERS_PAGE_MAX).optional()
    .describe(`Users on a page; ${FUNNEL_USERS_PAGE_DEFAULT} if missing`),
  page_token: text(TYPE_CHARS_MAX).describe("next_page_token of the page before"),
});

const STEPS = [
  { name: "visit", event_type: "page_view" },
  { name: "buy", event_type: "purchase" },
];

const funnelRoute = postRoute({
  path: "/v1/analytics/funnel",
  id: "getFunnelAnalysis",
  tag: "Behaviour",
  summary: "How many users get how far in a list of steps",
  asks: FunnelBody,
  answer: FunnelSchema,
  example: { body: { steps: STEPS, window: "604800s" } },
});
const usersRoute = postRoute({
  path: "/v1/analytics/funnel/users",
  id: "getFunnelUsers",
  tag: "Behaviour",
  summary: "Users who reached a step, or got no further",
  asks: FunnelUsersBody,
  answer: FunnelUsersSchema,
  example: { body: { steps: STEPS, step: 2, outcome: "converted" } },
});

/** For the OpenAPI document. */
export const FUNNEL_ROUTES = [funnelRoute, usersRoute];

/** `POST /v1/analytics/funnel` and `/v1/analytics/funnel/users`. */
export function funnelRoutes({ ports, bodies, projectOf }: FunnelRoutesOptions): Hono {
  const app = new Hono();
  app.post(funnelRoute.path, async (context) => {
    const format = postedFormat(context);
    const body = await readBody(context, bodies, FunnelBody);
    const request = funnelRequest(body, askerOf(context, projectOf));
    const answer = await answerFunnel(request, ports);
    return format === "csv" ? funnelCsv(answer) : context.json(answer);
  });
  app.post(usersRoute.path, async (context) => {
    const format = postedFormat(context);
    const body = await readBody(context, bodies, FunnelUsersBody);
    const answer = await answerFunnelUsers({
      ...funnelRequest(body, askerOf(context, projectOf)),
      step: body.step,
      outcome: body.outcome,
      limit: body.limit ?? null,
      pageToken: body.page_token || null,
    }, ports);
    return format === "csv" ? funnelUsersCsv(answer) : context.json(answer);
  });
  return app;
}

/** The question that the body of a funnel puts. */
export function funnelRequest(body: z.infer<typeof FunnelBody>, asker: Asker): FunnelRequest {
  return {
    project: asker.project,
    range: rangeOf(body),
    filter: filterOf(body),
    steps: body.steps.map((step, i) => askedStep(step, `steps[${i}]`)),
    exclusions: (body.exclusions ?? []).map((each, i) => askedStep(each, `exclusions[${i}]`)),
    order: body.order || null,
    windowMs: body.window ?? null,
    stepTimeoutMs: body.step_timeout ?? null,
    breakdown: body.breakdown ? subjectNamed(body.breakdown) : null,
    breakdownLimit: body.breakdown_limit ?? null,
    patience: patienceOfAsker(asker, body.timeout_seconds),
  };
}

function askedStep(step: z.infer<typeof StepBody>, place: string): AskedStep {
  const { name, event_type: type, filters, filter, optional = false } = step;
  const eventTypes = type ? [type] : [];
  return {
    name: name || null,
    fallbackName: type ?? "",
    filter: filterOf({ event_types: eventTypes, filters, filter }, place),
    optional,
  };
}
