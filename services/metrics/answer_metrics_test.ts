import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { METRIC_SAMPLE_MS, METRIC_SAMPLES_MAX } from "../../lib/config/grpc_limits.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { type Aggregation, aggregationNamed, answerMetrics } from "./answer_metrics.ts";
import { MetricHistory } from "./metric_history.ts";
import { metricValues } from "./metric_values.ts";

const START_MS = Date.parse("2026-01-31T12:00:00Z");

/** A history of `events_total` = 1, 2, 3, … */
async function historyOf(samples: number) {
  const metrics = createMetrics(START_MS);
  const history = new MetricHistory();
  for (let i = 0; i < samples; i++) {
    metrics.eventCounts.add("ingestion", "success", "view", 1);
    const nowMs = START_MS + i * METRIC_SAMPLE_MS;
    history.add(await metricValues(metrics, [], nowMs), nowMs);
  }
  const nowMs = START_MS + samples * METRIC_SAMPLE_MS;
  const ask = (aggregation: Aggregation, startMs: number | null, endMs: number | null = null) =>
    answerMetrics(
      { names: ["events_total"], startMs, endMs, labels: {}, aggregation },
      metrics,
      history,
      nowMs,
    );
  return { metrics, history, ask, nowMs };
}

Deno.test("answerMetrics() aggregates the samples of a range", async () => {
  const { ask } = await historyOf(100);
  const cases: [Aggregation, number][] = [
    ["UNSPECIFIED", 100],
    ["SUM", 5_050],
    ["AVG", 50.5],
    ["MIN", 1],
    ["MAX", 100],
    ["COUNT", 100],
    ["P95", 95],
    ["P99", 99],
  ];
  for (const [aggregation, value] of cases) {
    const { metrics, metadata } = await ask(aggregation, START_MS);
    assert.deepEqual(metrics.map((metric) => metric.value), [value], aggregation);
    assert.equal(metadata.aggregation, `METRIC_AGGREGATION_${aggregation}`);
  }
  const part = await ask("SUM", START_MS + METRIC_SAMPLE_MS, START_MS + 3 * METRIC_SAMPLE_MS);
  assert.equal(part.metrics[0].value, 2 + 3);
  assert.deepEqual((await ask("SUM", START_MS - 10, START_MS)).metrics, []);
});

Deno.test("answerMetrics() knows the last hour, and says so where more was asked for", async () => {
  const { ask, nowMs } = await historyOf(METRIC_SAMPLES_MAX + 50);
  const answer = await ask("COUNT", START_MS);
  assert.equal(answer.metrics[0].value, METRIC_SAMPLES_MAX);
  assert.deepEqual(answer.notes, ["metrics are kept for one hour"]);
  assert.equal((await ask("MIN", nowMs - METRIC_SAMPLE_MS)).metrics[0].value, 410);
});

Deno.test("answerMetrics() gives values of now, by name and label, and no others", async () => {
  const { metrics, history, nowMs } = await historyOf(2);
  const ask = (labels: Record<string, string>) =>
    answerMetrics(
      {
        names: ["events_processed_total"],
        startMs: null,
        endMs: null,
        labels,
        aggregation: "UNSPECIFIED",
      },
      metrics,
      history,
      nowMs,
    );
  assert.equal((await ask({ status: "success" })).metrics[0].value, 2);
  assert.deepEqual((await ask({ status: "rejected" })).metrics, []);
});

Deno.test("answerMetrics() refuses ranges and aggregations by their names", async () => {
  const { ask } = await historyOf(1);
  const fieldOf = (error: unknown) => {
    assert.ok(error instanceof ProblemError);
    return error.options.field;
  };
  await ask("SUM", START_MS + 1, START_MS).then(
    () => assert.fail("it was answered"),
    (error) => assert.equal(fieldOf(error), "time_range"),
  );
  assert.deepEqual(["SUM", "1", "METRIC_AGGREGATION_SUM", "sum"].map(aggregationNamed), [
    "SUM",
    "SUM",
    "SUM",
    "SUM",
  ]);
  assert.throws(() => aggregationNamed("MEDIAN"), (error) => fieldOf(error) === "aggregation");
});
