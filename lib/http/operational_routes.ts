/**
 * `/health`, `/ready`, `/stats`, `/lag` and `/metrics`: the same for every role, filled by what the
 * role can say of itself. Bodies are those of the contract; members may be added.
 *
 *     /health  200 while healthy or degraded, 503 when unhealthy
 *     /ready   200 when requests may be sent here, else 503 and `reason`
 */
import { Hono } from "hono";
import type { Role } from "../config/variables.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AppEnv } from "./app.ts";

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

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
  routes.get("/health", (context) => {
    const { status, logStatus, details } = options.health();
    const body = { ...details, status, ...frame(), kafka_health: logStatus };
    return context.json(body, status === "unhealthy" ? 503 : 200, headers);
  });
  routes.get("/ready", (context) => {
    const { ready, reason } = options.ready();
    return context.json({ ready, reason, ...frame() }, ready ? 200 : 503, headers);
  });
  routes.get("/metrics", async (context) => {
    const text = await metrics.text();
    return context.body(text, 200, { ...headers, "content-type": metrics.contentType });
  });
  const { stats, lag } = options;
  if (stats !== undefined) {
    routes.get("/stats", (context) => context.json({ ...frame(), ...stats() }, 200, headers));
  }
  if (lag !== undefined) {
    routes.get("/lag", (context) => context.json({ ...frame(), lag: lag() }, 200, headers));
  }
  return routes;
}
