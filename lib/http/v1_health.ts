/**
 * `HealthResponse` of `analytics.v1` in proto JSON, and the route that gives it.
 */
import { Hono } from "hono";
import { type ApiRoute, jsonAnswer } from "./api_route.ts";
import type { AppEnv } from "./app.ts";
import type { HealthReport, HealthStatus } from "./operational_routes.ts";

/** The health routes of `analytics.v1`, by the service that each is about. */
export const V1_HEALTH_ROUTES = {
  events: healthRoute("events", "EventIngestionService"),
  analytics: healthRoute("analytics", "AnalyticsService"),
  metrics: healthRoute("metrics", "MetricsService"),
} as const;

function healthRoute(part: string, service: string): ApiRoute {
  return {
    method: "get",
    path: `/v1/${part}/health`,
    id: `health.${service}`,
    tag: "Health",
    summary: `How ${service} is`,
    roles: ["gateway"],
    answers: jsonAnswer("Always 200; healthy has the answer", {
      proto: "analytics.v1.HealthResponse",
    }),
    example: {},
  };
}

/** What a health route tells of. */
export interface V1HealthOptions {
  readonly route: ApiRoute;
  /** Name in `services`. */
  readonly name: string;
  readonly health: () => HealthReport;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

/** The route; always 200, since the answer is about health and is itself well. */
export function v1HealthRoute(options: V1HealthOptions): Hono<AppEnv> {
  const { route, name, health, now = Date.now } = options;
  const routes = new Hono<AppEnv>();
  routes.get(route.path, (context) => {
    const { tookMs, healthy, status, details } = v1Health(health);
    return context.json({
      healthy,
      status,
      timestamp: new Date(now()).toISOString(),
      details,
      services: [{ name, healthy, status, response_time: `${(tookMs / 1000).toFixed(6)}s` }],
    });
  });
  return routes;
}

/** What every form of HealthResponse tells of one role. */
export interface V1Health {
  readonly healthy: boolean;
  readonly status: HealthStatus;
  readonly details: Readonly<Record<string, string>>;
  readonly tookMs: number;
}

/** Asks how a role is. */
export function v1Health(health: () => HealthReport): V1Health {
  const startedMs = performance.now();
  const { status, logStatus, details } = health();
  return {
    healthy: status !== "unhealthy",
    status,
    details: { ...textsOf(details ?? {}), kafka_health: logStatus },
    tookMs: performance.now() - startedMs,
  };
}

/** map<string, string>: texts as they are, anything else as JSON. */
function textsOf(details: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value) ?? "",
    ]),
  );
}
