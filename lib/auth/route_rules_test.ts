import assert from "node:assert/strict";
import { grpcRule, httpRule } from "./route_rules.ts";

Deno.test("httpRule() asks each address for its scope", () => {
  const cases: [string, string | null][] = [
    ["GET /health", null],
    ["GET /metrics", null],
    ["GET /v1/events/health", null],
    ["OPTIONS /v1/sql", null],
    ["POST /events", "ingest"],
    ["POST /events/batch", "ingest"],
    ["POST /v1/events", "ingest"],
    ["GET /v1/analytics/summary", "query"],
    ["POST /v1/analytics/funnel", "query"],
    ["GET /analytics/summary", "query"],
    ["GET /v1/live", "query"],
    ["GET /v1/export", "query"],
    ["GET /v1/dead-letters/x-0-1-0", "query"],
    ["POST /v1/dead-letters/replay", "admin"],
    ["POST /v1/dead-letters/drop", "admin"],
    ["POST /v1/sql", "admin"],
    ["GET /v1/keys", "admin"],
    ["POST /v1/keys/x/revoke", "admin"],
    ["GET /v1/projects", "admin"],
    ["POST /health", "admin"],
    ["GET /v1/what-is-not-there", "admin"],
  ];
  for (const [request, scope] of cases) {
    const [method, path] = request.split(" ");
    assert.equal(httpRule(method, path)?.scope ?? null, scope, request);
  }
});

Deno.test("httpRule() is not led astray by the way a path is written", () => {
  for (
    const path of ["/v1/%73ql", "/v1/k%65ys", "/%761/projects", "/v1/keys/%ff", "/v1/keys/..%2f"]
  ) {
    assert.equal(httpRule("GET", path)?.scope, "admin", path);
  }
  for (
    const path of ["//health", "/health/", "/HEALTH", "/health/../v1/sql", "/docs%2f..%2fv1/sql"]
  ) {
    assert.equal(httpRule("GET", path)?.scope, "admin", path);
  }
  assert.equal(httpRule("GET", "/v1/analytics/users/a%20b")?.scope, "query");
  assert.equal(httpRule("GET", "/v1/analytics/users/a%2Fb")?.scope, "query");
});

Deno.test("grpcRule() asks each method for its scope", () => {
  const cases: [string, string | null][] = [
    ["/grpc.health.v1.Health/Check", null],
    ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", null],
    ["/analytics.v1.EventIngestionService/IngestEvent", "ingest"],
    ["/analytics.v1.EventIngestionService/Health", null],
    ["/analytics.ProducerService/SendEvent", "ingest"],
    ["/analytics.ProducerService/GetProducerHealth", null],
    ["/analytics.v1.AnalyticsService/GetAnalyticsSummary", "query"],
    ["/analytics.AnalyticsService/GetAnalyticsSummary", "query"],
    ["/analytics.ConsumerService/GetConsumerStats", "query"],
    ["/analytics.v1.MetricsService/StreamMetrics", "query"],
    ["/other.Service/Do", "admin"],
    ["/", "admin"],
    ["/analytics.v1.EventIngestionService/IngestEvent/more", "admin"],
    ["/x/grpc.health.v1.Health/Check", "admin"],
  ];
  for (const [path, scope] of cases) assert.equal(grpcRule(path)?.scope ?? null, scope, path);
  assert.equal(grpcRule("/analytics.v1.AnalyticsService/GetRealTimeAnalytics")?.kind, "stream");
});
