/** Questions, metrics and health over gRPC: the same answers as REST gives, of a real server. */
import assert from "node:assert/strict";
import { Status } from "../../lib/grpc/status_code.ts";
import { withDeadline } from "../support/deadline.ts";
import {
  type AnyMessage,
  detailsOf,
  failureOf,
  grpcPortOf,
  TestGrpcClient,
} from "../support/grpc_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const HOUR_S = 3_600;
const NOW_S = Math.floor(Date.now() / 1_000);

/** Three users; two of them buy after they looked. */
const EVENTS: AnyMessage[] = ["ada", "bob", "cyd"].flatMap((user, i) => [
  {
    id: `${user}-view`,
    user_id: user,
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds: NOW_S - 600, nanos: 0 },
    properties: { country: i === 0 ? "DE" : "FR" },
    user_event: { action: "page_view" },
  },
  ...(i === 2 ? [] : [{
    id: `${user}-buy`,
    user_id: user,
    event_type: "EVENT_TYPE_TRANSACTION",
    timestamp: { seconds: NOW_S - 300, nanos: 0 },
    transaction_event: {
      transaction_id: `t-${user}`,
      type: "TRANSACTION_TYPE_PURCHASE",
      amount: 10,
    },
  }]),
]);

async function withServer(body: (server: TestServer) => Promise<void>): Promise<void> {
  await using server = await startServer();
  {
    using client = await TestGrpcClient.connect(
      "analytics.v1.EventIngestionService",
      grpcPortOf(server),
    );
    const { processed_count } = await client.call("IngestEvents", { events: EVENTS });
    assert.equal(processed_count, EVENTS.length);
  }
  await body(server);
  assert.equal(await server.stop(), 0);
}

const range = { start: { seconds: NOW_S - HOUR_S, nanos: 0 }, end: { seconds: NOW_S, nanos: 0 } };

async function rest(server: TestServer, path: string): Promise<AnyMessage> {
  const response = await fetch(`${server.urls.gateway}${path}`);
  assert.equal(response.status, 200);
  return await response.json();
}

Deno.test("AnalyticsService answers as REST does, filters and funnels too", async () => {
  await withServer(async (server) => {
    const service = "analytics.v1.AnalyticsService";
    using client = await TestGrpcClient.connect(service, grpcPortOf(server));
    const summary = await client.call("GetAnalyticsSummary", { time_range: range });
    const same = await rest(
      server,
      `/v1/analytics/summary?time_range.start=${NOW_S - HOUR_S}&time_range.end=${NOW_S}`,
    );
    for (const name of ["total_events", "unique_users", "sessions", "events_by_type", "accuracy"]) {
      assert.deepEqual(summary[name], same[name], name);
    }
    assert.deepEqual([summary.total_events, summary.complete], ["5", true]);
    const filters = { country: "FR" };
    const french = await client.call("GetAnalyticsSummary", { time_range: range, filters });
    assert.equal(french.total_events, "2");
    const series = await client.call("GetTimeSeries", {
      time_range: range,
      metric: "sum:amount",
      granularity: "TIME_GRANULARITY_HOUR",
    });
    assert.equal(series.series.reduce((sum: number, { value }: AnyMessage) => sum + value, 0), 20);
    assert.equal(series.metadata.granularity, "TIME_GRANULARITY_HOUR");
    const user = await client.call("GetUserAnalytics", {
      user_id: "ada",
      include_events: true,
      include_sessions: true,
    });
    assert.deepEqual(
      [user.user_profile.total_events, user.events.map(({ id }: AnyMessage) => id)],
      [2, ["ada-buy", "ada-view"]],
    );
    assert.equal(user.metrics.total_revenue, 10);
    const funnel = await client.call("GetFunnelAnalysis", {
      time_range: range,
      steps: [{ event_type: "page_view" }, { event_type: "purchase" }],
      window: { seconds: 900, nanos: 0 },
    });
    assert.deepEqual(funnel.steps.map(({ users }: AnyMessage) => users), ["3", "2"]);
    assert.equal(funnel.overall_conversion_rate, 2 / 3);
    assert.deepEqual(funnel.steps[1].avg_time_to_convert, { seconds: "300", nanos: 0 });
  });
});

Deno.test("AnalyticsService refuses by status, code and place", async () => {
  await withServer(async (server) => {
    const service = "analytics.v1.AnalyticsService";
    using client = await TestGrpcClient.connect(service, grpcPortOf(server, "analytics"));
    const cases: [string, AnyMessage, string][] = [
      ["GetTimeSeries", { metric: "nonsense" }, "metric"],
      ["GetTimeSeries", { metric: "events", tz: "Mars/Base" }, "tz"],
      ["GetAnalyticsSummary", { time_range: { start: range.end, end: range.start } }, "time_range"],
      ["GetAnalyticsSummary", { filter: "[{]" }, "filter"],
      ["GetUserAnalytics", {}, "user_id"],
      ["GetFunnelAnalysis", { steps: [{ event_type: "a" }] }, "steps"],
    ];
    for (const [method, request, field] of cases) {
      const error = await failureOf(client.call(method, request));
      assert.equal(error.code, Status.INVALID_ARGUMENT, method);
      const { BadRequest, ErrorInfo } = detailsOf(error);
      assert.equal(BadRequest.field_violations[0].field, field);
      assert.equal(ErrorInfo.reason, "INVALID_PARAMETER");
    }
    const unknown = await failureOf(client.call("GetUserAnalytics", { user_id: "nobody" }));
    assert.equal(unknown.code, Status.NOT_FOUND);
    const late = await failureOf(
      client.call("GetAnalyticsSummary", { time_range: range }, { timeoutMs: 0.001 }),
    );
    assert.equal(late.code, Status.DEADLINE_EXCEEDED);
  });
});

Deno.test("GetRealTimeAnalytics pushes windows until the client goes", async () => {
  await withServer(async (server) => {
    const service = "analytics.v1.AnalyticsService";
    using client = await TestGrpcClient.connect(service, grpcPortOf(server));
    const call = client.open("GetRealTimeAnalytics");
    await call.send({ window_seconds: 60 });
    call.finish();
    const windows: AnyMessage[] = [];
    await withDeadline(
      (async () => {
        for await (const window of call) {
          windows.push(window);
          if (windows.length === 2) break;
        }
      })(),
      { what: "two windows" },
    );
    const events = windows[1].metrics.find(({ name }: AnyMessage) => name === "events");
    assert.equal(events.value, EVENTS.length);
    assert.equal(windows[0].window_seconds, 60);
    assert.notEqual(windows[0].window_id, windows[1].window_id);
  });
});

Deno.test("the older generation's services take events and answer", async () => {
  await withServer(async (server) => {
    const port = grpcPortOf(server);
    using producer = await TestGrpcClient.connect("analytics.ProducerService", port);
    const sent = await producer.call("SendEvent", {
      id: "old-1",
      user_id: "dan",
      event_type: "page_view",
      properties: { page: "/" },
      timestamp: String(NOW_S - 60),
    });
    assert.deepEqual([sent.success, sent.event_id], [true, "old-1"]);
    const batch = await producer.call("SendBatchEvents", {
      events: [{ id: "old-2", user_id: "dan", event_type: "x" }, { id: "old-3", user_id: "" }],
    });
    assert.deepEqual(
      [batch.success, batch.processed_count, batch.failed_event_ids],
      [false, 1, ["old-3"]],
    );
    const bad = await failureOf(producer.call("SendEvent", { user_id: "dan" }));
    assert.equal(detailsOf(bad).BadRequest.field_violations[0].field, "event_type");
    assert.equal((await producer.call("GetProducerHealth", {})).healthy, true);
    using analytics = await TestGrpcClient.connect("analytics.AnalyticsService", port);
    const summary = await analytics.call("GetAnalyticsSummary", {});
    assert.deepEqual([summary.total_events, summary.total_users], ["7", "4"]);
    const metrics = await analytics.call("GetMetrics", { metric_name: "events" });
    const total = metrics.metrics.reduce((sum: number, { value }: AnyMessage) => sum + value, 0);
    assert.deepEqual([metrics.success, total], [true, 7]);
    using consumer = await TestGrpcClient.connect("analytics.ConsumerService", port);
    const stats = await consumer.call("GetConsumerStats", {});
    assert.equal(stats.processed_events, "7");
  });
});

Deno.test("MetricsService gives values, exports, streams, and says what it does not know", async () => {
  await withServer(async (server) => {
    const port = grpcPortOf(server, "metrics");
    using client = await TestGrpcClient.connect("analytics.v1.MetricsService", port);
    const { metrics } = await client.call("GetMetrics", { metric_names: ["events_total"] });
    assert.deepEqual(metrics.map(({ name, value }: AnyMessage) => [name, value]), [
      ["events_total", EVENTS.length],
    ]);
    const exported = await client.call("ExportMetrics", { metric_names: ["events_total"] });
    assert.match(exported.data, /^events_total 5$/m);
    const format = await failureOf(client.call("ExportMetrics", { format: "xml" }));
    assert.equal(detailsOf(format).BadRequest.field_violations[0].field, "format");
    const call = client.open("StreamMetrics");
    await call.send({ metric_names: ["events_total"] });
    call.finish();
    for await (const metric of call) {
      assert.equal(metric.name, "events_total");
      break;
    }
    const same = await rest(server, "/v1/metrics?metric_names=events_total");
    assert.equal(same.metrics[0].value, EVENTS.length);
    assert.equal((await client.call("Health", {})).healthy, true);
  });
});

Deno.test("grpc.health.v1 answers for the server and each service, and watches", async () => {
  await withServer(async (server) => {
    using client = await TestGrpcClient.connect("grpc.health.v1.Health", grpcPortOf(server));
    for (const service of ["", "analytics.v1.AnalyticsService", "analytics.ProducerService"]) {
      assert.equal((await client.call("Check", { service })).status, "SERVING", service);
    }
    const unknown = await failureOf(client.call("Check", { service: "nothing" }));
    assert.equal(unknown.code, Status.NOT_FOUND);
    const watch = client.open("Watch");
    await watch.send({ service: "" });
    watch.finish();
    for await (const { status } of watch) {
      assert.equal(status, "SERVING");
      break;
    }
  });
});
