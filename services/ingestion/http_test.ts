import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { BODY_BYTES_MAX } from "../../lib/config/limits.ts";
import { REASONS } from "../../lib/event/reasons.ts";
import { LogError } from "../../lib/log/event_log.ts";
import {
  type BodyText,
  NOW_MS,
  openIngestHandlers,
  post,
} from "../../tests/support/ingest_handlers.ts";
import { OverloadedError } from "./durable_producer.ts";

const event = { id: "e1", user_id: "u1", event_type: "page_view", timestamp: NOW_MS / 1000 };
const good = JSON.stringify(event);
const bytesOf = (text: string) => new TextEncoder().encode(text);
const withField = (name: string, value: unknown) => JSON.stringify({ ...event, [name]: value });
const withRaw = (member: string) => `${good.slice(0, -1)},${member}}`;
const properties = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, value]));

/** Bytes of `good` with `text` in the middle of the user id. */
function withBytes(...inserted: number[]): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(good);
  const at = good.indexOf("u1") + 1;
  return new Uint8Array([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at)]);
}

/** Every kind of bad event: its name, its text, the code and the field of its refusal. */
const BAD_EVENTS: readonly (readonly [string, BodyText, string, string?])[] = [
  ["nothing", "", "invalid_json"],
  ["spaces", "  \n ", "invalid_json"],
  ["not JSON", "hello", "invalid_json"],
  ["cut off", good.slice(0, -1), "invalid_json"],
  ["cut off in a string", good.slice(0, 12), "invalid_json"],
  ["two values", good + good, "invalid_json"],
  ["trailing comma", `${good.slice(0, -1)},}`, "invalid_json"],
  ["single quotes", "{'id':1}", "invalid_json"],
  ["NaN", withRaw('"amount":NaN'), "invalid_json"],
  ["raw newline in a string", good.replace("u1", "u\n1"), "invalid_json"],
  ["deep nesting", "[".repeat(60_000), "invalid_json"],
  ["an array", "[]", "not_an_object"],
  ["a string", '"event"', "not_an_object"],
  ["null", "null", "not_an_object"],
  ["id of the wrong type", withField("id", 7), "wrong_type", "id"],
  ["user_id of the wrong type", withField("user_id", ["u"]), "wrong_type", "user_id"],
  ["properties of the wrong type", withField("properties", "x"), "wrong_type", "properties"],
  ["no user_id", '{"event_type":"x"}', "missing_field", "user_id"],
  ["no event_type", '{"user_id":"x"}', "missing_field", "event_type"],
  ["empty id", withField("id", ""), "empty_field", "id"],
  ["empty user_id", withField("user_id", ""), "empty_field", "user_id"],
  ["empty event_type", withField("event_type", ""), "empty_field", "event_type"],
  ["long id", withField("id", "é".repeat(129)), "too_long", "id"],
  ["long user_id", withField("user_id", "é".repeat(257)), "too_long", "user_id"],
  ["long event_type", withField("event_type", "é".repeat(129)), "too_long", "event_type"],
  ["long session_id", withField("session_id", "s".repeat(129)), "too_long", "session_id"],
  ["long source", withField("source", "s".repeat(257)), "too_long", "source"],
  ["timestamp text", withField("timestamp", "yesterday"), "invalid_timestamp", "timestamp"],
  ["timestamp date only", withField("timestamp", "2026-01-31"), "invalid_timestamp", "timestamp"],
  ["timestamp impossible", withField("timestamp", "2026-02-30T00:00:00Z"), "invalid_timestamp"],
  ["timestamp an object", withField("timestamp", {}), "invalid_timestamp", "timestamp"],
  ["timestamp negative", withField("timestamp", -1), "timestamp_out_of_range", "timestamp"],
  [
    "timestamp in the future",
    withField("timestamp", (NOW_MS + 3_601_000) / 1000),
    "timestamp_in_future",
    "timestamp",
  ],
  ["nested property", withField("properties", { a: { b: 1 } }), "property_nested"],
  ["array property", withField("properties", { a: [1] }), "property_nested"],
  ["many properties", withField("properties", properties(101, 1)), "too_many_properties"],
  ["large properties", withField("properties", { a: "x".repeat(32_769) }), "properties_too_large"],
  ["large event", withField("unknown", "x".repeat(65_536)), "event_too_large"],
  ["invalid UTF-8", withBytes(0xff), "invalid_utf8"],
  ["overlong UTF-8", withBytes(0xc0, 0xaf), "invalid_utf8"],
  ["surrogate in UTF-8", withBytes(0xed, 0xa0, 0x80), "invalid_utf8"],
  ["UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), "invalid_utf8"],
  ["lone surrogate", withRaw('"source":"\\ud800"'), "lone_surrogate"],
  ["lone surrogate in a key", withRaw('"properties":{"\\udc00":1}'), "lone_surrogate"],
  ["duplicate key", withRaw('"id":"e2"'), "duplicate_key"],
  ["duplicate key, escaped", withRaw('"\\u0069d":"e2"'), "duplicate_key"],
  ["duplicate property", withRaw('"properties":{"a":1,"a":2}'), "duplicate_key"],
  ["__proto__", withRaw('"__proto__":{}'), "forbidden_key"],
  ["__proto__ property", withRaw('"properties":{"__proto__":1}'), "forbidden_key"],
  ["NUL", withRaw('"source":"a\\u0000b"'), "nul_character"],
  ["NUL property", withRaw('"properties":{"a":"\\u0000"}'), "nul_character"],
  ["number beyond a double", withRaw('"properties":{"a":1e400}'), "number_out_of_range"],
  ["amount beyond a double", withRaw('"amount":1e309'), "number_out_of_range"],
  ["negative amount", withField("amount", -1), "invalid_amount", "amount"],
  ["unknown category", withField("category", "EVENT_TYPE_X"), "invalid_category", "category"],
];

/** Checks a problem (RFC 9457) and gives its body. */
async function problemOf(response: Response, code: string): Promise<Record<string, unknown>> {
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assert.equal(body.code, code, JSON.stringify(body));
  assert.equal(body.status, response.status);
  assert.equal(body.status, REASONS[code as keyof typeof REASONS].status);
  assert.equal(body.type, `urn:rta:problem:${code}`);
  assert.ok(body.title.length > 0 && body.detail.length > 0);
  assert.equal(body.request_id, response.headers.get("x-request-id"));
  return body;
}

for (const path of ["/events", "/events/async"]) {
  Deno.test(`POST ${path} refuses every kind of bad event with its code and stores nothing`, async () => {
    const { ingestion, producer, bodies } = openIngestHandlers();
    for (const [name, text, code, field] of BAD_EVENTS) {
      const body = await problemOf(await post(ingestion, path, text), code)
        .catch((error) => assert.fail(`${name}: ${error.message}`));
      assert.equal(body.success, false, name);
      assert.equal(typeof body.message, "string", name);
      assert.equal(typeof body.event_id, "string", name);
      if (field !== undefined) assert.equal(body.field, field, name);
    }
    assert.deepEqual(producer.kept, []);
    assert.equal(bodies.heldBytes, 0);
  });
}

Deno.test("POST /events/batch refuses every kind of bad event and keeps its neighbours", async () => {
  for (const [name, text, code, field] of BAD_EVENTS) {
    const bytes = typeof text === "string" ? bytesOf(text) : text;
    // An empty line is no event, and a line break ends one.
    if (bytes.includes(0x0a) || bytes.length === 0 || name === "UTF-16") continue;
    const { ingestion, producer } = openIngestHandlers();
    const line = bytesOf(`${good}\n`);
    const body = new Uint8Array([...line, ...bytes, 0x0a, ...line]);
    const headers = { "content-type": "application/x-ndjson" };
    const response = await post(ingestion, "/events/batch", body, headers);
    assert.equal(response.status, 200, name);
    const answer = await response.json();
    assert.equal(answer.success, false);
    assert.equal(answer.processed_count, 2);
    assert.equal(answer.errors.length, 1, name);
    const [error] = answer.errors;
    assert.deepEqual([error.index, error.code], [1, code], name);
    if (field !== undefined) assert.equal(error.field, field, name);
    assert.deepEqual(answer.failed_event_ids, error.id === null ? [] : [error.id]);
    assert.equal(producer.kept.length, 2);
  }
});

Deno.test("POST /events answers as the contract says when the event is good", async () => {
  const { ingestion, producer } = openIngestHandlers();
  const response = await post(ingestion, "/events", good, { "x-request-id": "r-1" });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("x-request-id"), "r-1");
  const answer = { success: true, message: "event accepted", event_id: "e1" };
  assert.deepEqual(await response.json(), answer);
  const async = await post(ingestion, "/events/async", withField("id", 'a"\\é😀'));
  assert.equal(async.status, 202);
  assert.deepEqual(await async.json(), {
    success: true,
    message: "event queued",
    event_id: 'a"\\é😀',
  });
  assert.deepEqual(producer.events().map(({ id }) => id), ["e1", 'a"\\é😀']);
});

Deno.test("POST /events takes what stands just within the limits", async () => {
  const { ingestion } = openIngestHandlers();
  const cases = [
    withField("id", "😀".repeat(128)),
    withField("user_id", "é".repeat(256)),
    withField("event_type", "x".repeat(128)),
    withField("timestamp", (NOW_MS + 3_600_000) / 1000),
    withField("timestamp", "2026-01-31T13:00:00.000+01:00"),
    withField("timestamp", NOW_MS),
    withField("properties", properties(100, true)),
    withField("properties", { a: "x".repeat(32_768 - 8) }),
    withField("properties", { a: null, b: 1.5e300, c: "\u2028" }),
    withField("unknown", { deep: [[[{}]]] }),
    `\t${JSON.stringify(event, null, 2)}\r\n`,
  ];
  for (const text of cases) {
    const response = await post(ingestion, "/events", text);
    assert.equal(response.status, 200, `${text.slice(0, 80)}: ${await response.text()}`);
  }
});

Deno.test("POST /events/batch answers as the contract says for JSON and NDJSON", async () => {
  const { ingestion, producer } = openIngestHandlers();
  const two = [good, withField("id", "e2")];
  const answer = {
    success: true,
    message: "2 events accepted",
    processed_count: 2,
    failed_event_ids: [],
    errors: [],
  };
  const ndjson = { "content-type": "application/x-ndjson" };
  const wrapped = await post(ingestion, "/events/batch", `{"events":[${two}]}`);
  assert.deepEqual([wrapped.status, await wrapped.json()], [200, answer]);
  const bare = await post(ingestion, "/events/batch", `[${two}]`);
  assert.deepEqual(await bare.json(), answer);
  const lines = await post(ingestion, "/events/batch", `${two.join("\r\n")}\r\n`, ndjson);
  assert.deepEqual(await lines.json(), answer);
  assert.equal(producer.kept.length, 6);
});

Deno.test("POST /events/batch answers with the first reason when no event was accepted", async () => {
  const { ingestion, producer } = openIngestHandlers();
  const events = [withField("user_id", ""), "7", withField("x", "y".repeat(65_536))];
  const response = await post(ingestion, "/events/batch", `[${events}]`);
  const body = await problemOf(response, "empty_field");
  assert.equal(body.field, "events[0].user_id");
  assert.equal(body.success, false);
  assert.equal(body.processed_count, 0);
  assert.deepEqual(body.failed_event_ids, ["e1"]);
  const errors = body.errors as { index: number; code: string }[];
  assert.deepEqual(errors.map(({ index, code }) => [index, code]), [
    [0, "empty_field"],
    [1, "not_an_object"],
    [2, "event_too_large"],
  ]);
  const large = await post(ingestion, "/events/batch", `[${events[2]}]`);
  await problemOf(large, "event_too_large");
  assert.deepEqual(producer.kept, []);
});

Deno.test("POST of a bad request is refused with its code and stores nothing", async () => {
  const { ingestion, producer, bodies } = openIngestHandlers();
  const over = new Uint8Array(BODY_BYTES_MAX + 1).fill(0x20);
  const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));
  const zstd = (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes));
  type Headers = Record<string, string>;
  const cases: readonly (readonly [string, BodyText, Headers, string])[] = [
    ["/events", over, {}, "body_too_large"],
    ["/events/batch", over, {}, "body_too_large"],
    ["/events", gzip(over), { "content-encoding": "gzip" }, "body_too_large"],
    ["/events/batch", zstd(over), { "content-encoding": "zstd" }, "body_too_large"],
    ["/events", good, { "content-encoding": "br" }, "unsupported_encoding"],
    ["/events", good, { "content-encoding": "gzip" }, "invalid_encoding"],
    [
      "/events/batch",
      zstd(bytesOf(good)).slice(0, -1),
      { "content-encoding": "zstd" },
      "invalid_encoding",
    ],
    ["/events", good, { "content-type": "text/plain" }, "unsupported_media_type"],
    ["/events", good, { "content-type": "application/x-ndjson" }, "unsupported_media_type"],
    ["/events/batch", good, { "content-type": "text/csv" }, "unsupported_media_type"],
    ["/events/batch", "[]", {}, "empty_batch"],
    ["/events/batch", "", { "content-type": "application/x-ndjson" }, "empty_batch"],
    ["/events/batch", `[${Array(10_001).fill("1")}]`, {}, "too_many_events"],
    ["/events/batch", `[${good}`, {}, "invalid_json"],
    ["/event", good, {}, "not_found"],
  ];
  for (const [path, body, headers, code] of cases) {
    await problemOf(await post(ingestion, path, body, headers), code);
  }
  const get = await ingestion(new Request("http://localhost/events/batch"));
  await problemOf(get, "method_not_allowed");
  assert.deepEqual(producer.kept, []);
  assert.equal(bodies.heldBytes, 0);
});

Deno.test("POST takes packed bodies and bodies without a length", async () => {
  const { ingestion, producer } = openIngestHandlers();
  const lines = bytesOf(Array.from({ length: 100 }, (_, i) => withField("id", `e${i}`)).join("\n"));
  const type = { "content-type": "application/x-ndjson" };
  for (const [encoding, pack] of [["gzip", gzipSync], ["zstd", zstdCompressSync]] as const) {
    const headers = { ...type, "content-encoding": encoding };
    const response = await post(ingestion, "/events/batch", new Uint8Array(pack(lines)), headers);
    assert.equal((await response.json()).processed_count, 100);
  }
  const body = new Blob([lines]).stream();
  const url = "http://localhost/events/batch";
  const chunked = await ingestion(new Request(url, { method: "POST", headers: type, body }));
  assert.equal((await chunked.json()).processed_count, 100);
  assert.equal(producer.kept.length, 300);
});

Deno.test("POST says when to try again while the log cannot take events", async () => {
  const { ingestion, producer, acceptor } = openIngestHandlers();
  const send = (path: string) =>
    post(ingestion, path, path === "/events/batch" ? `[${good}]` : good);
  for (const path of ["/events", "/events/async", "/events/batch"]) {
    producer.failWith = () => new OverloadedError();
    const busy = await send(path);
    assert.equal(busy.headers.get("retry-after"), "1");
    await problemOf(busy, "overloaded");
    producer.failWith = () => new LogError("RTA_LOG_UNAVAILABLE", "secret path");
    const down = await send(path);
    assert.equal(down.headers.get("retry-after"), "1");
    const { detail } = await problemOf(down, "log_unavailable");
    assert.ok(!String(detail).includes("secret"));
  }
  acceptor.startDraining();
  const draining = await send("/events");
  assert.equal(draining.headers.get("retry-after"), "1");
  await problemOf(draining, "shutting_down");
});

Deno.test("POST of any bytes is answered by the contract's body or a problem", async () => {
  const paths = ["/events", "/events/async", "/events/batch", "/v1/events", "/v1/events/batch"];
  const mutated = fc.tuple(fc.nat(good.length), fc.nat(20), fc.uint8Array({ maxLength: 8 }))
    .map(([at, cut, inserted]) => {
      const bytes = bytesOf(good);
      return new Uint8Array([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + cut)]);
    });
  const json = fc.json().map(bytesOf);
  const options = fc.json().map((value) => bytesOf(`{"event":${good},"options":${value}}`));
  const events = fc.json().map((value) => bytesOf(`{"events":[${good},${value}],"options":{}}`));
  const body = fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated, json, options, events);
  const header = fc.option(fc.constantFrom("application/x-ndjson", "gzip", "zstd"));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), body, header, async (path, bytes, extra) => {
      const { ingestion, gateway, producer, bodies } = openIngestHandlers();
      const headers: Record<string, string> = extra === null
        ? {}
        : { [extra.includes("/") ? "content-type" : "content-encoding"]: extra };
      const handler = path.startsWith("/v1") ? gateway : ingestion;
      const response = await post(handler, path, new Uint8Array(bytes), headers);
      const answer = await response.json();
      assert.ok(response.status < 500, JSON.stringify(answer));
      assert.equal(typeof answer.success === "boolean" || answer.code in REASONS, true);
      if (response.status >= 400) {
        assert.equal(response.headers.get("content-type"), "application/problem+json");
        assert.ok(answer.code in REASONS);
        assert.deepEqual(producer.kept, []);
      }
      for (const { text } of producer.kept) assert.equal(typeof JSON.parse(text).id, "string");
      assert.equal(bodies.heldBytes, 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("GET /health and /stats of ingestion tell what was sent", async () => {
  const { ingestion } = openIngestHandlers();
  await post(ingestion, "/events", good);
  await post(ingestion, "/events", "{}");
  const response = await ingestion(new Request("http://localhost/stats"));
  const stats = await response.json();
  assert.equal(stats.service, "ingestion");
  assert.deepEqual([stats.messages_sent, stats.messages_error], [1, 1]);
  assert.equal(typeof stats.avg_latency_ms, "number");
  assert.equal(typeof stats.throughput_per_sec, "number");
});
