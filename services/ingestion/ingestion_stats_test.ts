import assert from "node:assert/strict";
import { IngestionStats } from "./ingestion_stats.ts";

Deno.test("snapshot() gives counts, mean latency and recent throughput", () => {
  const stats = new IngestionStats(0);
  assert.deepEqual(stats.snapshot(0), {
    messages_sent: 0,
    messages_error: 0,
    avg_latency_ms: 0,
    throughput_per_sec: 0,
  });
  stats.accepted(100, 3, 1_000);
  stats.accepted(1, 2, 1_500);
  stats.failed(4);
  assert.deepEqual(stats.snapshot(2_000), {
    messages_sent: 101,
    messages_error: 4,
    avg_latency_ms: 2.5,
    throughput_per_sec: 50.5,
  });
});
