import assert from "node:assert/strict";
import { createLogger } from "../telemetry/logger.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { type HealthReport, type OperationalOptions } from "./operational_routes.ts";
import { createServiceHandler } from "./service_handler.ts";
import { V1_HEALTH_ROUTES, v1HealthRoute } from "./v1_health.ts";

const STARTED_MS = Date.parse("2026-01-31T12:00:00.000Z");
const FRAME = {
  service: "consumer",
  timestamp: "2026-01-31T12:00:02.500Z",
  uptime_seconds: 2.5,
};

/** Sends a GET to a role made with these options; gives status, body and headers. */
async function get(path: string, options: Partial<OperationalOptions> = {}) {
  const now = () => STARTED_MS + 2_500;
  const operational: OperationalOptions = {
    service: "consumer",
    metrics: createMetrics(STARTED_MS, now),
    startedAtMs: STARTED_MS,
    health: () => ({ status: "healthy", logStatus: "healthy" }),
    ready: () => ({ ready: true }),
    now,
    ...options,
  };
  const health = () => operational.health();
  const handler = createServiceHandler({
    operational,
    logger: createLogger("silent"),
    routes: [v1HealthRoute({ route: V1_HEALTH_ROUTES.events, name: "ingestion", health, now })],
  });
  const response = await handler(new Request(`http://localhost${path}`));
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return {
    status: response.status,
    body: isJson ? JSON.parse(text) : text,
    headers: response.headers,
  };
}

Deno.test("GET /health has the members of the contract and the role's own", async () => {
  const health = (): HealthReport => (
    { status: "degraded", logStatus: "unhealthy", details: { messages_sent: 7 } }
  );
  const { status, body, headers } = await get("/health", { health });
  assert.equal(status, 200);
  assert.equal(headers.get("cache-control"), "no-store");
  assert.deepEqual(body, {
    ...FRAME,
    status: "degraded",
    kafka_health: "unhealthy",
    messages_sent: 7,
  });
});

Deno.test("GET /health answers 503 when the role is unhealthy", async () => {
  const health = (): HealthReport => ({ status: "unhealthy", logStatus: "unhealthy" });
  const { status, body } = await get("/health", { health });
  assert.equal(status, 503);
  assert.equal(body.status, "unhealthy");
});

Deno.test("GET /ready answers 200 when ready, else 503 with the reason", async () => {
  const ready = await get("/ready");
  assert.deepEqual([ready.status, ready.body], [200, { ...FRAME, ready: true }]);
  const not = await get("/ready", { ready: () => ({ ready: false, reason: "draining" }) });
  assert.deepEqual([not.status, not.body], [503, { ...FRAME, ready: false, reason: "draining" }]);
});

Deno.test("GET /stats and /lag are there only when the role has them", async () => {
  const stats = await get("/stats", { stats: () => ({ consumer: { processed_events: 1 } }) });
  assert.deepEqual(stats.body, { ...FRAME, consumer: { processed_events: 1 } });
  const lag = await get("/lag", { lag: () => ({ "analytics-events": { "0": 12 } }) });
  assert.deepEqual(lag.body, { ...FRAME, lag: { "analytics-events": { "0": 12 } } });
  assert.equal((await get("/stats")).status, 404);
  assert.equal((await get("/lag")).status, 404);
});

Deno.test("GET /metrics answers in Prometheus' text format", async () => {
  const { status, body, headers } = await get("/metrics");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(body, /^service_uptime_seconds\{service="consumer"\} 2\.5$/m);
});

Deno.test("v1HealthRoute() answers HealthResponse in proto JSON form", async () => {
  const health = (): HealthReport => (
    { status: "degraded", logStatus: "healthy", details: { lag: { "0": 3 }, log: "sqlite" } }
  );
  const { status, body } = await get("/v1/events/health", { health });
  assert.equal(status, 200);
  assert.match(body.services[0].response_time, /^\d+\.\d{6}s$/);
  delete body.services[0].response_time;
  assert.deepEqual(body, {
    healthy: true,
    status: "degraded",
    timestamp: FRAME.timestamp,
    details: { lag: '{"0":3}', log: "sqlite", kafka_health: "healthy" },
    services: [{ name: "ingestion", healthy: true, status: "degraded" }],
  });
});
