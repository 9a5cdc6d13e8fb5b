/**
 * `/health`, `/ready`, `/stats`, `/lag` and `/metrics`: the same for every role, filled by what the
 * role can say of itself. Bodies are those of the contract; members may be added.
 *
 *     /health  200 while healthy or degraded, 503 when unhealthy
 *     /ready   200 when requests may be sent here, else 503 and `reason`
 */
import { Hono } from "hono";
import { z } from "zod";
import { type Role, ROLES } from "../config/variables.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type ApiRoute, jsonAnswer } from "./api_route.ts";
import type { AppEnv } from "./app.ts";

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

const frameMembers = {
  service: z.enum(ROLES),
  timestamp: z.string().describe("RFC 3339, UTC"),
  uptime_seconds: z.number(),
};
const STATUS = z.enum(["healthy", "degraded", "unhealthy"]);

const HealthSchema = z.looseObject({
  status: STATUS,
  ...frameMembers,
  kafka_health: STATUS.describe("Whether the event log can be reached, Kafka or not"),
}).meta({ id: "RoleHealth" });
const ReadySchema = z.strictObject({
  ready: z.boolean(),
  reason: z.string().optional().describe("Why not"),
  ...frameMembers,
}).meta({ id: "RoleReady" });
const StatsSchema = z.looseObject(frameMembers).meta({ id: "RoleStats" });
const LagSchema = z.strictObject({
  ...frameMembers,
  lag: z.record(z.string(), z.record(z.string(), z.number()))
    .describe("By topic and partition: events that are in the log and not stored yet"),
}).meta({ id: "Lag" });

const common = { method: "get", tag: "Health", roles: ROLES, example: {} } as const;
const either = (good: string, bad: string, shape: z.ZodType): ApiRoute["answers"] => ({
  200: { description: good, content: { "application/json": shape } },
  503: { description: bad, content: { "application/json": shape } },
});

const healthRoute: ApiRoute = {
  ...common,
  path: "/health",
  id: "getHealth",
  summary: "How the role of this port is",
  answers: either("Healthy or degraded", "Unhealthy", HealthSchema),
};
const readyRoute: ApiRoute = {
  ...common,
  path: "/ready",
  id: "getReady",
  summary: "Whether requests may be sent to this port",
  answers: either("They may", "They may not, and why", ReadySchema),
};
const metricsRoute: ApiRoute = {
  ...common,
  path: "/metrics",
  id: "getPrometheusMetrics",
  summary: "The process's metrics, for Prometheus",
  answers: { 200: { description: "The metrics", content: { "text/plain": z.string() } } },
};
const statsRoute: ApiRoute = {
  ...common,
  path: "/stats",
  id: "getStats",
  summary: "What the role of this port has done",
  roles: ["ingestion", "consumer"],
  answers: jsonAnswer("Counts since the start, and rates", StatsSchema),
};
const lagRoute: ApiRoute = {
  ...common,
  path: "/lag",
  id: "getLag",
  summary: "How many events wait to be processed",
  roles: ["consumer"],
  answers: jsonAnswer("The lag", LagSchema),
};

/** For the OpenAPI document. */
export const OPERATIONAL_ROUTES = [healthRoute, readyRoute, metricsRoute, statsRoute, lagRoute];

/** How a role is. */
export interface HealthReport {
  readonly status: HealthStatus;
  /** Whether the event log can be reached: `kafka_health`, whatever kind of log it is. */
  readonly logStatus: HealthStatus;
  /** Further members of the body, in snake_case. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Whether requests may be sent here; `reason` says why not. */
export interface ReadyReport {
  readonly ready: boolean;
  readonly reason?: string;
}

export interface OperationalOptions {
  readonly service: Role;
  readonly metrics: Metrics;
  /** When the process started, ms since the epoch. */
  readonly startedAtMs: number;
  health(): HealthReport;
  ready(): ReadyReport;
  /** Members of `/stats`; no such route when missing. */
  stats?(): Readonly<Record<string, unknown>>;
  /** Lag by topic and partition, events or offsets; no such route when missing. */
  lag?(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

const headers = { "cache-control": "no-store" };

/** The routes, to be mounted at the root of a role's app. */
export function operationalRoutes(options: OperationalOptions): Hono<AppEnv> {
  const { service, metrics } = options;
  const now = options.now ?? Date.now;
  const frame = () => ({
    service,
    timestamp: new Date(now()).toISOString(),
    uptime_seconds: Math.round(now() - options.startedAtMs) / 1000,
  });
  const routes = new Hono<AppEnv>();
  routes.get(healthRoute.path, (context) => {
    const { status, logStatus, details } = options.health();
    const body = { ...details, status, ...frame(), kafka_health: logStatus };
    return context.json(body, status === "unhealthy" ? 503 : 200, headers);
  });
  routes.get(readyRoute.path, (context) => {
    const { ready, reason } = options.ready();
    return context.json({ ready, reason, ...frame() }, ready ? 200 : 503, headers);
  });
  routes.get(metricsRoute.path, async (context) => {
    const text = await metrics.text();
    return context.body(text, 200, { ...headers, "content-type": metrics.contentType });
  });
  const { stats, lag } = options;
  if (stats !== undefined) {
    routes.get(
      statsRoute.path,
      (context) => context.json({ ...frame(), ...stats() }, 200, headers),
    );
  }
  if (lag !== undefined) {
    routes.get(lagRoute.path, (context) => context.json({ ...frame(), lag: lag() }, 200, headers));
  }
  return routes;
}
