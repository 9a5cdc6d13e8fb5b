import assert from "node:assert/strict";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { forwardRoutes } from "./forward.ts";
import { createGatewayHandler } from "./http.ts";

function gateway(origin: string): (request: Request) => Promise<Response> {
  const healthy = () => ({ status: "healthy", logStatus: "healthy" } as const);
  return createGatewayHandler({
    operational: {
      service: "gateway",
      metrics: createMetrics(0),
      startedAtMs: 0,
      health: healthy,
      ready: () => ({ ready: true }),
    },
    logger: createLogger("silent"),
    serviceHealth: { events: healthy, analytics: healthy, metrics: healthy },
    routes: [forwardRoutes({ origin, client: null }, new AbortController().signal)],
  });
}

interface Heard {
  readonly line: string;
  readonly key: string | null;
  readonly requestId: string | null;
  readonly body: string;
}

/** A server that notes what it hears and answers 422 with a header. */
async function listening(body: (origin: string, heard: Heard[]) => Promise<void>): Promise<void> {
  const heard: Heard[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    heard.push({
      line: `${request.method} ${url.pathname}${url.search}`,
      key: request.headers.get("x-api-key"),
      requestId: request.headers.get("x-request-id"),
      body: await request.text(),
    });
    return new Response("answer", {
      status: 422,
      headers: {
        "x-own": "1",
        "x-request-id": "u",
        "access-control-allow-origin": "*",
      },
    });
  });
  try {
    await body(`http://127.0.0.1:${server.addr.port}`, heard);
  } finally {
    await server.shutdown();
  }
}

Deno.test("forwardRoutes() passes question and answer on as they are", async () => {
  await listening(async (origin, heard) => {
    const headers = { "x-api-key": "k", "x-request-id": "r-1", "content-type": "text/plain" };
    const init = { method: "POST", headers, body: "question" };
    const request = new Request("http://g/v1/dead-letters/replay?a=%20b&a=c", init);
    const answer = await gateway(origin)(request);
    assert.equal(answer.status, 422);
    assert.equal(answer.headers.get("x-own"), "1");
    // What pages may is for the gateway to say.
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
    assert.equal(answer.headers.get("x-request-id"), "r-1");
    assert.equal(await answer.text(), "answer");
    const line = "POST /v1/dead-letters/replay?a=%20b&a=c";
    assert.deepEqual(heard, [{ line, key: "k", requestId: "r-1", body: "question" }]);
  });
});

Deno.test("forwardRoutes() keeps its own health route and passes the rest on", async () => {
  await listening(async (origin, heard) => {
    const handle = gateway(origin);
    assert.equal((await handle(new Request("http://g/v1/analytics/health"))).status, 200);
    await (await handle(new Request("http://g/v1/analytics/summary"))).text();
    await (await handle(new Request("http://g/v1/dead-letters"))).text();
    const lines = heard.map(({ line }) => line);
    assert.deepEqual(lines, ["GET /v1/analytics/summary", "GET /v1/dead-letters"]);
  });
});

Deno.test("forwardRoutes() answers 503 when nobody listens there", async () => {
  const free = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const origin = `http://127.0.0.1:${free.addr.port}`;
  free.close();
  const answer = await gateway(origin)(new Request("http://g/v1/analytics/summary"));
  assert.equal(answer.status, 503);
  assert.ok(Number(answer.headers.get("retry-after")) > 0);
  assert.equal((await answer.json()).code, "store_unavailable");
});
