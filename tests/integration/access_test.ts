/** Keys, tokens, scopes and limits at the ports of real servers, over REST and over gRPC. */
import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { EXIT_CONFIG } from "../../lib/config/exit_codes.ts";
import { Status } from "../../lib/grpc/status_code.ts";
import { waitUntil } from "../support/deadline.ts";
import { detailsOf, failureOf, grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { makeKeys, withDataFolder } from "../support/key_scene.ts";
import { LiveClient } from "../support/live_client.ts";
import { spawnRta, startServer, type TestServer } from "../support/server.ts";

const REQUIRED = { RTA_AUTH: "required" };
const JSON_TYPE = { "content-type": "application/json" };
const EVENT = { user_id: "ada", event_type: "view" };
const INGESTION = "analytics.v1.EventIngestionService";
const SECRET = "a secret that has thirty-two bytes or more";

async function answer(response: Response) {
  const text = await response.text();
  // deno-lint-ignore no-explicit-any -- answers of the API
  const json: any = text.startsWith("{") ? JSON.parse(text) : null;
  return { status: response.status, headers: response.headers, text, json };
}

async function get(url: string, headers: Record<string, string> = {}) {
  return await answer(await fetch(url, { headers }));
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const init = {
    method: "POST",
    headers: { ...JSON_TYPE, ...headers },
    body: JSON.stringify(body),
  };
  return await answer(await fetch(url, init));
}

/** Runs `rta`; what it wrote to standard output and error, and its exit code. */
async function rta(dataFolder: string, ...args: string[]) {
  const process = spawnRta(args, { dataFolder });
  const code = await process.ended;
  return { code, output: process.output() };
}

function protoEvent(id: string) {
  return {
    id,
    user_id: "ada",
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
    user_event: { action: "view" },
  };
}

Deno.test("keys required: every kind of wrong credentials is refused clearly, on both transports", async () => {
  await withDataFolder(async (dataFolder) => {
    const hour = 3_600_000;
    const { good, ended, reader, elsewhere } = await makeKeys(dataFolder, {
      good: { scopes: ["ingest", "query"] },
      ended: { expiresAtMs: Date.now() - hour },
      reader: { scopes: ["query"], project: "shop" },
      elsewhere: {},
    });
    // The file of another platform: a whole key that is not of this one.
    const now = await makeKeysWithout(dataFolder, elsewhere);
    assert.equal(now, 3);
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const { gateway, ingestion, consumer } = server.urls;
    using client = await TestGrpcClient.connect(INGESTION, grpcPortOf(server));
    const call = (metadata: Record<string, string>) =>
      client.call("IngestEvent", { event: protoEvent("g-1") }, { metadata });
    const cases: [string, Record<string, string>, RegExp][] = [
      ["none", {}, /send an API key/],
      ["truncated", { "x-api-key": good.slice(0, 30) }, /cut off/],
      [
        "mistyped",
        { "x-api-key": good.slice(0, -1) + (good.endsWith("x") ? "y" : "x") },
        /mistyped/,
      ],
      ["of elsewhere", { "x-api-key": elsewhere }, /not valid/],
      ["expired", { "x-api-key": ended }, /expired/],
      ["a legacy text", { "x-api-key": "KEY" }, /begins with rta_/],
      ["basic", { authorization: "Basic cnRhOnJ0YQ==" }, /must be: Bearer/],
      ["a token", { authorization: "Bearer eyJhbGciOiJub25lIn0.e30." }, /tokens are not taken/],
    ];
    for (const [what, headers, expected] of cases) {
      const refused = await post(`${ingestion}/events`, EVENT, headers);
      assert.deepEqual([refused.status, refused.json.code], [401, "unauthenticated"], what);
      assert.match(refused.json.detail, expected, what);
      assert.match(refused.headers.get("www-authenticate")!, /^Bearer realm="rta"/, what);
      assert.ok(refused.headers.has("x-request-id"));
      const failure = await failureOf(call(headers));
      assert.equal(failure.code, Status.UNAUTHENTICATED, what);
      assert.match(failure.message, expected, what);
      assert.equal(detailsOf(failure).ErrorInfo.metadata.code, "unauthenticated");
    }
    const forbidden = await post(`${ingestion}/events`, EVENT, { "x-api-key": reader });
    assert.deepEqual([forbidden.status, forbidden.json.code], [403, "permission_denied"]);
    assert.equal((await failureOf(call({ "x-api-key": reader }))).code, Status.PERMISSION_DENIED);
    const ok = { "x-api-key": good };
    assert.equal((await post(`${ingestion}/events`, EVENT, ok)).status, 200);
    assert.equal(
      (await post(`${gateway}/v1/events`, EVENT, { authorization: `Bearer ${good}` })).status,
      400,
    );
    assert.equal((await call(ok)).success, true);
    for (const path of ["/v1/sql", "/v1/dead-letters/replay", "/v1/keys", "/v1/projects"]) {
      assert.equal((await post(`${gateway}${path}`, {}, ok)).json.code, "permission_denied", path);
    }
    for (
      const url of [
        `${gateway}/health`,
        `${consumer}/lag`,
        `${ingestion}/stats`,
        `${gateway}/ready`,
      ]
    ) {
      assert.equal((await get(url)).status, 200, url);
    }
    using health = await TestGrpcClient.connect("grpc.health.v1.Health", grpcPortOf(server));
    await health.call("Check", { service: "" });
    // Nothing of any key, right or wrong, is in the log.
    for (const key of [good, ended, reader, elsewhere]) {
      assert.ok(!server.output().includes(key.slice(17)));
    }
    assert.equal(await server.stop(), 0);
  });
});

/** Takes a key out of the file; gives how many are left. */
async function makeKeysWithout(dataFolder: string, key: string): Promise<number> {
  const { readApiKey } = await import("../../lib/auth/api_key.ts");
  const { changeKeyFile } = await import("../../lib/auth/key_file.ts");
  const read = readApiKey(key);
  const { book } = await changeKeyFile(`${dataFolder}/keys.json`, (before) => ({
    book: { ...before, keys: before.keys.filter(({ id }) => !read.ok || id !== read.id) },
  }));
  return book.keys.length;
}

Deno.test("rta keys: a running server knows a new key, a rotated one and a revoked one at once", async () => {
  await withDataFolder(async (dataFolder) => {
    await using server = await startServer({ dataFolder, env: REQUIRED });
    assert.ok(server.output().includes("keys are required and there are none"));
    const { ingestion, gateway } = server.urls;
    const statusOf = async (key: string) =>
      (await post(`${ingestion}/events`, EVENT, { "x-api-key": key })).status;
    const becomes = (key: string, status: number) =>
      waitUntil(async () => await statusOf(key) === status, { what: `${status} for a key` });
    const idOf = (key: string) => key.slice(4, 16);
    const keyIn = (output: string) => /rta_\w+/.exec(output)![0];
    await rta(dataFolder, "projects", "create", "shop");
    const made = await rta(
      dataFolder,
      ...["keys", "create", "--project", "shop", "--scope", "ingest,query", "--name", "till"],
    );
    assert.equal(made.code, 0, made.output);
    const first = keyIn(made.output);
    await becomes(first, 200);
    const rotated = await rta(dataFolder, "keys", "rotate", idOf(first), "--overlap", "30d");
    const second = keyIn(rotated.output);
    await becomes(second, 200);
    assert.equal(await statusOf(first), 200);
    await rta(dataFolder, "keys", "revoke", idOf(first));
    await becomes(first, 401);
    assert.equal(await statusOf(second), 200);
    const admin = keyIn((await rta(dataFolder, "keys", "create", "--scope", "admin")).output);
    await waitUntil(async () => {
      const { status, json } = await get(`${gateway}/v1/keys`, { "x-api-key": admin });
      return status === 200 && json.keys.length === 3;
    }, { what: "the admin's key" });
    assert.equal(await server.stop(), 0);
    // What was used is kept.
    const listed = await rta(dataFolder, "keys", "list", "--json");
    const records = listed.output.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(records.map(({ state }) => state), ["revoked", "active", "active"]);
    assert.ok(records.every(({ last_used_at }) => typeof last_used_at === "string"), listed.output);
    assert.ok(!listed.output.includes("sha256"));
  });
});

Deno.test("/v1/keys: admins make, rotate and end keys of their own project, operators of all", async () => {
  await withDataFolder(async (dataFolder) => {
    const keys = await makeKeys(dataFolder, { operator: {}, alpha: { project: "alpha" } });
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const { gateway } = server.urls;
    const as = (key: string) => ({
      get: (path: string) => get(`${gateway}${path}`, { "x-api-key": key }),
      post: (path: string, body: unknown) => post(`${gateway}${path}`, body, { "x-api-key": key }),
    });
    const [operator, alpha] = [as(keys.operator), as(keys.alpha)];
    const beta = await operator.post("/v1/projects", { name: "beta", limits: { streams: 2 } });
    assert.deepEqual([beta.status, beta.json.limits], [201, { streams: 2 }]);
    assert.equal(
      (await operator.post("/v1/projects", { name: "beta" })).json.code,
      "already_exists",
    );
    assert.equal((await alpha.post("/v1/projects", { name: "x" })).json.code, "permission_denied");
    const names = (await operator.get("/v1/projects")).json.projects.map((each: { name: string }) =>
      each.name
    );
    assert.deepEqual(names, ["default", "alpha", "beta"]);
    assert.equal((await alpha.get("/v1/projects")).json.projects.length, 1);
    const ofBeta = await operator.post("/v1/keys", {
      project: "beta",
      scopes: ["query"],
      name: "dashboard",
      expires_in_seconds: 3_600,
    });
    assert.equal(ofBeta.status, 201, ofBeta.text);
    assert.equal(ofBeta.headers.get("cache-control"), "no-store");
    const own = await alpha.post("/v1/keys", { scopes: ["ingest"] });
    assert.equal(own.json.project, "alpha");
    const listed = (await alpha.get("/v1/keys")).json.keys;
    assert.deepEqual(listed.map(({ project }: { project: string }) => project), ["alpha", "alpha"]);
    assert.ok(!JSON.stringify(listed).includes("sha256"));
    assert.equal((await operator.get("/v1/keys")).json.keys.length, 4);
    const foreign = await alpha.post("/v1/keys", { project: "beta", scopes: ["query"] });
    assert.deepEqual([foreign.status, foreign.json.field], [403, "project"]);
    // The key of another project is as one that is not there.
    const [theirs, none] = await Promise.all([
      alpha.post(`/v1/keys/${ofBeta.json.id}/revoke`, {}),
      alpha.post("/v1/keys/AAAAAAAAAAAA/revoke", {}),
    ]);
    assert.deepEqual([theirs.status, theirs.json.detail], [404, none.json.detail]);
    assert.equal((await alpha.post(`/v1/keys/${ofBeta.json.id}/rotate`, {})).status, 404);
    const rotated = await operator.post(`/v1/keys/${ofBeta.json.id}/rotate`, {
      overlap_seconds: 0,
    });
    assert.deepEqual([rotated.status, rotated.json.replaces], [201, ofBeta.json.id]);
    assert.equal((await as(ofBeta.json.key).get("/v1/analytics/summary")).status, 401);
    assert.equal((await as(rotated.json.key).get("/v1/analytics/summary")).status, 200);
    const revoked = await alpha.post(`/v1/keys/${own.json.id}/revoke`, {});
    assert.equal(revoked.json.state, "revoked");
    for (
      const body of [
        {},
        { scopes: [] },
        { scopes: ["root"] },
        { scopes: ["query"], name: "a\u001b[31m" },
        { scopes: ["query"], expires_in_seconds: 0 },
        { scopes: ["query"], limits: { streams: 0 } },
        { scopes: ["query"], key: "mine" },
        { scopes: ["query"], project: "No Project" },
      ]
    ) {
      const refused = await operator.post("/v1/keys", body);
      assert.deepEqual(
        [refused.status, refused.json.code],
        [400, "invalid_parameter"],
        refused.text,
      );
    }
    assert.equal(await server.stop(), 0);
  });
});

Deno.test("keys optional: who gives none is let in, who gives a wrong one is not", async () => {
  await using server = await startServer();
  const { ingestion, gateway } = server.urls;
  assert.equal((await post(`${ingestion}/events`, EVENT)).status, 200);
  assert.equal((await post(`${ingestion}/events`, EVENT, { "x-api-key": "KEY" })).status, 401);
  const made = await post(`${gateway}/v1/keys`, { scopes: ["query"] });
  assert.equal(made.status, 201);
  const key = { "x-api-key": made.json.key };
  assert.equal((await post(`${ingestion}/events`, EVENT, key)).status, 403);
  assert.equal(await server.stop(), 0);
});

Deno.test("RTA_AUTH=off looks at no credentials, and warns where other machines come in", async () => {
  await using server = await startServer({ env: { RTA_AUTH: "off", RTA_HOST: "0.0.0.0" } });
  assert.ok(
    server.entries.some(({ level, msg }) => level === "warn" && msg.includes("RTA_AUTH=off")),
  );
  const url = server.urls.ingestion.replace("0.0.0.0", "127.0.0.1");
  assert.equal((await post(`${url}/events`, EVENT, { "x-api-key": "KEY" })).status, 200);
  assert.equal(await server.stop(), 0);
});

Deno.test("an address that other machines reach needs keys without being told", async () => {
  await using server = await startServer({ env: { RTA_HOST: "0.0.0.0" } });
  const url = server.urls.ingestion.replace("0.0.0.0", "127.0.0.1");
  assert.equal((await post(`${url}/events`, EVENT)).status, 401);
  assert.equal((await get(`${url}/health`)).status, 200);
  assert.equal(await server.stop(), 0);
});

Deno.test("a key file that breaks keeps the last keys, and /health and the log say so", async () => {
  await withDataFolder(async (dataFolder) => {
    const { good } = await makeKeys(dataFolder, { good: {} });
    const path = `${dataFolder}/keys.json`;
    const whole = Deno.readTextFileSync(path);
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const health = async () => (await get(`${server.urls.ingestion}/health`)).json;
    Deno.writeTextFileSync(path, whole.slice(0, 50));
    await waitUntil(async () => (await health()).status === "degraded", {
      what: "the broken file",
    });
    assert.equal((await health()).key_file, "broken");
    await server.waitForEntry("the key file is broken; the last keys stay in use");
    const key = { "x-api-key": good };
    assert.equal((await post(`${server.urls.ingestion}/events`, EVENT, key)).status, 200);
    const refused = await post(`${server.urls.gateway}/v1/keys`, { scopes: ["query"] }, key);
    assert.deepEqual([refused.status, refused.json.code], [503, "auth_unavailable"]);
    Deno.writeTextFileSync(path, whole);
    await waitUntil(async () => (await health()).status === "healthy", { what: "the whole file" });
    assert.equal(await server.stop(), 0);
    Deno.writeTextFileSync(path, "{");
    await using broken = spawnRta(["serve"], { dataFolder });
    assert.equal(await broken.ended, EXIT_CONFIG);
    assert.match(broken.output(), /keys\.json is not JSON/);
  });
});

Deno.test("tokens act on the project that they name, by their scopes, on both transports", async () => {
  await withDataFolder(async (dataFolder) => {
    const { shop } = await makeKeys(dataFolder, { shop: { project: "shop" } });
    await using server = await startServer({
      dataFolder,
      env: {
        ...REQUIRED,
        RTA_JWT_SECRET: SECRET,
        RTA_JWT_ISSUER: "https://id.example",
        RTA_JWT_AUDIENCE: "rta",
      },
    });
    const { ingestion, gateway } = server.urls;
    const token = async (claims: object) => {
      const exp = Math.floor(Date.now() / 1_000) + 600;
      const whole = { iss: "https://id.example", aud: "rta", exp, project: "shop", ...claims };
      const jwt = await new SignJWT(whole).setProtectedHeader({ alg: "HS256" })
        .sign(new TextEncoder().encode(SECRET));
      return { authorization: `Bearer ${jwt}` };
    };
    const both = await token({ scope: "ingest query" });
    assert.equal((await post(`${ingestion}/events`, EVENT, both)).status, 200);
    await waitUntil(async () => {
      const { json } = await get(`${gateway}/v1/analytics/summary`, { "x-api-key": shop });
      return json.total_events === "1";
    }, { what: "the event in the token's project" });
    using client = await TestGrpcClient.connect(INGESTION, grpcPortOf(server));
    const sent = await client.call("IngestEvent", { event: protoEvent("t-1") }, { metadata: both });
    assert.equal(sent.success, true);
    const reader = await token({ scopes: ["query"] });
    assert.equal((await post(`${ingestion}/events`, EVENT, reader)).json.code, "permission_denied");
    const lost = await token({ scope: "query", project: "lost" });
    assert.equal((await get(`${gateway}/v1/analytics/summary`, lost)).status, 403);
    const none = {
      authorization: `Bearer ${Buffer64({ alg: "none" })}.${both.authorization.split(".")[1]}.`,
    };
    const refused = await get(`${gateway}/v1/analytics/summary`, none);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate")!, /error="invalid_token"/);
    assert.equal(await server.stop(), 0);
  });
});

function Buffer64(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll("=", "");
}

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
