/** Keys made, rotated and ended while a server runs: on the command line and over REST. */
import assert from "node:assert/strict";
import { Status } from "../../lib/grpc/status_code.ts";
import { EVENT, get, post, protoEvent } from "../support/access_client.ts";
import { waitUntil } from "../support/deadline.ts";
import { failureOf, grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { makeKeys, withDataFolder } from "../support/key_scene.ts";
import { LiveClient } from "../support/live_client.ts";
import { spawnRta, startServer } from "../support/server.ts";

const REQUIRED = { RTA_AUTH: "required" };

/** Runs `rta`; what it wrote to standard output and error, and its exit code. */
async function rta(dataFolder: string, ...args: string[]) {
  const process = spawnRta(args, { dataFolder });
  const code = await process.ended;
  return { code, output: process.output() };
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
    assert.equal(await server.stop(), 0);
  });
});

Deno.test("/v1/keys refuses what is no wish for a key, and says which member", async () => {
  await using server = await startServer();
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
    const refused = await post(`${server.urls.gateway}/v1/keys`, body);
    assert.deepEqual(
      [refused.status, refused.json.code],
      [400, "invalid_parameter"],
      refused.text,
    );
  }
  assert.equal(await server.stop(), 0);
});

Deno.test("a key that is revoked ends what it has open: live streams, and streams over gRPC", async () => {
  await withDataFolder(async (dataFolder) => {
    const { admin, used } = await makeKeys(dataFolder, {
      admin: {},
      used: { scopes: ["ingest", "query"] },
    });
    await using server = await startServer({ dataFolder, env: REQUIRED });
    const { gateway } = server.urls;
    const stays = await LiveClient.open(`${gateway}/v1/live?window_seconds=1`, {
      "x-api-key": admin,
    });
    await using tail = await LiveClient.open(`${gateway}/v1/live/events`, { "x-api-key": used });
    const port = grpcPortOf(server);
    using ingest = await TestGrpcClient.connect("analytics.v1.EventIngestionService", port);
    const sending = ingest.open("StreamEvents", { metadata: { "x-api-key": used } });
    await sending.send({ event: protoEvent("s-1") });
    const responses = sending[Symbol.asyncIterator]();
    // Responses come with words on how the stream is between them.
    for (let answered = false; !answered;) {
      const { value } = await responses.next();
      answered = value.event_response?.success === true;
    }
    const revoked = await post(`${gateway}/v1/keys/${used.slice(4, 16)}/revoke`, {}, {
      "x-api-key": admin,
    });
    assert.equal(revoked.status, 200, revoked.text);
    const failure = await failureOf((async () => {
      while (!(await responses.next()).done);
    })());
    assert.equal(failure.code, Status.UNAUTHENTICATED);
    await tail.ended;
    const last = tail.heard.at(-1)!;
    assert.deepEqual([last.event, last.data.code], ["end", "unauthenticated"]);
    const heard = stays.heard.length;
    await waitUntil(() => stays.heard.length > heard, { what: "another window of another key" });
    await stays[Symbol.asyncDispose]();
    assert.equal(await server.stop(), 0);
  });
});
