import assert from "node:assert/strict";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { createMetricsHandler } from "./http.ts";
import { MetricHistory } from "./metric_history.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");

/** Asks the metrics port; gives the response. */
function get(path: string): Promise<Response> {
  const metrics = createMetrics(NOW_MS, () => NOW_MS);
  metrics.eventCounts.add("ingestion", "success", 'a "quoted", type', 3);
  const handler = createMetricsHandler({
    operational: {
      service: "metrics",
      metrics,
      startedAtMs: NOW_MS,
      health: () => ({ status: "healthy", logStatus: "healthy" }),
      ready: () => ({ ready: true }),
      now: () => NOW_MS,
    },
    logger: createLogger("silent"),
    history: new MetricHistory(),
  });
  return handler(new Request(`http://localhost:8084${path}`));
}

const exported = async (query: string) => {
  const response = await get(`/v1/metrics/export${query}`);
  assert.equal(response.status, 200);
  return await response.json();
};

Deno.test("GET /v1/metrics/export gives Prometheus text unless a format is asked for", async () => {
  const all = await exported("");
  assert.match(all.content_type, /^text\/plain/);
  assert.match(all.data, /^events_total 3$/m);
  assert.match(all.metrics_count, /^\d+$/);
  const named = await exported("?format=prometheus&metric_names=events_total,not_there");
  assert.equal(named.metrics_count, "1");
  assert.match(
    named.data,
    /^# HELP events_total .*\n# TYPE events_total counter\nevents_total 3\n$/,
  );
});

Deno.test("GET /v1/metrics/export gives Metric values when the format is json", async () => {
  const answer = await exported("?format=json&metricNames=events_processed_total");
  assert.equal(answer.content_type, "application/json");
  assert.deepEqual(JSON.parse(answer.data), [{
    name: "events_processed_total",
    type: "METRIC_TYPE_COUNTER",
    value: 3,
    labels: { service: "ingestion", event_type: 'a "quoted", type', status: "success" },
    timestamp: "2026-01-31T12:00:00.000Z",
    metadata: { description: "Events by role, type and outcome: success, rejected or duplicate" },
  }]);
});

Deno.test("GET /v1/metrics/export quotes fields as RFC 4180 says when the format is csv", async () => {
  const answer = await exported("?format=csv&metric_names=events_processed_total");
  assert.equal(answer.content_type, "text/csv; charset=utf-8");
  const labels = '{""service"":""ingestion"",""event_type"":""a \\""quoted\\"", type"",' +
    '""status"":""success""}';
  assert.equal(
    answer.data,
    "name,type,value,labels,timestamp\r\n" +
      `events_processed_total,METRIC_TYPE_COUNTER,3,"${labels}",2026-01-31T12:00:00.000Z\r\n`,
  );
});

Deno.test("GET /v1/metrics/export gives every value of a histogram by its own name", async () => {
  const answer = await exported("?format=json&metric_names=rta_store_commit_duration_seconds");
  const names = new Set(JSON.parse(answer.data).map(({ name }: { name: string }) => name));
  assert.deepEqual([...names].sort(), [
    "rta_store_commit_duration_seconds_bucket",
    "rta_store_commit_duration_seconds_count",
    "rta_store_commit_duration_seconds_sum",
  ]);
});

Deno.test("GET /v1/metrics/export refuses a format it does not know", async () => {
  const response = await get("/v1/metrics/export?format=xml");
  assert.equal(response.status, 400);
  const body = await response.json();
  assert.deepEqual([body.code, body.field], ["invalid_parameter", "format"]);
});
