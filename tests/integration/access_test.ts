/** Keys and tokens at the ports of real servers, over REST and over gRPC. */
import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { readApiKey } from "../../lib/auth/api_key.ts";
import { changeKeyFile } from "../../lib/auth/key_file.ts";
import { EXIT_CONFIG } from "../../lib/config/exit_codes.ts";
import { Status } from "../../lib/grpc/status_code.ts";
import { EVENT, get, post, protoEvent } from "../support/access_client.ts";
import { waitUntil } from "../support/deadline.ts";
import { detailsOf, failureOf, grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { makeKeys, withDataFolder } from "../support/key_scene.ts";
import { spawnRta, startServer } from "../support/server.ts";

const REQUIRED = { RTA_AUTH: "required" };
const INGESTION = "analytics.v1.EventIngestionService";
const SECRET = "a secret that has thirty-two bytes or more";

Deno.test("keys required: every kind of wrong credentials is refused clearly, on both transports", async () => {
  await withDataFolder(async (dataFolder) => {
    const hour = 3_600_000;
    const { good, ended, elsewhere } = await makeKeys(dataFolder, {
      good: { scopes: ["ingest", "query"] },
      ended: { expiresAtMs: Date.now() - hour },
      elsewhere: {},
    });
    // The file of another platform: a whole key that is not of this one.
    const now = await withoutKey(dataFolder, elsewhere);
    assert.equal(now, 2);
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const { ingestion } = server.urls;
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
    // Nothing of any key, right or wrong, is in the log.
    for (const key of [good, ended, elsewhere]) assert.ok(!server.output().includes(key.slice(17)));
    assert.equal(await server.stop(), 0);
  });
});

Deno.test("keys required: a key may do what its scopes say, and nobody needs one for probes", async () => {
  await withDataFolder(async (dataFolder) => {
    const { good, reader } = await makeKeys(dataFolder, {
      good: { scopes: ["ingest", "query"] },
      reader: { scopes: ["query"], project: "shop" },
    });
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const { gateway, ingestion, consumer } = server.urls;
    using client = await TestGrpcClient.connect(INGESTION, grpcPortOf(server));
    const call = (metadata: Record<string, string>) =>
      client.call("IngestEvent", { event: protoEvent("g-1") }, { metadata });
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
    const logged = await server.waitForEntry("request");
    assert.ok(!JSON.stringify(logged).includes(good));
    const line = await waitUntil(
      () => server.entries.find(({ path, status }) => path === "/v1/keys" && status === 403),
      {
        what: "the line of a refused request",
      },
    );
    // Who was refused had no place to act on; who was let in is named by project and key id.
    assert.equal(line.project, undefined);
    await get(`${gateway}/v1/analytics/summary`, { "x-api-key": reader });
    const asked = await waitUntil(
      () => server.entries.find(({ path }) => path === "/v1/analytics/summary"),
      { what: "the line of a question" },
    );
    assert.deepEqual([asked.project, asked.key], ["shop", reader.slice(4, 16)]);
    using health = await TestGrpcClient.connect("grpc.health.v1.Health", grpcPortOf(server));
    await health.call("Check", { service: "" });
    assert.equal(await server.stop(), 0);
  });
});

/** Takes a key out of the file; gives how many are left. */
async function withoutKey(dataFolder: string, key: string): Promise<number> {
  const read = readApiKey(key);
  const { book } = await changeKeyFile(`${dataFolder}/keys.json`, (before) => ({
    book: { ...before, keys: before.keys.filter(({ id }) => !read.ok || id !== read.id) },
  }));
  return book.keys.length;
}

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
      authorization: `Bearer ${base64({ alg: "none" })}.${both.authorization.split(".")[1]}.`,
    };
    const refused = await get(`${gateway}/v1/analytics/summary`, none);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate")!, /error="invalid_token"/);
    assert.equal(await server.stop(), 0);
  });
});

/** Base64 as JWTs have it. */
function base64(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll("=", "");
}
