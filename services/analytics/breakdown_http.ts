/**
 * `/v1/analytics/breakdown`, by POST with a JSON body or by GET with a query string. Both become the
 * same request of answer_breakdown.ts. Refusals are thrown as ProblemError, for the server's one
 * error handler.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  BREAKDOWN_LIMIT_DEFAULT,
  BREAKDOWN_LIMIT_MAX,
  GROUP_BY_MAX,
  ROW_QUESTION_SECONDS_MAX,
} from "../../lib/config/limits.ts";
import {
  listParameter,
  mapParameter,
  numberParameter,
  textParameter,
} from "../../lib/http/api_parameters.ts";
import { invalidParameter, message, wholeNumber } from "../../lib/http/json_body.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { METRIC_FORM } from "../../lib/query/metric.ts";
import { answerBreakdown, type BreakdownRequest } from "./answer_breakdown.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { formatParameter } from "./answer_responses.ts";
import { BreakdownSchema } from "./breakdown_json.ts";
import { answerFormat, postedFormat } from "./csv_answer.ts";
import { breakdownCsv } from "./csv_tables.ts";
import { getRoute, parametersOf, rangeParameters, readRange } from "./get_route.ts";
import { postRoute } from "./post_route.ts";
import { granularityNamed, granularityParameter, groupKeys } from "./query_parameters.ts";
import { commonShape, filterOf, name, patienceOf, rangeOf, readBody } from "./question_body.ts";

/** What the routes work with. */
export interface BreakdownRoutesOptions {
  readonly ports: AnalyticsPorts;
  readonly bodies: BodyReader;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const PATH = "/v1/analytics/breakdown";
const SUMMARY = "A metric by one or two properties";

const BreakdownBody = message({
  ...commonShape,
  metric: z.string("must be a text").describe(`One of ${METRIC_FORM}`),
  group_by: z.union([z.string(), z.array(z.string())], "must be a name or a list of names")
    .describe(`1 to ${GROUP_BY_MAX} fields or properties`),
  limit: wholeNumber(1, BREAKDOWN_LIMIT_MAX).optional()
    .describe(`Groups to tell one by one; ${BREAKDOWN_LIMIT_DEFAULT} if missing`),
  granularity: z.union([z.string(), z.number()], "must be a text").optional()
    .describe("minute, hour, day, week or month; in total only if missing"),
  tz: name.optional().describe("IANA time zone of the buckets; UTC if missing"),
});

const breakdownPost = postRoute({
  path: PATH,
  id: "askBreakdown",
  tag: "Counting",
  summary: SUMMARY,
  asks: BreakdownBody,
  answer: BreakdownSchema,
  example: { body: { metric: "events", group_by: ["page"], limit: 10 } },
});
const breakdownGet = getRoute({
  path: PATH,
  id: "getBreakdown",
  tag: "Counting",
  summary: SUMMARY,
  query: {
    ...formatParameter,
    ...rangeParameters,
    event_types: listParameter("Only events of these types"),
    filters: mapParameter("filters[NAME]=text: only events of this field or property"),
    filter: textParameter("A list of conditions as JSON (docs/ANALYTICS.md)"),
    timeout_seconds: numberParameter(1, ROW_QUESTION_SECONDS_MAX, "Longest wait, s"),
    metric: z.string().describe(`One of ${METRIC_FORM}`),
    group_by: z.array(z.string()).describe(
      `1 to ${GROUP_BY_MAX} fields or properties; a comma list or repeated`,
    ),
    limit: numberParameter(
      1,
      BREAKDOWN_LIMIT_MAX,
      `Groups to tell one by one; ${BREAKDOWN_LIMIT_DEFAULT} if missing`,
    ),
    granularity: granularityParameter("In total only if missing"),
    tz: textParameter("IANA time zone of the buckets; UTC if missing"),
  },
  answer: BreakdownSchema,
  example: { query: { metric: "sum:amount", group_by: "event_type" } },
});

/** For the OpenAPI document. */
export const BREAKDOWN_ROUTES = [breakdownGet, breakdownPost];

/** `POST` and `GET /v1/analytics/breakdown`. */
export function breakdownRoutes({ ports, bodies, projectOf }: BreakdownRoutesOptions): Hono {
  const app = new Hono();
  app.post(PATH, async (context) => {
    const format = postedFormat(context);
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
    const answer = await answerBreakdown(request, ports);
    return format === "csv" ? breakdownCsv(answer) : context.json(answer);
  });
  app.get(PATH, async (context) => {
    const query = parametersOf(context, breakdownGet.names);
    const format = answerFormat(context, query.text("format"));
    const timeoutSeconds = query.integer("timeout_seconds", 1, ROW_QUESTION_SECONDS_MAX);
    const request: BreakdownRequest = {
      project: projectOf(context),
      range: readRange(query, "time_range.start", "time_range.end"),
      filter: query.filter(),
      metric: query.text("metric") ?? "",
      by: groupsOf(query.list("group_by")),
      limit: query.integer("limit", 1, BREAKDOWN_LIMIT_MAX),
      granularity: query.granularity("granularity"),
      timeZone: query.text("tz"),
      patience: patienceOf(context, timeoutSeconds),
    };
    const answer = await answerBreakdown(request, ports);
    return format === "csv" ? breakdownCsv(answer) : context.json(answer);
  });
  return app;
}

function groupsOf(names: readonly string[]) {
  const keys = groupKeys(names, "group_by");
  if (keys.length > 0) return keys;
  throw invalidParameter("group_by", "group_by must name a property or a field of events");
}
