import assert from "node:assert/strict";
import { METRIC_EVENT_TYPES_MAX } from "../config/limits.ts";
import { BATCH_SLOT } from "./event_durations.ts";
import { createMetrics } from "./metrics.ts";

/** Names and labels that dashboards use: contract, section 2. */
const CONTRACT: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  events_processed_total: ["counter", ["service", "event_type", "status"]],
  events_total: ["counter", []],
  event_processing_duration_seconds: ["histogram", ["service", "event_type"]],
  errors_total: ["counter", ["service", "error_type"]],
  kafka_consumer_lag_total: ["gauge", ["topic", "partition", "consumer_group"]],
  kafka_connectivity_status: ["gauge", []],
  backpressure_active_total: ["gauge", []],
  manual_commits_total: ["counter", []],
  processing_rate_current: ["gauge", []],
  service_uptime_seconds: ["gauge", ["service"]],
  active_connections_total: ["gauge", ["service", "connection_type"]],
};

/** Metrics with every labelled one set once. */
function filledMetrics() {
  const metrics = createMetrics(1_000, () => 3_500);
  metrics.eventCounts.add("ingestion", "success", "page_view", 3);
  metrics.eventCounts.add("consumer", "duplicate", "page_view", 1);
  metrics.eventCounts.addRejected("ingestion", 2);
  metrics.eventDuration.observeSlot("ingestion", BATCH_SLOT, 0.002);
  metrics.errors.inc({ service: "ingestion", error_type: "invalid_json" });
  metrics.logLag.set({ topic: "analytics-events", partition: "0", consumer_group: "rta" }, 7);
  metrics.queryDuration.observe({ question: "summary" }, 0.001);
  metrics.ringBytes.set({ ring: "append" }, 10);
  const meter = metrics.httpMeter("ingestion");
  meter.begin();
  meter.begin();
  meter.end(200);
  return metrics;
}

Deno.test("createMetrics() has names, types and labels of the contract when all are set", async () => {
  const json = await filledMetrics().registry.getMetricsAsJSON();
  for (const [name, [type, labels]] of Object.entries(CONTRACT)) {
    const metric = json.find((m) => m.name === name);
    assert.ok(metric, name);
    assert.equal(String(metric.type), type, name);
    assert.ok(metric.values.length > 0, name);
    const seen = Object.keys(metric.values[0].labels).filter((label) => label !== "le");
    assert.deepEqual(seen.sort(), [...labels].sort(), name);
  }
});

Deno.test("createMetrics() names every other metric rta_ when it is ours", async () => {
  for (const { name } of await filledMetrics().registry.getMetricsAsJSON()) {
    assert.ok(name in CONTRACT || /^rta_[a-z]+(_[a-z]+)*$/.test(name), name);
  }
});

Deno.test("text() gives the counts of arrays and meters when it is read twice", async () => {
  const metrics = filledMetrics();
  await metrics.text();
  const text = await metrics.text();
  const lines = text.split("\n");
  for (
    const line of [
      'events_processed_total{service="ingestion",event_type="page_view",status="success"} 3',
      'events_processed_total{service="consumer",event_type="page_view",status="duplicate"} 1',
      'events_processed_total{service="ingestion",event_type="unknown",status="rejected"} 2',
      "events_total 3",
      'service_uptime_seconds{service="ingestion"} 2.5',
      'active_connections_total{service="ingestion",connection_type="http"} 1',
      'rta_http_requests_total{service="ingestion",status="200"} 1',
    ]
  ) assert.ok(lines.includes(line), `${line} in\n${text}`);
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

Deno.test("createMetrics() bounds event_type labels when clients send ever new types", async () => {
  const metrics = createMetrics(0);
  for (let i = 0; i < 1_000; i++) metrics.eventCounts.add("ingestion", "success", `type_${i}`, 1);
  const metric = (await metrics.registry.getMetricsAsJSON())
    .find(({ name }) => name === "events_processed_total");
  assert.equal(metric?.values.length, METRIC_EVENT_TYPES_MAX + 1);
  assert.equal(metrics.eventCounts.total("ingestion", "success"), 1_000);
});

Deno.test("text() escapes a label when the type holds quotes and newlines", async () => {
  const metrics = createMetrics(0);
  metrics.eventCounts.add("ingestion", "success", 'a"b\n{evil} 1', 1);
  const lines = (await metrics.text()).split("\n").filter((line) => line.includes("evil"));
  assert.deepEqual(lines.map((line) => line.includes('event_type="a\\"b\\n{evil} 1"')), [true]);
});

Deno.test("text() shows durations as a histogram when they were counted by slot", async () => {
  const metrics = createMetrics(0);
  const slot = metrics.typeLabels.slotOfName("page_view");
  for (const seconds of [0.0005, 0.001, 0.03, 60]) {
    metrics.eventDuration.observeSlot("ingestion", slot, seconds);
  }
  metrics.eventDuration.observe({ service: "consumer", event_type: "all" }, 0.02);
  const text = await metrics.text();
  const name = "event_processing_duration_seconds";
  const of = (service: string, type: string) => `service="${service}",event_type="${type}"`;
  for (
    const line of [
      `${name}_bucket{le="0.001",${of("ingestion", "page_view")}} 2`,
      `${name}_bucket{le="0.025",${of("ingestion", "page_view")}} 2`,
      `${name}_bucket{le="0.05",${of("ingestion", "page_view")}} 3`,
      `${name}_bucket{le="+Inf",${of("ingestion", "page_view")}} 4`,
      `${name}_sum{${of("ingestion", "page_view")}} 60.0315`,
      `${name}_count{${of("ingestion", "page_view")}} 4`,
      `${name}_count{${of("consumer", "all")}} 1`,
    ]
  ) assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
});
