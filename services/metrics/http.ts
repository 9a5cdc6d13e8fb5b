/**
 * The metrics port (8084), and `GET /v1/metrics/export` for the gateway as well: the platform's own
 * metrics as Prometheus text, JSON or CSV, inside the `ExportMetricsResponse` of `analytics.v1`.
 */
import { Hono } from "hono";
import {
  listParameter,
  mapParameter,
  timeParameter,
  wordParameter,
} from "../../lib/http/api_parameters.ts";
import { type ApiRoute, jsonAnswer } from "../../lib/http/api_route.ts";
import type { AppEnv } from "../../lib/http/app.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import {
  createServiceHandler,
  type ServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";
import { ECHO_CHARS_MAX } from "../../lib/config/limits.ts";
import { invalidParameter, protoName, TIME_FORM, timeOf } from "../../lib/http/json_body.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import {
  aggregationNamed,
  AGGREGATIONS,
  answerMetrics,
  type MetricsRequest,
} from "./answer_metrics.ts";
import type { MetricHistory } from "./metric_history.ts";
import { exportMetrics, isExportFormat } from "./export_metrics.ts";

const common = { method: "get", tag: "Metrics", roles: ["gateway", "metrics"] } as const;
const names = listParameter("Names as in Prometheus; all if missing");

const metricsRoute: ApiRoute = {
  ...common,
  path: "/v1/metrics",
  id: "getMetrics",
  summary: "The process's own metrics: of now, or what a time range of the last hour comes to",
  query: {
    metric_names: names,
    "time_range.start": timeParameter("First instant"),
    "time_range.end": timeParameter("First instant after the range"),
    labels: mapParameter("labels[NAME]=text: series that have this label"),
    aggregation: wordParameter(
      AGGREGATIONS.map((name) => `METRIC_AGGREGATION_${name}`) as [string],
      "Of the samples in the range; the last value if missing. The prefix may be left out",
    ),
  },
  answers: jsonAnswer("The metrics", { proto: "analytics.v1.GetMetricsResponse" }),
  example: { query: { metric_names: "events_total" } },
};
const exportRoute: ApiRoute = {
  ...common,
  path: "/v1/metrics/export",
  id: "exportMetrics",
  summary: "The metrics as a text in JSON",
  query: {
    format: wordParameter(["prometheus", "json", "csv"], "prometheus if missing"),
    metric_names: names,
  },
  answers: jsonAnswer("The text", { proto: "analytics.v1.ExportMetricsResponse" }),
  example: { query: { format: "csv", metric_names: "events_total" } },
};

/** For the OpenAPI document. */
export const METRICS_ROUTES = [metricsRoute, exportRoute];

export interface MetricsHandlerOptions extends ServiceHandlerOptions {
  readonly history: MetricHistory;
}

/** The handler of the metrics port, for listen(). */
export function createMetricsHandler(options: MetricsHandlerOptions): ServiceHandler {
  const { metrics, now } = options.operational;
  return createServiceHandler({
    ...options,
    routes: [metricsRoutes(metrics, options.history, now), ...options.routes ?? []],
  });
}

/**
 * `GET /v1/metrics/export?format=prometheus|json|csv&metric_names=...` and
 * `GET /v1/metrics?metric_names=...&time_range.start=...&labels[service]=...&aggregation=P95`
 */
export function metricsRoutes(
  metrics: Metrics,
  history: MetricHistory,
  now: () => number = Date.now,
): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get(metricsRoute.path, async (context) => {
    const request = readMetricsRequest(new URL(context.req.url).searchParams);
    return context.json(await answerMetrics(request, metrics, history, now()));
  });
  routes.get(exportRoute.path, async (context) => {
    const format = context.req.query("format") || "prometheus";
    if (!isExportFormat(format)) {
      const detail = "format must be prometheus, json or csv";
      throw new ProblemError("invalid_parameter", detail, { field: "format" });
    }
    const names = namesOf(new URL(context.req.url).searchParams);
    return context.json(await exportMetrics(metrics, format, names, now()));
  });
  return routes;
}

/** `labels[service]` or `labels.service`. */
const LABEL = /^labels(?:\[(.+)\]|\.(.+))$/;

/** Reads the parameters of GetMetrics. Throws ProblemError invalid_parameter. */
function readMetricsRequest(search: URLSearchParams): MetricsRequest {
  const labels: Record<string, string> = {};
  const times: { start: number | null; end: number | null } = { start: null, end: null };
  let aggregation = "";
  for (const [sent, value] of search) {
    const label = LABEL.exec(sent);
    const name = protoName(sent);
    if (label !== null) labels[label[1] ?? label[2]] = value;
    else if (name === "aggregation") aggregation = value;
    else if (name === "time_range.start") times.start = timeNamed(name, value);
    else if (name === "time_range.end") times.end = timeNamed(name, value);
    else if (name !== "metric_names") {
      const shown = sent.slice(0, ECHO_CHARS_MAX);
      const known = "metric_names, time_range.start, time_range.end, labels, aggregation";
      throw invalidParameter(shown, `unknown parameter; this route takes ${known}`);
    }
  }
  return {
    names: namesOf(search),
    startMs: times.start,
    endMs: times.end,
    labels,
    aggregation: aggregationNamed(aggregation),
  };
}

function timeNamed(name: string, text: string): number | null {
  if (text === "") return null;
  const ms = timeOf(text);
  if (Number.isNaN(ms)) throw invalidParameter(name, `${name} must be ${TIME_FORM}`);
  return ms;
}

function namesOf(search: URLSearchParams): string[] {
  return ["metric_names", "metricNames"].flatMap((parameter) => search.getAll(parameter))
    .flatMap((value) => value.split(","))
    .filter((name) => name !== "");
}
