import assert from "node:assert/strict";
import { Hono } from "hono";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { createGatewayHandler } from "./http.ts";

/** A gateway with one mounted router; asks it for a path. */
function get(path: string): Promise<Response> {
  const routes = new Hono();
  routes.get("/v1/analytics/summary", (context) => context.json({ total_events: "7" }));
  const handler = createGatewayHandler({
    operational: {
      service: "gateway",
      metrics: createMetrics(0),
      startedAtMs: 0,
      health: () => ({ status: "healthy", logStatus: "healthy" }),
      ready: () => ({ ready: true }),
    },
    logger: createLogger("silent"),
    serviceHealth: {
      events: () => ({ status: "unhealthy", logStatus: "unhealthy" }),
      analytics: () => ({ status: "degraded", logStatus: "healthy" }),
      metrics: () => ({ status: "healthy", logStatus: "healthy" }),
    },
    routes: [routes],
  });
  return handler(new Request(`http://localhost:8080${path}`));
}

Deno.test("createGatewayHandler() answers mounted routes beside its own", async () => {
  assert.deepEqual(await (await get("/v1/analytics/summary")).json(), { total_events: "7" });
  assert.equal((await get("/health")).status, 200);
  assert.equal((await get("/ready")).status, 200);
  assert.equal((await get("/metrics")).status, 200);
  const missing = await get("/v1/nothing");
  assert.equal(missing.status, 404);
  assert.equal((await missing.json()).code, "not_found");
});

Deno.test("createGatewayHandler() tells how the services behind it are", async () => {
  const expected = { events: "unhealthy", analytics: "degraded", metrics: "healthy" };
  for (const [name, status] of Object.entries(expected)) {
    const body = await (await get(`/v1/${name}/health`)).json();
    assert.equal(body.status, status);
    assert.equal(body.healthy, status !== "unhealthy");
    assert.equal(body.services.length, 1);
  }
});
