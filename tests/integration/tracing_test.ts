/**
 * Traces by a real server: from a request over HTTP or gRPC to the commit of its event, as a
 * collector gets them; and what of a trace is in the log and the access log without a collector.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { madePartitions } from "../../lib/log/sqlite/mod.ts";
import { waitUntil } from "../support/deadline.ts";
import { grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { OtlpCollector } from "../support/otlp_collector.ts";
import { startServer, type TestServer } from "../support/server.ts";

const TRACES = ["a", "b", "c"].map((digit) => digit.repeat(32));
const CALLER = "b7ad6b7169203331";
const traceparentOf = (trace: string) => `00-${trace}-${CALLER}-01`;

/** Sends it; gives the status of the answer. */
async function post(server: TestServer, path: string, body: object, traceparent?: string) {
  const headers = { "content-type": "application/json", ...(traceparent && { traceparent }) };
  const response = await fetch(`${server.urls.ingestion}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  await response.body?.cancel();
  return response.status;
}

async function callGrpc(server: TestServer, traceparent: string): Promise<void> {
  const service = "analytics.v1.EventIngestionService";
  using client = await TestGrpcClient.connect(service, grpcPortOf(server));
  const event = {
    user_id: "cyd",
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
    user_event: { action: "click" },
  };
  const { success } = await client.call("IngestEvent", { event }, { metadata: { traceparent } });
  assert.equal(success, true);
}

Deno.test("OTEL_DENO=true: a request's trace goes on to the append and to the commit", async () => {
  await using collector = new OtlpCollector();
  await using server = await startServer({ env: collector.env });
  const event = { user_id: "ada", event_type: "view" };
  const many = { events: ["x", "y", "z"].map((user_id) => ({ user_id, event_type: "view" })) };
  const [one, batch, call] = TRACES.map(traceparentOf);
  assert.equal(await post(server, "/events", event, one), 200);
  assert.equal(await post(server, "/events/batch", many, batch), 200);
  await callGrpc(server, call);
  for (const trace of TRACES) {
    const { append, request } = await waitUntil(() => {
      const ofTrace = collector.spans.filter(({ traceId }) => traceId === trace);
      const append = ofTrace.find(({ name }) => name === "log append");
      const request = ofTrace.find(({ parentSpanId }) => parentSpanId === CALLER);
      const commit = collector.spans.find(({ name, links }) =>
        name === "shard commit" && links.some(({ spanId }) => spanId === append?.spanId)
      );
      return append && request && commit ? { append, request, commit } : null;
    }, { what: `the spans of ${trace}` });
    assert.equal(append.parentSpanId, request.spanId);
    assert.equal(append.status?.code ?? 0, 0);
  }
  assert.equal(await server.stop(), 0);
});

Deno.test("a trace goes into the log and the access log, one that is not well formed nowhere", async () => {
  await using server = await startServer({ env: { RTA_LOG_LEVEL: "debug" } });
  const event = { user_id: "ada", event_type: "view" };
  const [one, other] = TRACES.map(traceparentOf);
  const sent = [one, undefined, "00-broken-header-01", other];
  const answers = sent.map((traceparent) => post(server, "/events", event, traceparent));
  assert.deepEqual(await Promise.all(answers), [200, 200, 200, 200]);
  await callGrpc(server, traceparentOf(TRACES[2]));

  // The log is written some milliseconds after the answer.
  const logged = await waitUntil(() => {
    const found = server.entries.filter(({ msg, path }) => msg === "request" && path === "/events");
    return found.length === sent.length ? found : null;
  }, { what: "the lines of the requests" });
  const tracesLogged = logged.map(({ trace_id }) => trace_id ?? null).sort();
  assert.deepEqual(tracesLogged, [TRACES[0], TRACES[1], null, null]);
  const call = await server.waitForEntry("call");
  assert.equal(call.trace_id, TRACES[2]);

  const db = new DatabaseSync(`${server.dataFolder}/log.sqlite`, { readOnly: true });
  try {
    const partitions = Array.from({ length: madePartitions(server.dataFolder)! }, (_, i) => i);
    const rows = partitions.flatMap((partition) =>
      db.prepare(`SELECT events, traceparent FROM records_${partition}`).all()
    );
    const traced = rows.filter(({ traceparent }) => traceparent !== null);
    assert.deepEqual(
      traced.map(({ traceparent }) => traceparent).sort(),
      TRACES.map(traceparentOf),
    );
    assert.equal(rows.reduce((sum, { events }) => sum + Number(events), 0), 5);
  } finally {
    db.close();
  }
  assert.equal(await server.stop(), 0);
});
