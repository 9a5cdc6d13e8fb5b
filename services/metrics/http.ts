/**
 * The metrics port (8084), and `GET /v1/metrics/export` for the gateway as well: the platform's own
 * metrics as Prometheus text, JSON or CSV, inside the `ExportMetricsResponse` of `analytics.v1`.
 */
import { Hono } from "hono";
import type { AppEnv, Handler } from "../../lib/http/app.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import {
  createServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import { exportMetrics, isExportFormat } from "./export_metrics.ts";

/** The handler of the metrics port, for listen(). */
export function createMetricsHandler(options: ServiceHandlerOptions): Handler {
  const { metrics, now } = options.operational;
  return createServiceHandler({
    ...options,
    routes: [metricsRoutes(metrics, now), ...options.routes ?? []],
  });
}

/** `GET /v1/metrics/export?format=prometheus|json|csv&metric_names=...` */
export function metricsRoutes(metrics: Metrics, now: () => number = Date.now): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/v1/metrics/export", async (context) => {
    const format = context.req.query("format") || "prometheus";
    if (!isExportFormat(format)) {
      const detail = "format must be prometheus, json or csv";
      throw new ProblemError("invalid_parameter", detail, { field: "format" });
    }
    const names = ["metric_names", "metricNames"]
      .flatMap((parameter) => context.req.queries(parameter) ?? [])
      .flatMap((value) => value.split(","))
      .filter((name) => name !== "");
    return context.json(await exportMetrics(metrics, format, names, now()));
  });
  return routes;
}
