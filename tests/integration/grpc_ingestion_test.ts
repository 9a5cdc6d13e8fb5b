/** EventIngestionService over a real connection to a real server: what was answered is stored. */
import assert from "node:assert/strict";
import { withDeadline } from "../support/deadline.ts";
import { Status } from "../../lib/grpc/status_code.ts";
import {
  type AnyMessage as Message,
  detailsOf,
  failureOf,
  grpcPortOf as portOf,
  TestGrpcClient,
} from "../support/grpc_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const SERVICE = "analytics.v1.EventIngestionService";

const event = (id: string, more: Message = {}): Message => ({
  id,
  user_id: `user-${id}`,
  event_type: "EVENT_TYPE_USER",
  timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
  user_event: { action: "page_view" },
  ...more,
});

async function counted(server: TestServer): Promise<string> {
  const response = await fetch(`${server.urls.gateway}/v1/analytics/summary`);
  return (await response.json()).total_events;
}

Deno.test("IngestEvent and IngestEvents store what they answer with success", async () => {
  await using server = await startServer();
  using client = await TestGrpcClient.connect(SERVICE, portOf(server));
  const one = await client.call("IngestEvent", { event: event("a") }, {
    metadata: { "x-request-id": "rid-1" },
  });
  assert.deepEqual([one.success, one.event_id, one.message], [true, "a", "event accepted"]);
  const made = await client.call("IngestEvent", { event: event("") });
  assert.match(made.event_id, /^[0-9a-f-]{36}$/);
  const batch = await client.call("IngestEvents", {
    events: [event("b"), event("c", { user_id: "" }), event("d", { source: 'quo"te' })],
  });
  assert.deepEqual(
    [batch.success, batch.processed_count, batch.failed_count, batch.failed_event_ids],
    [false, 2, 1, ["c"]],
  );
  assert.deepEqual(batch.validation_errors.map(({ field, code }: Message) => [field, code]), [
    ["events[1].user_id", "empty_field"],
  ]);
  assert.equal(await counted(server), "4");
  const check = { event: event("e", { user_id: "" }), options: { validate_only: true } };
  const verdict = await client.call("IngestEvent", check);
  assert.deepEqual([verdict.success, verdict.validation_errors[0].field], [false, "user_id"]);
  await client.call("IngestEvent", { event: event("f"), options: { validate_only: true } });
  assert.equal(await counted(server), "4");
  assert.equal(await server.stop(), 0);
});

Deno.test("every gRPC port answers every service, and says so by health and request id", async () => {
  await using server = await startServer();
  for (const role of ["ingestion", "consumer", "analytics", "metrics"]) {
    using client = await TestGrpcClient.connect(SERVICE, portOf(server, role));
    const answer = await client.call("IngestEvent", { event: event(role) });
    assert.equal(answer.success, true);
  }
  assert.equal(await counted(server), "4");
  assert.equal(await server.stop(), 0);
});

Deno.test("a refused event ends the call with a status, its code and its field", async () => {
  await using server = await startServer();
  using client = await TestGrpcClient.connect(SERVICE, portOf(server));
  const refuse = (request: Message) => failureOf(client.call("IngestEvent", request));
  const error = await refuse({ event: event("a", { user_id: "" }) });
  assert.equal(error.code, Status.INVALID_ARGUMENT);
  const details = detailsOf(error);
  assert.deepEqual(
    [details.ErrorInfo.reason, details.ErrorInfo.domain, details.ErrorInfo.metadata.code],
    ["EMPTY_FIELD", "rta", "empty_field"],
  );
  assert.equal(details.BadRequest.field_violations[0].field, "user_id");
  assert.equal(detailsOf(await refuse({})).ErrorInfo.reason, "MISSING_FIELD");
  const untimed = await refuse({ event: event("a", { timestamp: null }) });
  assert.equal(detailsOf(untimed).BadRequest.field_violations[0].field, "timestamp");
  const many = Array.from({ length: 1_001 }, (_, i) => event(`m-${i}`));
  const tooMany = await failureOf(client.call("IngestEvents", { events: many }));
  assert.equal(detailsOf(tooMany).ErrorInfo.reason, "TOO_MANY_EVENTS");
  const none = await failureOf(client.call("IngestEvents", { events: [] }));
  assert.equal(detailsOf(none).ErrorInfo.reason, "EMPTY_BATCH");
  assert.equal(await counted(server), "0");
  assert.equal(await server.stop(), 0);
});

Deno.test("StreamEvents answers each event in order, stores the good ones, tells its state", async () => {
  await using server = await startServer();
  using client = await TestGrpcClient.connect(SERVICE, portOf(server));
  const events = 3_000;
  const stream = client.open("StreamEvents");
  const sending = (async () => {
    const flush_interval = { seconds: 0, nanos: 5_000_000 };
    await stream.send({ config: { batch_size: 100, flush_interval } });
    for (let i = 0; i < events; i++) {
      await stream.send({ event: event(`s-${i}`, i % 10 === 7 ? { user_id: "" } : {}) });
    }
    stream.finish();
  })();
  const reading = Array.fromAsync(stream);
  const responses: Message[] = await withDeadline(reading, { what: "the end of the stream" });
  await sending;
  const states = responses.filter(({ status }) => status).map(({ status }) => status.message);
  assert.equal(states[0], "connected");
  assert.equal(states.at(-1), "ended");
  const answers = responses.flatMap(({ event_response }) => event_response ?? []);
  assert.deepEqual(answers.map(({ event_id }) => event_id), idsOf(events));
  assert.deepEqual(
    answers.map(({ success }) => success),
    Array.from({ length: events }, (_, i) => i % 10 !== 7),
  );
  assert.equal(await counted(server), String(events * 0.9));
  assert.equal(await server.stop(), 0);
});

const idsOf = (count: number) => Array.from({ length: count }, (_, i) => `s-${i}`);

Deno.test("StreamEvents flushes after flush_interval, however large the batch may get", async () => {
  await using server = await startServer();
  using client = await TestGrpcClient.connect(SERVICE, portOf(server));
  const stream = client.open("StreamEvents");
  const flush_interval = { seconds: 0, nanos: 20_000_000 };
  await stream.send({ config: { batch_size: 1_000, flush_interval } });
  await stream.send({ event: event("alone") });
  const responses = stream[Symbol.asyncIterator]();
  const next = async () => {
    const answer = await withDeadline(responses.next(), { what: "a response before the end" });
    return answer.value;
  };
  assert.equal((await next()).status.message, "connected");
  const { event_response } = await next();
  assert.deepEqual([event_response.success, event_response.event_id], [true, "alone"]);
  stream.cancel();
  assert.equal(await server.stop(), 0);
});
