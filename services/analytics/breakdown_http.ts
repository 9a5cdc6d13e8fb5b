/**
 * `/v1/analytics/breakdown`, by POST with a JSON body or by GET with a query string. Both become the
 * same request of answer_breakdown.ts. Refusals are thrown as ProblemError, for the server's one
 * error handler.
 */

import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { BREAKDOWN_LIMIT_MAX, ROW_QUESTION_SECONDS_MAX } from "../../lib/config/limits.ts";
import { invalidParameter, message, wholeNumber } from "../../lib/http/json_body.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { answerBreakdown, type BreakdownRequest } from "./answer_breakdown.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { BreakdownSchema } from "./breakdown_json.ts";
import { granularityNamed, groupKeys, QueryParameters } from "./query_parameters.ts";
import { commonShape, filterOf, name, patienceOf, rangeOf, readBody } from "./question_body.ts";

/** What the routes work with. */
export interface BreakdownRoutesOptions {
  readonly ports: AnalyticsPorts;
  readonly bodies: BodyReader;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const PATH = "/v1/analytics/breakdown";

const BreakdownBody = message({
  ...commonShape,
  metric: z.string("must be a text"),
  group_by: z.union([z.string(), z.array(z.string())], "must be a name or a list of names"),
  limit: wholeNumber(1, BREAKDOWN_LIMIT_MAX).optional(),
  granularity: z.union([z.string(), z.number()], "must be a text").optional(),
  tz: name.optional(),
});

/** Query parameters of the GET form. */
const NAMES = [
  "time_range.start",
  "time_range.end",
  "event_types",
  "filters",
  "filter",
  "timeout_seconds",
  "metric",
  "group_by",
  "limit",
  "granularity",
  "tz",
];

/** `POST` and `GET /v1/analytics/breakdown`. */
export function breakdownRoutes({ ports, bodies, projectOf }: BreakdownRoutesOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerPath(routeOf("post"));
  app.openAPIRegistry.registerPath(routeOf("get"));
  app.post(PATH, async (context) => {
    const body = await readBody(context, bodies, BreakdownBody);
    const request: BreakdownRequest = {
      project: projectOf(context),
      range: rangeOf(body),
      filter: filterOf(body),
      metric: body.metric,
      by: groupsOf(typeof body.group_by === "string" ? [body.group_by] : body.group_by),
      limit: body.limit ?? null,
      granularity: granularityNamed(String(body.granularity ?? ""), "granularity"),
      timeZone: body.tz ?? null,
      patience: patienceOf(context, body.timeout_seconds),
    };
    return context.json(await answerBreakdown(request, ports));
  });
  app.get(PATH, async (context) => {
    const query = new QueryParameters(new URL(context.req.url).searchParams, NAMES);
    const timeoutSeconds = query.integer("timeout_seconds", 1, ROW_QUESTION_SECONDS_MAX);
    const request: BreakdownRequest = {
      project: projectOf(context),
      range: { startMs: query.time("time_range.start"), endMs: query.time("time_range.end") },
      filter: query.filter(),
      metric: query.text("metric") ?? "",
      by: groupsOf(query.list("group_by")),
      limit: query.integer("limit", 1, BREAKDOWN_LIMIT_MAX),
      granularity: query.granularity("granularity"),
      timeZone: query.text("tz"),
      patience: patienceOf(context, timeoutSeconds),
    };
    return context.json(await answerBreakdown(request, ports));
  });
  return app;
}

function groupsOf(names: readonly string[]) {
  const keys = groupKeys(names, "group_by");
  if (keys.length > 0) return keys;
  throw invalidParameter("group_by", "group_by must name a property or a field of events");
}

function routeOf(method: "get" | "post") {
  const summary = "A metric by one or two properties";
  return createRoute({
    method,
    path: PATH,
    summary,
    request: method === "get"
      ? { query: z.object(Object.fromEntries(NAMES.map((each) => [each, z.string().optional()]))) }
      : { body: { content: { "application/json": { schema: z.looseObject({}) } } } },
    responses: {
      200: { description: summary, content: { "application/json": { schema: BreakdownSchema } } },
      default: {
        description: "The question can't be answered (RFC 9457)",
        content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
      },
    },
  });
}
