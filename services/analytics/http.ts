/**
 * The analytics routes: `analyticsRoutes` for the gateway (8080, `analytics.v1`) and
 * `legacyAnalyticsRoutes` for the analytics port (8083, the older generation). They turn a query
 * string into a request of answer_query.ts and its answer into JSON, and nothing else.
 *
 * Refusals are thrown as ProblemError, for the server's one error handler.
 */

import { type Context, Hono } from "hono";
import { GROUP_BY_MAX, ROW_QUESTION_SECONDS_MAX } from "../../lib/config/limits.ts";
import {
  listParameter,
  mapParameter,
  numberParameter,
  textParameter,
  timeParameter,
} from "../../lib/http/api_parameters.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import { z } from "zod";
import { METRIC_FORM } from "../../lib/query/metric.ts";
import { isType } from "../../lib/query/plan.ts";
import { LegacySummarySchema, SeriesSchema, SummarySchema } from "./answer_json.ts";
import {
  type AnalyticsPorts,
  answerLegacySummary,
  answerSummary,
  askSeries,
  type SeriesRequest,
  type SummaryRequest,
  withPoints,
} from "./answer_query.ts";
import { formatParameter } from "./answer_responses.ts";
import { answerFormat } from "./csv_answer.ts";
import { seriesCsv, summaryCsv } from "./csv_tables.ts";
import { getRoute, parametersOf, rangeParameters, readRange } from "./get_route.ts";
import { granularityParameter, type QueryParameters } from "./query_parameters.ts";
import { type Asker, askerOf, patienceOfAsker } from "./question_body.ts";
import { seriesBytes } from "./series_bytes.ts";
import { USER_ROUTES, userRoutes } from "./user_http.ts";

/** What the routes work with. */
export interface AnalyticsRoutesOptions {
  readonly ports: AnalyticsPorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const filterParameters = {
  event_types: listParameter("Event types, or EVENT_TYPE_* categories, to count"),
  filters: mapParameter("filters[NAME]=text: only events of this field or property"),
  filter: textParameter("A list of conditions as JSON (docs/ANALYTICS.md)"),
  timeout_seconds: numberParameter(
    1,
    ROW_QUESTION_SECONDS_MAX,
    "Longest wait for an answer that needs rows",
  ),
};

/** Parameters of a summary and of a time series, `format` aside. */
export const summaryRoute = getRoute({
  path: "/v1/analytics/summary",
  id: "getAnalyticsSummary",
  tag: "Counting",
  summary: "Totals of a time range",
  query: {
    ...formatParameter,
    ...rangeParameters,
    ...filterParameters,
    group_by: textParameter("event_type, by which it is grouped anyway"),
  },
  answer: SummarySchema,
  example: { query: { event_types: "page_view,purchase" } },
});

export const seriesRoute = getRoute({
  path: "/v1/analytics/timeseries",
  id: "getTimeSeries",
  tag: "Counting",
  summary: "One metric over time",
  query: {
    ...formatParameter,
    ...rangeParameters,
    ...filterParameters,
    group_by: listParameter(`Up to ${GROUP_BY_MAX} fields or properties`),
    metric: z.string().describe(`One of ${METRIC_FORM}`),
    granularity: granularityParameter("hour if missing"),
    tz: textParameter("IANA time zone of the buckets; UTC if missing"),
  },
  answer: SeriesSchema,
  example: { query: { metric: "events", granularity: "hour", tz: "Europe/Berlin" } },
});

const legacyRoute = getRoute({
  path: "/analytics/summary",
  id: "getLegacySummary",
  tag: "Counting",
  summary: "Totals of a time range, in the older form",
  description: "JSON numbers and unix seconds.",
  roles: ["analytics"],
  query: {
    from: timeParameter("First instant; an hour before the end if missing"),
    to: timeParameter("First instant after the range; the current minute's end"),
    ...filterParameters,
  },
  answer: LegacySummarySchema,
  example: {},
});

/** For the OpenAPI document. */
export const ANALYTICS_ROUTES = [summaryRoute, seriesRoute, ...USER_ROUTES, legacyRoute];

/** `GET /v1/analytics/summary`, `/timeseries` and those of users (user_http.ts). */
export function analyticsRoutes({ ports, projectOf }: AnalyticsRoutesOptions): Hono {
  const app = new Hono();
  app.get(summaryRoute.path, async (context) => {
    const query = parametersOf(context, summaryRoute.names);
    const format = answerFormat(context, query.text("format"));
    const request = summaryRequest(query, askerOf(context, projectOf));
    const answer = await answerSummary(request, ports);
    return format === "csv" ? summaryCsv(answer) : context.json(answer);
  });
  app.get(seriesRoute.path, async (context) => {
    const query = parametersOf(context, seriesRoute.names);
    const format = answerFormat(context, query.text("format"));
    const request = seriesRequest(query, askerOf(context, projectOf));
    const answer = await askSeries(request, ports);
    if (format === "csv") {
      return seriesCsv(
        withPoints(answer),
        request.by.map(({ label }) => label),
      );
    }
    return context.body(seriesBytes(answer), 200, { "content-type": "application/json" });
  });
  app.route("/", userRoutes({ ports, projectOf }));
  return app;
}

/** `GET /analytics/summary` of the older generation. */
export function legacyAnalyticsRoutes({ ports, projectOf }: AnalyticsRoutesOptions): Hono {
  const app = new Hono();
  app.get(legacyRoute.path, async (context) => {
    const query = parametersOf(context, legacyRoute.names);
    const answer = await answerLegacySummary({
      project: projectOf(context),
      range: readRange(query, "from", "to"),
      ...readFilter(query, askerOf(context, projectOf)),
    }, ports);
    return context.json(answer);
  });
  return app;
}

/** The question that the parameters of a summary put. */
export function summaryRequest(query: QueryParameters, asker: Asker): SummaryRequest {
  refuseGroupBy(query);
  return {
    project: asker.project,
    range: readRange(query, "time_range.start", "time_range.end"),
    ...readFilter(query, asker),
  };
}

/** The question that the parameters of a time series put. */
export function seriesRequest(query: QueryParameters, asker: Asker): SeriesRequest {
  return {
    project: asker.project,
    range: readRange(query, "time_range.start", "time_range.end"),
    ...readFilter(query, asker),
    metric: query.text("metric") ?? "",
    granularity: query.granularity("granularity"),
    timeZone: query.text("tz"),
    by: query.groups("group_by"),
  };
}

/** Which events to count, and how long to wait where that needs rows. */
function readFilter(
  query: QueryParameters,
  asker: Asker,
): Pick<SummaryRequest, "filter" | "patience"> {
  const timeoutSeconds = query.integer("timeout_seconds", 1, ROW_QUESTION_SECONDS_MAX);
  return { filter: query.filter(), patience: patienceOfAsker(asker, timeoutSeconds) };
}

/** A summary has the counts by type anyway; any other group is refused. */
function refuseGroupBy(query: QueryParameters): void {
  if (query.groups("group_by").every(({ subject }) => isType(subject))) return;
  const detail = "a summary is grouped by event_type only; a breakdown takes properties";
  throw invalidParameter("group_by", detail);
}
