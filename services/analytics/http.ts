/**
 * The analytics routes: `analyticsRoutes` for the gateway (8080, `analytics.v1`) and
 * `legacyAnalyticsRoutes` for the analytics port (8083, the older generation). They turn a query
 * string into a request of answer_query.ts and its answer into JSON, and nothing else.
 *
 * Refusals are thrown as ProblemError, for the server's one error handler. The routes are in the
 * OpenAPI registry of the returned app; query strings are read by query_parameters.ts and not by
 * schema, because they take more forms than one (lowerCamel names, repeated or comma lists).
 */

import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import {
  GROUP_BY_MAX,
  ROW_QUESTION_SECONDS_MAX,
  USER_EVENTS_PAGE_DEFAULT,
  USER_EVENTS_PAGE_MAX,
} from "../../lib/config/limits.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import { METRIC_FORM } from "../../lib/query/metric.ts";
import { isType } from "../../lib/query/plan.ts";
import { LegacySummarySchema, SeriesSchema, SummarySchema, UserSchema } from "./answer_json.ts";
import {
  type AnalyticsPorts,
  answerLegacySummary,
  answerSeries,
  answerSummary,
  type SummaryRequest,
} from "./answer_query.ts";
import { answerUser } from "./answer_user.ts";
import type { RequestedRange } from "./asked_range.ts";
import { QueryParameters } from "./query_parameters.ts";
import { patienceOf } from "./question_body.ts";
import { seriesText } from "./series_text.ts";

/** What the routes work with. */
export interface AnalyticsRoutesOptions {
  readonly ports: AnalyticsPorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const timeParameter = (what: string) =>
  z.string().optional().describe(`${what}: RFC 3339, or unix seconds or milliseconds`);

const rangeParameters = {
  "time_range.start": timeParameter("First instant; 24 hours before the end if missing"),
  "time_range.end": timeParameter("First instant after the range; the current minute's end"),
};
const filterParameters = {
  event_types: z.string().optional().describe(
    "Event types, or EVENT_TYPE_* categories, to count; a comma list or repeated",
  ),
  filters: z.string().optional().describe(
    "filters[NAME]=text: only events of this field or property",
  ),
  filter: z.string().optional().describe("A list of conditions as JSON (docs/ANALYTICS.md)"),
  timeout_seconds: z.string().optional().describe(
    `Longest wait for an answer that needs rows, 1 to ${ROW_QUESTION_SECONDS_MAX}`,
  ),
};

const summaryRoute = getRoute("/v1/analytics/summary", "Totals of a time range", SummarySchema, {
  ...rangeParameters,
  ...filterParameters,
  group_by: z.string().optional().describe("event_type"),
});

const seriesRoute = getRoute("/v1/analytics/timeseries", "One metric over time", SeriesSchema, {
  ...rangeParameters,
  ...filterParameters,
  group_by: z.string().optional().describe(
    `Up to ${GROUP_BY_MAX} fields or properties, a comma list or repeated`,
  ),
  metric: z.string().describe(`One of ${METRIC_FORM}`),
  granularity: z.string().optional().describe("minute, hour (default), day, week or month"),
  tz: z.string().optional().describe("IANA time zone of the buckets; UTC if missing"),
});

const userRoute = getRoute("/v1/analytics/users/{user_id}", "One user's profile", UserSchema, {
  ...rangeParameters,
  include_events: z.string().optional().describe("true: give the events in the range too"),
  include_sessions: z.string().optional().describe("true is not answered yet"),
  limit: z.string().optional().describe(
    `Events on a page, 1 to ${USER_EVENTS_PAGE_MAX}; ${USER_EVENTS_PAGE_DEFAULT} if missing`,
  ),
  page_token: z.string().optional().describe("next_page_token of the page before"),
});

const legacyRoute = getRoute("/analytics/summary", "Totals of a time range", LegacySummarySchema, {
  from: timeParameter("First instant; an hour before the end if missing"),
  to: timeParameter("First instant after the range; the current minute's end"),
  ...filterParameters,
});

/** `GET /v1/analytics/summary`, `/timeseries` and `/users/{user_id}`. */
export function analyticsRoutes({ ports, projectOf }: AnalyticsRoutesOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  for (const { config } of [summaryRoute, seriesRoute, userRoute]) {
    app.openAPIRegistry.registerPath(config);
  }
  app.get(summaryRoute.path, async (context) => {
    const query = parametersOf(context, summaryRoute.names);
    refuseGroupBy(query);
    const answer = await answerSummary({
      project: projectOf(context),
      range: readRange(query, "time_range.start", "time_range.end"),
      ...readFilter(query, context),
    }, ports);
    return context.json(answer);
  });
  app.get(seriesRoute.path, async (context) => {
    const query = parametersOf(context, seriesRoute.names);
    const answer = await answerSeries({
      project: projectOf(context),
      range: readRange(query, "time_range.start", "time_range.end"),
      ...readFilter(query, context),
      metric: query.text("metric") ?? "",
      granularity: query.granularity("granularity"),
      timeZone: query.text("tz"),
      by: query.groups("group_by"),
    }, ports);
    return context.body(seriesText(answer), 200, { "content-type": "application/json" });
  });
  app.get(userRoute.path, async (context) => {
    const query = parametersOf(context, userRoute.names);
    if (query.flag("include_sessions")) {
      const detail = "the list of a user's sessions is not answered yet; leave it out";
      throw invalidParameter("include_sessions", detail);
    }
    const answer = await answerUser({
      project: projectOf(context),
      userId: context.req.param("user_id") ?? "",
      range: readRange(query, "time_range.start", "time_range.end"),
      includeEvents: query.flag("include_events"),
      limit: query.integer("limit", 1, USER_EVENTS_PAGE_MAX),
      pageToken: query.text("page_token"),
    }, ports);
    return context.json(answer);
  });
  return app;
}

/** `GET /analytics/summary` of the older generation. */
export function legacyAnalyticsRoutes({ ports, projectOf }: AnalyticsRoutesOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerPath(legacyRoute.config);
  app.get(legacyRoute.path, async (context) => {
    const query = parametersOf(context, legacyRoute.names);
    const answer = await answerLegacySummary({
      project: projectOf(context),
      range: readRange(query, "from", "to"),
      ...readFilter(query, context),
    }, ports);
    return context.json(answer);
  });
  return app;
}

interface GetRoute {
  /** For the OpenAPI document. */
  readonly config: RouteConfig;
  /** The path as Hono writes it. */
  readonly path: string;
  /** Parameters of the query string. */
  readonly names: readonly string[];
}

/** A GET route that answers 200 with the schema or a problem (RFC 9457). */
function getRoute(
  path: string,
  summary: string,
  answer: z.ZodType,
  query: Record<string, z.ZodType>,
): GetRoute {
  const pathParameters = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const config = createRoute({
    method: "get",
    path,
    summary,
    request: {
      query: z.object(query),
      ...(pathParameters.length === 0 ? {} : {
        params: z.object(Object.fromEntries(pathParameters.map((name) => [name, z.string()]))),
      }),
    },
    responses: {
      200: { description: summary, content: { "application/json": { schema: answer } } },
      default: {
        description: "The question can't be answered (RFC 9457)",
        content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
      },
    },
  });
  return { config, path: config.getRoutingPath(), names: Object.keys(query) };
}

function parametersOf(context: Context, names: readonly string[]): QueryParameters {
  return new QueryParameters(new URL(context.req.url).searchParams, names);
}

function readRange(query: QueryParameters, start: string, end: string): RequestedRange {
  return { startMs: query.time(start), endMs: query.time(end) };
}

/** Which events to count, and how long to wait where that needs rows. */
function readFilter(
  query: QueryParameters,
  context: Context,
): Pick<SummaryRequest, "filter" | "patience"> {
  const timeoutSeconds = query.integer("timeout_seconds", 1, ROW_QUESTION_SECONDS_MAX);
  return { filter: query.filter(), patience: patienceOf(context, timeoutSeconds) };
}

/** A summary has the counts by type anyway; any other group is refused. */
function refuseGroupBy(query: QueryParameters): void {
  if (query.groups("group_by").every(({ subject }) => isType(subject))) return;
  const detail = "a summary is grouped by event_type only; a breakdown takes properties";
  throw invalidParameter("group_by", detail);
}
