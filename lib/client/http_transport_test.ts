import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { FakeClock, FakeNetwork, jsonAnswer, noAnswer } from "../../tests/support/client_scene.ts";
import { ApiError } from "./api_error.ts";
import { type ClientOptions, settingsOf } from "./client_options.ts";
import { HttpTransport } from "./http_transport.ts";

const URL_ASKED = "http://rta.test/v1/x";

function transportOn(network: FakeNetwork, options: ClientOptions = {}) {
  return new HttpTransport(settingsOf({ fetch: network.fetch, random: () => 0, ...options }));
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error) => {
    assert.ok(error instanceof ApiError, String(error));
    return error;
  });

Deno.test("json() tries again after 429, 503, 504 and a lost connection, with one request id", async () => {
  for (const bad of [429, 503, 504, 0]) {
    const network = new FakeNetwork((_, index) => {
      if (index === 1) return jsonAnswer(200, { ok: true });
      if (bad === 0) throw new TypeError("fetch failed");
      return jsonAnswer(bad, { code: "x", detail: "y" }, { "retry-after": "2" });
    });
    const clock = new FakeClock();
    const asked = transportOn(network, { clock }).json({ url: URL_ASKED });
    await clock.advance(bad === 0 ? 0 : 1_999);
    assert.equal(network.sent.length, bad === 0 ? 2 : 1, String(bad));
    await clock.advance(1);
    assert.deepEqual(await asked, { ok: true });
    const ids = network.sent.map(({ headers }) => headers.get("x-request-id"));
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    assert.deepEqual(clock.waits, [], "no timer is left");
  }
});

Deno.test("json() gives a refusal as it was told, at once", async () => {
  for (const status of [400, 401, 403, 404, 409, 413, 422, 500]) {
    const problem = { code: "invalid_parameter", detail: "no", field: "limit" };
    const network = new FakeNetwork(() => jsonAnswer(status, problem, { "x-request-id": "r-1" }));
    const error = await refusal(transportOn(network).json({ url: URL_ASKED }));
    assert.equal(network.sent.length, 1, String(status));
    const { code, field, requestId, detail } = error;
    assert.deepEqual({ code, field, requestId, detail, status: error.status }, {
      ...problem,
      requestId: "r-1",
      status,
    });
    assert.equal(error.isRetryable, false);
  }
});

Deno.test("json() says unexpected_answer when what answers is not this platform", async () => {
  for (const answer of [new Response("<html>", { status: 502 }), new Response("<html>")]) {
    const error = await refusal(
      transportOn(new FakeNetwork(() => answer)).json({ url: URL_ASKED }),
    );
    assert.equal(error.code, "unexpected_answer");
  }
});

Deno.test("json() ends an attempt by its time, and the request by its deadline", async () => {
  const network = new FakeNetwork(noAnswer);
  const clock = new FakeClock();
  const asked = transportOn(network, { clock, deadlineMs: 1_000 })
    .json({ url: URL_ASKED, attemptMs: 400 });
  asked.catch(() => {});
  await clock.advance(400);
  assert.equal(network.sent.length, 2);
  await clock.advance(600);
  const error = await refusal(asked);
  assert.deepEqual([error.code, error.attempts, error.mayBeStored], ["no_answer", 3, true]);
  assert.ok(network.sent.every(({ signal }) => signal.aborted));
  assert.deepEqual(clock.waits, []);
});

Deno.test("json() rejects with the signal's reason, and tries no more", async () => {
  const network = new FakeNetwork(noAnswer);
  const abort = new AbortController();
  const asked = transportOn(network).json({ url: URL_ASKED, signal: abort.signal });
  await Promise.resolve();
  abort.abort(new Error("enough"));
  await assert.rejects(asked, { message: "enough" });
  assert.ok(network.sent.length <= 1);
});

Deno.test("json() sends the key, and asks for the token before each attempt", async () => {
  const network = new FakeNetwork((_, i) => jsonAnswer(i === 0 ? 503 : 200, {}));
  let made = 0;
  const token = () => Promise.resolve(`t${++made}`);
  const clock = new FakeClock();
  const asked = transportOn(network, { clock, apiKey: "k", token }).json({ url: URL_ASKED });
  await clock.advance(0);
  await asked;
  const sent = network.sent.map(({ headers }) => headers.get("authorization"));
  assert.deepEqual(sent, ["Bearer t1", "Bearer t2"]);
  assert.equal(network.sent[0].headers.get("x-api-key"), "k");
});

Deno.test("send() packs large bodies by gzip, and small ones not", async () => {
  const network = new FakeNetwork(() => jsonAnswer(200, {}));
  const transport = transportOn(network);
  for (const length of [100, 10_000]) {
    const bytes = new Uint8Array(length).fill(65);
    await transport.json({ url: URL_ASKED, body: { bytes, type: "application/x-ndjson" } });
    const { body, headers, method } = network.sent.at(-1)!;
    assert.equal(method, "POST");
    assert.equal(headers.get("content-encoding"), length > 4_096 ? "gzip" : null);
    const plain = length > 4_096 ? gunzipSync(body) : body;
    assert.deepEqual(new Uint8Array(plain), bytes);
  }
});

Deno.test("settingsOf() names the option that is not valid", () => {
  const wrong: [keyof ClientOptions, ClientOptions][] = [
    ["url", { url: "localhost" }],
    ["ingestUrl", { ingestUrl: "ftp://x" }],
    ["batchEvents", { batchEvents: 1_001 }],
    ["concurrency", { concurrency: 0 }],
    ["deadlineMs", { deadlineMs: 1.5 }],
  ];
  for (const [field, options] of wrong) {
    assert.throws(() => settingsOf(options), { code: "invalid_option", field });
  }
  assert.equal(settingsOf({ url: "http://h:8080/" }).ingestUrl, "http://h:8081");
  assert.equal(settingsOf({ url: "https://h" }).ingestUrl, null);
});
