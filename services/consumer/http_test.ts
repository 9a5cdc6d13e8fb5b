import assert from "node:assert/strict";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { type ConsumerStats, createConsumerHandler } from "./http.ts";

const STATS: ConsumerStats = {
  consumer: {
    processed_events: 10,
    failed_events: 0,
    retried_events: 0,
    dlq_events: 0,
    processing_rate: 2.5,
    avg_processing_ms: 0.1,
    last_message_time: "2026-01-31T12:00:00.000Z",
  },
  stream: {
    events_processed: 10,
    events_filtered: 1,
    events_error: 0,
    avg_latency_ms: 3,
    throughput_per_sec: 2.5,
  },
};

Deno.test("createConsumerHandler() answers /stats and /lag as the contract says", async () => {
  const lag = { "analytics-events": { "0": 0, "1": 17 } };
  const handler = createConsumerHandler({
    operational: {
      service: "consumer",
      metrics: createMetrics(0),
      startedAtMs: 0,
      health: () => ({ status: "healthy", logStatus: "healthy" }),
      ready: () => ({ ready: true }),
      now: () => 1_500,
    },
    logger: createLogger("silent"),
    stats: () => STATS,
    lag: () => lag,
  });
  const get = async (path: string) =>
    await (await handler(new Request(`http://localhost:8082${path}`))).json();
  const frame = {
    service: "consumer",
    timestamp: "1970-01-01T00:00:01.500Z",
    uptime_seconds: 1.5,
  };
  assert.deepEqual(await get("/stats"), { ...frame, ...STATS });
  assert.deepEqual(await get("/lag"), { ...frame, lag });
});
