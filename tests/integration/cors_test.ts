/** Pages of other origins at the ports of a real server: RTA_CORS_ORIGINS. */
import assert from "node:assert/strict";
import { EXIT_CONFIG } from "../../lib/config/exit_codes.ts";
import { LiveClient } from "../support/live_client.ts";
import { spawnRta, startServer, type TestServer } from "../support/server.ts";

const APP = "https://app.example.com";
const EVIL = "https://evil.example.com";
/** What a browser asks before it sends JSON with a key. */
const ASKS = {
  "access-control-request-method": "POST",
  "access-control-request-headers": "content-type,x-api-key,x-request-id",
};

const RESOURCES = { gateway: "/v1/events", ingestion: "/events", consumer: "/stats" } as const;

async function ask(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init);
  await answer.body?.cancel();
  return answer;
}

const allowOrigin = ({ headers }: Response) => headers.get("access-control-allow-origin");

Deno.test("RTA_CORS_ORIGINS lets the pages of the origins that it names use every port", async () => {
  const env = { RTA_CORS_ORIGINS: `${APP}, http://localhost:3000`, RTA_AUTH: "required" };
  await using server = await startServer({ env });
  const urls = [
    ...Object.values(server.urls).map((url) => `${url}/health`),
    ...Object.entries(RESOURCES).map(([role, path]) => server.urls[role as "gateway"] + path),
  ];
  for (const url of urls) {
    const preflight = await ask(url, { method: "OPTIONS", headers: { origin: APP, ...ASKS } });
    assert.equal(preflight.status, 204, url);
    assert.equal(allowOrigin(preflight), APP, url);
    assert.match(preflight.headers.get("access-control-allow-headers")!, /x-api-key/);
    const other = await ask(url, { method: "OPTIONS", headers: { origin: EVIL, ...ASKS } });
    assert.deepEqual([other.status, allowOrigin(other)], [403, null], url);
  }
  // A page may read why it was refused, and what to tell its operator.
  const refused = await fetch(`${server.urls.gateway}/v1/analytics/summary`, {
    headers: { origin: APP },
  });
  assert.equal(refused.status, 401);
  assert.equal(allowOrigin(refused), APP);
  assert.equal(refused.headers.get("vary"), "Origin");
  assert.match(refused.headers.get("access-control-expose-headers")!, /retry-after.*x-request-id/);
  assert.equal((await refused.json()).code, "unauthenticated");
  const foreign = await ask(`${server.urls.gateway}/health`, { headers: { origin: EVIL } });
  assert.deepEqual([foreign.status, allowOrigin(foreign)], [200, null]);
  assert.equal(foreign.headers.get("vary"), "Origin");
});

Deno.test("RTA_CORS_ORIGINS=* answers pages of all origins, without credentials", async () => {
  await using server = await startServer({ env: { RTA_CORS_ORIGINS: "*" } });
  const url = `${server.urls.ingestion}/events`;
  const headers = { origin: EVIL, "content-type": "application/json" };
  const body = JSON.stringify({ user_id: "ada", event_type: "page_view" });
  const stored = await ask(url, { method: "POST", headers, body });
  assert.deepEqual([stored.status, allowOrigin(stored)], [200, "*"]);
  assert.equal(stored.headers.get("access-control-allow-credentials"), null);
  assert.equal(stored.headers.get("vary"), null);
  await using live = await LiveClient.open(`${server.urls.gateway}/v1/live`);
  await live.waitFor("a window", ({ event }) => event === "window");
});

/** The status of a request for a WebSocket from a page. */
async function socketStatus({ urls }: TestServer, origin: string): Promise<string> {
  const { hostname, port, host } = new URL(urls.gateway);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `GET /v1/live HTTP/1.1\r\nhost: ${host}\r\norigin: ${origin}\r\n` +
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  await connection.write(new TextEncoder().encode(head));
  const chunk = new Uint8Array(1_024);
  const count = await connection.read(chunk);
  return new TextDecoder().decode(chunk.subarray(0, count ?? 0)).split(" ")[1];
}

Deno.test("without RTA_CORS_ORIGINS no page of another origin gets anything", async () => {
  await using server = await startServer();
  const url = `${server.urls.ingestion}/events`;
  const preflight = await ask(url, { method: "OPTIONS", headers: { origin: APP, ...ASKS } });
  assert.deepEqual([preflight.status, allowOrigin(preflight)], [405, null]);
  const answer = await ask(`${server.urls.gateway}/v1/analytics/summary`, {
    headers: { origin: APP },
  });
  assert.deepEqual([answer.status, allowOrigin(answer)], [200, null]);
  assert.equal(await socketStatus(server, APP), "403");
  assert.equal(await socketStatus(server, server.urls.gateway), "101");
});

Deno.test("RTA_CORS_ORIGINS is refused at the start when it can't be meant", async () => {
  await using process = spawnRta(["serve"], { env: { RTA_CORS_ORIGINS: `${APP}/` } });
  assert.equal(await process.ended, EXIT_CONFIG);
  assert.match(process.output(), /RTA_CORS_ORIGINS="https:\/\/app\.example\.com\/": give a list/);
});
