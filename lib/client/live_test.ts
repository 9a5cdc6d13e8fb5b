import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock, FakeNetwork, jsonAnswer } from "../../tests/support/client_scene.ts";
import { AnalyticsClient } from "./client.ts";
import type { LiveMessage } from "./live.ts";
import { messagesOf } from "./live.ts";

const message = (event: string, id: string | null, data: unknown) =>
  `${id === null ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** A body that gives these texts, then ends, or breaks off. */
function streamOf(texts: readonly string[], breaks = false): Response {
  const encoder = new TextEncoder();
  const rest = texts.map((text) => encoder.encode(text));
  return new Response(
    new ReadableStream({
      pull(controller) {
        const next = rest.shift();
        if (next !== undefined) controller.enqueue(next);
        else if (breaks) controller.error(new TypeError("connection reset"));
        else controller.close();
      },
    }),
    { headers: { "content-type": "text/event-stream" } },
  );
}

function open(answer: FakeNetwork["answer"]) {
  const network = new FakeNetwork(answer);
  const clock = new FakeClock();
  const retries: string[] = [];
  const client = new AnalyticsClient({
    ...{ url: "http://gateway.test", fetch: network.fetch, clock, random: () => 0 },
    onRetry: ({ code }) => void retries.push(code),
  });
  return { network, clock, client, retries };
}

Deno.test("live() goes on after the last window when the stream breaks or ends", async () => {
  const { network, clock, client, retries } = open((_, index) =>
    [
      () => streamOf([message("window", "w-1", { n: 1 }), ": still here\n\n"], true),
      () => streamOf([message("end", null, { code: "shutting_down", message: "come back" })]),
      () => {
        throw new TypeError("refused");
      },
      () =>
        streamOf([
          message("missed", null, { missed: 3, after: "w-1" }),
          message("window", "w-5", { n: 5 }),
        ]),
    ][index]()
  );
  const got: LiveMessage[] = [];
  const reading = (async () => {
    for await (const each of client.live({ window_seconds: 60 })) {
      if (got.push(each) === 3) return;
    }
  })();
  await clock.advance(0);
  await reading;
  assert.deepEqual(got.map(({ event }) => event), ["window", "missed", "window"]);
  assert.deepEqual(got[1].data, { missed: 3, after: "w-1" });
  const asked = network.sent.map(({ headers }) => headers.get("last-event-id"));
  assert.deepEqual(asked, [null, "w-1", "w-1", "w-1"]);
  assert.deepEqual(retries, ["network", "shutting_down", "network"]);
  assert.ok(network.sent.at(-1)!.signal.aborted, "leaving the loop ends the connection");
  assert.deepEqual(clock.waits, []);
});

Deno.test("live() throws a refusal, and gives up on a platform that stays away", async () => {
  const problem = { code: "invalid_parameter", field: "window_seconds", detail: "too long" };
  const refused = open(() => jsonAnswer(400, problem));
  await assert.rejects(refused.client.live().next(), problem);

  const away = open(() => streamOf([]));
  const reading = assert.rejects(away.client.live().next(), { code: "network", attempts: 20 });
  await away.clock.advance(0);
  await reading;
  assert.equal(away.network.sent.length, 20);
});

Deno.test("live() ends with the signal's reason", async () => {
  const { client } = open(() => streamOf([message("window", "w-1", {})], true));
  const abort = new AbortController();
  const stream = client.live({}, { signal: abort.signal });
  await stream.next();
  const next = assert.rejects(stream.next(), (reason) => reason === "enough");
  abort.abort("enough");
  await next;
});

Deno.test("messagesOf() reads messages whatever the pieces they come in", async () => {
  const text =
    'id: ü1\r\nevent: window\r\ndata: {"a":\r\ndata: 1}\r\n\r\n:\n\ndata:2\n\nevent: x\n\n';
  const bytes = new TextEncoder().encode(text);
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }),
    async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      const body = ReadableStream.from(pieces.filter(({ length }) => length > 0));
      const messages = [];
      for await (const each of messagesOf(new Response(body))) messages.push(each);
      assert.deepEqual(messages, [
        { event: "window", id: "ü1", data: { a: 1 } },
        { event: "message", id: null, data: 2 },
      ]);
    },
  ));
});
