import assert from "node:assert/strict";
import { IMPORT_RETRY_MS_MAX } from "../config/limits.ts";
import { ImportError } from "./import_error.ts";
import { EventSender, platformAddress, type SenderOptions } from "./send_events.ts";

const body = new TextEncoder().encode('{"id":"1"}\n{"id":"2"}\n');
const taken = { success: true, message: "2 events accepted", processed_count: 2, errors: [] };

type Seen = Pick<Request, "url" | "method" | "headers">;
type Answer = (request: Request) => Response | Promise<Response>;

/** Runs against a server that gives these answers, one a request, the last one again and again. */
async function withServer(
  answers: readonly Answer[],
  use: (url: string, requests: Seen[]) => Promise<void>,
): Promise<void> {
  const requests: Seen[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    requests.push({ url: request.url, method: request.method, headers: request.headers });
    await request.arrayBuffer();
    return answers[Math.min(requests.length, answers.length) - 1](request);
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}`, requests);
  } finally {
    await server.shutdown();
  }
}

/** A sender that does not wait, but notes what it would have waited. */
function senderOf(url: string, options: Partial<SenderOptions> = {}) {
  const waits: number[] = [];
  const wait = (ms: number) => {
    waits.push(ms);
    return Promise.resolve();
  };
  return { waits, sender: new EventSender({ url, wait, random: () => 0.5, ...options }) };
}

/** An address where nothing listens: that of a port which was free a moment ago. */
function closedUrl(): string {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return `http://127.0.0.1:${listener.addr.port}`;
}

const problem = (status: number, headers: Record<string, string> = {}) => () =>
  Response.json({ code: "x", detail: `problem ${status}` }, { status, headers });

Deno.test("send() posts NDJSON with the key, and gives no refusals when all is taken", async () => {
  await withServer([() => Response.json(taken)], async (url, requests) => {
    const { sender } = senderOf(`${url}/`, { apiKey: "secret" });
    assert.deepEqual(await sender.send(body), []);
    const [request] = requests;
    assert.equal(new URL(request.url).pathname, "/events/batch");
    assert.equal(request.method, "POST");
    assert.equal(request.headers.get("content-type"), "application/x-ndjson");
    assert.equal(request.headers.get("x-api-key"), "secret");
  });
});

Deno.test("send() gives the refused events when some or all are refused", async () => {
  const errors = [{ index: 1, id: "2", code: "too_long", field: "id", message: "long" }];
  for (const status of [200, 400]) {
    const answer = () => Response.json({ success: false, errors }, { status });
    await withServer([answer], async (url) => {
      assert.deepEqual(await senderOf(url).sender.send(body), [
        { index: 1, code: "too_long", field: "id", message: "long" },
      ]);
    });
  }
});

Deno.test("send() tries again with longer waits when the platform can't take events", async () => {
  const answers = [problem(503), problem(429), problem(500), () => Response.json(taken)];
  await withServer(answers, async (url, requests) => {
    const reasons: string[] = [];
    const { sender, waits } = senderOf(url, { onRetry: (reason) => reasons.push(reason) });
    assert.deepEqual(await sender.send(body), []);
    assert.equal(requests.length, 4);
    assert.deepEqual(waits, [100, 200, 400]);
    assert.equal(reasons[0], "503 problem 503");
  });
});

Deno.test("send() waits at least as long as Retry-After says, up to the limit", async () => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  const answers = [
    problem(429, { "retry-after": "3" }),
    problem(503, { "retry-after": inAMinute }),
    problem(503, { "retry-after": "soon" }),
    () => Response.json(taken),
  ];
  await withServer(answers, async (url) => {
    const { sender, waits } = senderOf(url);
    await sender.send(body);
    assert.deepEqual(waits, [3_100, IMPORT_RETRY_MS_MAX, 400]);
  });
});

Deno.test("send() gives up when no attempt of the limit succeeds", async () => {
  await withServer([problem(503)], async (url, requests) => {
    const { sender } = senderOf(url, { attemptsMax: 3 });
    await assert.rejects(
      sender.send(body),
      (error) =>
        error instanceof ImportError && /gave up after 3 attempts: 503/.test(error.message),
    );
    assert.equal(requests.length, 3);
  });
});

Deno.test("send() tries again when there is no connection", async () => {
  const { sender, waits } = senderOf(closedUrl(), { attemptsMax: 3 });
  await assert.rejects(sender.send(body), /gave up after 3 attempts: .*refused/i);
  assert.equal(waits.length, 2);
});

Deno.test("send() throws at once when the request is refused as a whole", async () => {
  for (const status of [302, 400, 401, 413]) {
    await withServer([problem(status)], async (url, requests) => {
      await assert.rejects(senderOf(url).sender.send(body), new RegExp(`answered ${status}`));
      assert.equal(requests.length, 1);
    });
  }
  await withServer([() => new Response("<html>")], async (url) => {
    await assert.rejects(senderOf(url).sender.send(body), /answered 200: <html>/);
  });
});

Deno.test("send() stops with the signal's reason when that aborts during a wait", async () => {
  const controller = new AbortController();
  await withServer([problem(503, { "retry-after": "30" })], async (url) => {
    const sender = new EventSender({
      url,
      signal: controller.signal,
      onRetry: () => controller.abort(),
    });
    await assert.rejects(sender.send(body), (error) => error === controller.signal.reason);
    await assert.rejects(sender.send(body), (error) => error === controller.signal.reason);
  });
});

Deno.test("send() still takes the answer under way when the signal aborts", async () => {
  const controller = new AbortController();
  const answer = () => {
    controller.abort();
    return Response.json(taken);
  };
  await withServer([answer], async (url) => {
    assert.deepEqual(await senderOf(url, { signal: controller.signal }).sender.send(body), []);
  });
});

Deno.test("probe() throws with what to do when nothing answers", async () => {
  await assert.rejects(senderOf(closedUrl()).sender.probe(), /refused.*make run/i);
  await withServer([() => new Response("not found", { status: 404 })], async (url) => {
    await senderOf(url).sender.probe();
  });
});

Deno.test("platformAddress() throws when the address is none", () => {
  assert.equal(platformAddress("http://a:1/x/"), "http://a:1/x");
  for (const url of ["", "localhost:8081", "ftp://a"]) {
    assert.throws(() => platformAddress(url), ImportError);
  }
});
