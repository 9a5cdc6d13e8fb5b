import assert from "node:assert/strict";
import { NOW_MS, openIngestHandlers, post } from "../../tests/support/ingest_handlers.ts";

const event = {
  id: "e1",
  user_id: "u1",
  event_type: "EVENT_TYPE_USER",
  timestamp: "2026-01-31T11:59:00Z",
  source: "web",
};

/** Checks the metadata of an answer and takes it away. */
function withoutMetadata(answer: Record<string, unknown>): Record<string, unknown> {
  const { metadata, ...rest } = answer;
  const { processing_time, ...others } = metadata as Record<string, string>;
  assert.match(processing_time, /^\d+\.\d{6}s$/);
  assert.deepEqual(others, {
    processed_at: new Date(NOW_MS).toISOString(),
    processing_node: "node-1",
  });
  return rest;
}

Deno.test("POST /v1/events takes the wrapped and the bare event, in both spellings", async () => {
  const { gateway, producer } = openIngestHandlers();
  const camel = { id: "e1", userId: "u1", eventType: 1, timestamp: event.timestamp, source: "web" };
  for (const body of [{ event }, event, { event: camel }]) {
    const response = await post(gateway, "/v1/events", JSON.stringify(body));
    assert.equal(response.status, 200);
    assert.deepEqual(withoutMetadata(await response.json()), {
      success: true,
      event_id: "e1",
      message: "event accepted",
      validation_errors: [],
    });
  }
  assert.equal(producer.kept.length, 3);
  assert.equal(new Set(producer.kept.map(({ text }) => text)).size, 1);
  assert.equal(producer.events()[0].event_type, "user");
});

Deno.test("POST /v1/events refuses with validation_errors inside a problem", async () => {
  const { gateway, producer } = openIngestHandlers();
  const cases: readonly (readonly [unknown, string, string])[] = [
    [{ event: { ...event, user_id: "" } }, "empty_field", "user_id"],
    [{ ...event, event_type: "EVENT_TYPE_X" }, "invalid_event_type", "event_type"],
    [{ event: { ...event, timestamp: undefined } }, "missing_field", "timestamp"],
    [[event], "not_an_object", ""],
  ];
  for (const [body, code, field] of cases) {
    const response = await post(gateway, "/v1/events", JSON.stringify(body));
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal(response.status, 400);
    const answer = await response.json();
    assert.equal(answer.code, code);
    assert.equal(answer.success, false);
    assert.deepEqual(answer.validation_errors, [{ field, message: answer.detail, code }]);
    assert.equal(answer.request_id, response.headers.get("x-request-id"));
  }
  assert.deepEqual(producer.kept, []);
});

Deno.test("POST /v1/events/batch keeps the good ones and names the bad ones", async () => {
  const { gateway, producer } = openIngestHandlers();
  const events = [event, { ...event, id: "e2", user_id: "" }, { ...event, id: "e3" }];
  const response = await post(gateway, "/v1/events/batch", JSON.stringify({ events }));
  assert.equal(response.status, 200);
  const answer = withoutMetadata(await response.json());
  const [error] = answer.validation_errors as { message: string }[];
  assert.deepEqual(answer, {
    success: false,
    processed_count: 2,
    failed_count: 1,
    failed_event_ids: ["e2"],
    validation_errors: [{
      field: "events[1].user_id",
      message: error.message,
      code: "empty_field",
    }],
  });
  assert.deepEqual(producer.events().map(({ id }) => id), ["e1", "e3"]);
});

Deno.test("POST /v1/events/batch is a problem when no event was accepted or there are too many", async () => {
  const { gateway, producer } = openIngestHandlers();
  const none = await post(gateway, "/v1/events/batch", '{"events":[{},7]}');
  assert.equal(none.status, 400);
  const answer = await none.json();
  assert.deepEqual([answer.processed_count, answer.failed_count], [0, 2]);
  assert.match(answer.field, /^events\[0\]/);
  const many = JSON.stringify({ events: Array(1_001).fill(event) });
  const tooMany = await post(gateway, "/v1/events/batch", many);
  assert.equal(tooMany.status, 413);
  assert.equal((await tooMany.json()).code, "too_many_events");
  assert.deepEqual(producer.kept, []);
});

Deno.test("POST /v1/events follows options.validate_only and options.async", async () => {
  const { gateway, producer } = openIngestHandlers();
  for (const options of [{ validate_only: true }, { validateOnly: true, async: true }]) {
    const body = JSON.stringify({ event, options });
    const answer = await (await post(gateway, "/v1/events", body)).json();
    assert.equal(answer.message, "event is valid");
    const batch = JSON.stringify({ options, events: [event, {}] });
    const verdict = await (await post(gateway, "/v1/events/batch", batch)).json();
    assert.deepEqual([verdict.processed_count, verdict.failed_count], [1, 1]);
  }
  assert.deepEqual(producer.kept, []);
  producer.durable = new Promise(() => {});
  const body = JSON.stringify({ event, options: { async: true, timeout_seconds: 0 } });
  const answer = await (await post(gateway, "/v1/events", body)).json();
  assert.equal(answer.message, "event queued");
  assert.equal(producer.kept.length, 1);
});

Deno.test("POST /v1/events waits no longer than options.timeout_seconds", async () => {
  const { gateway, producer } = openIngestHandlers();
  const disk = Promise.withResolvers<void>();
  producer.durable = disk.promise;
  const body = JSON.stringify({ event, options: { timeoutSeconds: 1 } });
  const response = await post(gateway, "/v1/events", body);
  assert.equal(response.status, 504);
  assert.equal((await response.json()).code, "deadline_exceeded");
  disk.resolve();
});

Deno.test("POST /v1/events refuses options that it cannot follow", async () => {
  const { gateway, producer } = openIngestHandlers();
  const cases: readonly (readonly [unknown, string])[] = [
    [{ async: "yes" }, "options.async"],
    [{ timeout_seconds: -1 }, "options.timeout_seconds"],
    [{ timeout_seconds: 1.5 }, "options.timeout_seconds"],
    [[], "options"],
    [{ note: "x".repeat(2_000) }, "options"],
  ];
  for (const [options, field] of cases) {
    const response = await post(gateway, "/v1/events", JSON.stringify({ event, options }));
    assert.equal(response.status, 400);
    const answer = await response.json();
    assert.deepEqual([answer.code, answer.field], ["invalid_parameter", field]);
  }
  assert.deepEqual(producer.kept, []);
});

Deno.test("POST /v1/events takes a property named options for what it is", async () => {
  const { gateway, producer } = openIngestHandlers();
  const bodies = [
    { event: { ...event, properties: { options: "async" } } },
    { event, options: null },
    { ...event, properties: { x: '"options":{' } },
  ];
  for (const body of bodies) {
    assert.equal((await post(gateway, "/v1/events", JSON.stringify(body))).status, 200);
  }
  assert.equal(producer.kept.length, 3);
});
