/** Limits of keys and projects at the ports of real servers, over REST and over gRPC. */
import assert from "node:assert/strict";
import { Status } from "../../lib/grpc/status_code.ts";
import { EVENT, get, post, protoEvent } from "../support/access_client.ts";
import { waitUntil } from "../support/deadline.ts";
import { detailsOf, failureOf, grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { LiveClient } from "../support/live_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const INGESTION = "analytics.v1.EventIngestionService";

Deno.test("limits: events a second are refused beyond, told before, and stored never", async () => {
  await using server = await startServer({ env: { RTA_LIMIT_EVENTS_PER_SECOND: "5" } });
  const { ingestion, gateway } = server.urls;
  const batch = (n: number) => ({ events: Array.from({ length: n }, () => EVENT) });
  const first = await post(`${ingestion}/events/batch`, batch(4));
  assert.equal(first.headers.get("ratelimit-policy"), `"project-events";q=5;w=1`);
  assert.match(first.headers.get("ratelimit")!, /^"project-events";r=[12];t=1$/);
  const large = await post(`${ingestion}/events/batch`, batch(50));
  assert.deepEqual([large.status, large.json.code], [429, "rate_limited"]);
  assert.ok(Number(large.headers.get("retry-after")) >= 1);
  using client = await TestGrpcClient.connect(INGESTION, grpcPortOf(server));
  // Once the bucket is full it is let through, and paid off for 9 s.
  await waitUntil(async () => (await post(`${ingestion}/events/batch`, batch(50))).status === 200, {
    what: "a batch that is larger than a second's worth",
  });
  const failure = await failureOf(client.call("IngestEvent", { event: protoEvent("l-1") }));
  assert.equal(failure.code, Status.RESOURCE_EXHAUSTED);
  assert.ok(Number(detailsOf(failure).RetryInfo.retry_delay.seconds) >= 5);
  const single = await post(`${gateway}/v1/events`, EVENT);
  assert.equal(single.status, 429);
  assert.ok(Number(single.headers.get("retry-after")) >= 5);
  await waitUntil(async () => {
    const { json } = await get(`${gateway}/v1/analytics/summary`);
    return json.total_events === "54";
  }, { what: "what was let through, and nothing else" });
  assert.equal(await server.stop(), 0);
});

Deno.test("limits: a question beyond the limit is refused while another is answered, and not after", async () => {
  await using server = await startServer({ env: { RTA_LIMIT_QUERIES: "1" } });
  const { gateway } = server.urls;
  const ask = () => get(`${gateway}/v1/analytics/summary`);
  // As long as the statement may take: it does not end by itself.
  const sql =
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 1";
  const slow = post(`${gateway}/v1/sql`, { sql, timeout_seconds: 5 });
  const refused = await waitUntil(async () => {
    const answer = await ask();
    return answer.status === 429 ? answer : null;
  }, { what: "a refused question" });
  assert.equal(refused.json.code, "rate_limited");
  assert.match(refused.json.detail, /1 queries at the same time/);
  assert.equal((await post(`${server.urls.ingestion}/events`, EVENT)).status, 200);
  const { status, text } = await slow;
  assert.ok(status === 504 || status === 422 || status === 400, text);
  assert.equal((await ask()).status, 200);
  assert.equal(await server.stop(), 0);
});

Deno.test("limits: a stream's place is free again when it is left, over SSE, WebSocket and gRPC", async () => {
  await using server = await startServer({ env: { RTA_LIMIT_STREAMS: "1" } });
  const url = `${server.urls.gateway}/v1/live?window_seconds=1`;
  const isFull = async () => {
    const response = await fetch(url);
    const full = response.status === 429;
    await response.body?.cancel();
    return full;
  };
  const isFree = () => waitUntil(async () => !(await isFull()), { what: "a free place" });
  {
    await using events = await LiveClient.open(url);
    await waitUntil(() => events.heard.length > 0, { what: "a window" });
    assert.equal(await isFull(), true);
  }
  await isFree();
  {
    await using socket = await waitUntil(() => LiveClient.openSocket(url).catch(() => null), {
      what: "a WebSocket",
    });
    await waitUntil(() => socket.heard.length > 0, { what: "a window" });
    assert.equal(await isFull(), true);
  }
  await isFree();
  await streamOverGrpc(server, isFull);
  await isFree();
  assert.equal(await server.stop(), 0);
});

async function streamOverGrpc(server: TestServer, isFull: () => Promise<boolean>): Promise<void> {
  using client = await TestGrpcClient.connect(
    "analytics.v1.AnalyticsService",
    grpcPortOf(server, "analytics"),
  );
  const next = async () => {
    const call = client.open("GetRealTimeAnalytics");
    await call.send({ window_seconds: 1 });
    call.finish();
    const messages = call[Symbol.asyncIterator]();
    await messages.next();
    return call;
  };
  await waitUntil(() => next().catch(() => null), { what: "a stream over gRPC" });
  assert.equal(await isFull(), true);
}
