/**
 * The OpenAPI document of a real server, taken at its word: every operation is asked as it says, where
 * it says, and the answers are held against its schemas.
 */
import assert from "node:assert/strict";
import type {
  ApiOperation,
  ApiServer,
  OpenApiDocument,
} from "../../lib/openapi/openapi_document.ts";
import { type SchemaCheck, schemaCheck } from "../support/api_schemas.ts";
import { waitUntil } from "../support/deadline.ts";
import { LiveClient } from "../support/live_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

interface Operation extends ApiOperation {
  readonly path: string;
  readonly method: "get" | "post";
  readonly servers: readonly ApiServer[];
}

/** Answers of another status than success: nothing has the example's id. */
const NOT_FOUND = new Set(["getDeadLetter", "revokeKey", "rotateKey"]);

function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    (["get", "post"] as const).flatMap((method) => {
      const operation = item[method];
      if (operation === undefined) return [];
      return [{ ...operation, path, method, servers: item.servers ?? document.servers }];
    })
  );
}

/** The address of an operation on one of its servers, with the examples as parameters. */
function urlOf({ path, parameters }: Operation, { url }: ApiServer, gateway: string): URL {
  const base = url === "/" ? gateway : url.replace("{host}", "127.0.0.1");
  const examples = new Map(parameters.map(({ name, example }) => [name, example]));
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => String(examples.get(name)));
  const full = new URL(base + filled);
  for (const { name, in: place, example } of parameters) {
    if (place === "query" && example !== undefined) full.searchParams.append(name, String(example));
  }
  return full;
}

function ask(operation: Operation, url: URL): Promise<Response> {
  const example = operation.requestBody?.content["application/json"].example;
  return fetch(url, {
    method: operation.method.toUpperCase(),
    ...(example === undefined ? {} : {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(example),
    }),
  });
}

/** What the document says of an answer. */
function saidOf(operation: Operation, { status }: Response, document: OpenApiDocument) {
  const response = operation.responses[status] ?? document.components.responses.Problem;
  return response.content as Record<string, { schema: object }>;
}

/** Methods that the document names for an address; several of its paths may fit. */
function methodsAt(pathname: string, { paths }: OpenApiDocument): string[] {
  const fitting = Object.entries(paths).filter(([path]) =>
    new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`).test(pathname)
  );
  const has = (method: "get" | "post") => fitting.some(([, item]) => item[method] !== undefined);
  return [...(has("get") ? ["GET", "HEAD"] : []), ...(has("post") ? ["POST"] : [])];
}

async function openDocument(server: TestServer): Promise<[OpenApiDocument, SchemaCheck]> {
  const answer = await fetch(`${server.urls.gateway}/openapi.json`);
  assert.equal(answer.headers.get("content-type"), "application/json");
  const document: OpenApiDocument = await answer.json();
  return [document, schemaCheck(document)];
}

async function assertAnswered(
  operation: Operation,
  url: URL,
  document: OpenApiDocument,
  check: SchemaCheck,
): Promise<void> {
  const { operationId } = operation;
  const answer = await ask(operation, url);
  const expected = NOT_FOUND.has(operationId) ? ["404"] : Object.keys(operation.responses);
  const text = await answer.text();
  assert.ok(expected.includes(String(answer.status)), `${operationId} ${answer.status} ${text}`);
  const type = answer.headers.get("content-type")!.split(";")[0];
  const said = saidOf(operation, answer, document)[type];
  assert.ok(said !== undefined, `${operationId} answered ${type}`);
  if (!type.endsWith("json")) return assert.ok(text.length > 0, operationId);
  assert.deepEqual(check(said.schema, JSON.parse(text)), [], operationId);
}

async function assertTrue(server: TestServer): Promise<void> {
  const [document, check] = await openDocument(server);
  const operations = operationsOf(document);
  const { gateway, ingestion } = server.urls;
  const events = ["page_view", "purchase"].map((event_type) => ({ user_id: "ada", event_type }));
  const stored = await fetch(`${ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ events }),
  });
  assert.equal((await stored.json()).processed_count, 2);
  await waitUntil(async () => {
    const answer = await fetch(`${gateway}/v1/analytics/users/ada`);
    await answer.body?.cancel();
    return answer.ok;
  }, { what: "ada's rows" });
  let asked = 0;
  for (const operation of operations) {
    // A second key or project is another one; the others answer alike on each of their ports.
    for (const place of operation.servers) {
      const url = urlOf(operation, place, gateway);
      if (operation.tags[0] === "Live" && operation.path !== "/v1/analytics/live") continue;
      if (operation.operationId === "createProject" && place.url !== "/") continue;
      await assertAnswered(operation, url, document, check);
      asked++;
    }
    for (const place of operation.servers) {
      const url = urlOf(operation, place, gateway);
      const answer = await fetch(url, { method: "DELETE" });
      await answer.body?.cancel();
      assert.equal(answer.status, 405, url.href);
      const allowed = answer.headers.get("allow")!.split(", ");
      assert.deepEqual(allowed, methodsAt(url.pathname, document), url.href);
    }
  }
  assert.ok(asked > 60, `${asked} asked`);
}

async function assertForms(server: TestServer): Promise<void> {
  const [document, check] = await openDocument(server);
  const { gateway, ingestion } = server.urls;
  const schemaOf = (path: string, method: "get" | "post", status: number, type: string) =>
    (document.paths[path][method]!.responses[status].content!)[type].schema;
  {
    await using live = await LiveClient.open(`${gateway}/v1/live?top=page`);
    const { data } = await live.waitFor("a window", ({ event }) => event === "window");
    assert.deepEqual(check(schemaOf("/v1/live", "get", 200, "text/event-stream"), data), []);
  }
  const post = async (url: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, json: await answer.json() };
  };
  {
    await using live = await LiveClient.open(`${gateway}/v1/live/events`);
    await live.waitFor("the beginning", ({ event }) => event === "second");
    await post(`${ingestion}/events`, { user_id: "bob", event_type: "buy", amount: 1 });
    const { data } = await live.waitFor("the event", ({ event }) => event === "event");
    assert.deepEqual(check(schemaOf("/v1/live/events", "get", 200, "text/event-stream"), data), []);
  }
  const made = await post(`${gateway}/v1/keys`, { scopes: ["query"] });
  for (const [verb, status] of [["rotate", 201], ["revoke", 200]] as const) {
    const { json } = await post(`${gateway}/v1/keys/${made.json.id}/${verb}`, {});
    const schema = schemaOf(`/v1/keys/{id}/${verb}`, "post", status, "application/json");
    assert.deepEqual(check(schema, json), [], verb);
  }
  const refusals: [string, unknown, number][] = [
    [`${ingestion}/events`, { event_type: "x" }, 400],
    [`${ingestion}/events/batch`, { events: [{ user_id: "" }] }, 400],
    [`${gateway}/v1/events`, { event: {} }, 400],
    [`${gateway}/v1/events/batch`, { events: [] }, 400],
    [`${gateway}/v1/analytics/funnel`, { steps: [], colour: 1 }, 400],
    [`${gateway}/v1/analytics/paths`, {}, 400],
    [`${gateway}/v1/sql`, { sql: "DROP TABLE events" }, 400],
    [`${gateway}/v1/nothing`, {}, 404],
  ];
  for (const [url, body, expected] of refusals) {
    const { status, json } = await post(url, body);
    assert.equal(status, expected, url);
    assert.deepEqual(check({ $ref: "#/components/schemas/Problem" }, json), [], url);
  }
  assert.notDeepEqual(check({ $ref: "#/components/schemas/Problem" }, { code: "new" }), []);
}

/** The commands that a page shows, as a reader would copy them. */
function commandsOf(page: string): string[] {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return [...page.matchAll(/<pre><code>([\s\S]*?)<\/code><\/pre>/g)].map(([, text]) =>
    text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => entities[name])
  );
}

async function assertPage(server: TestServer): Promise<void> {
  const url = `${server.urls.gateway}/docs`;
  const answer = await fetch(url);
  const page = await answer.text();
  assert.match(
    answer.headers.get("content-security-policy")!,
    /^default-src 'none'; style-src 'sha256-/,
  );
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, anchor] of page.matchAll(/href="#([^"]+)"/g)) {
    assert.ok(ids.includes(anchor), anchor);
  }
  const { paths }: OpenApiDocument = await (await fetch(`${server.urls.gateway}/openapi.json`))
    .json();
  for (const path of Object.keys(paths)) assert.ok(page.includes(`<code>${path}</code>`), path);
  const known = await fetch(url, { headers: { "if-none-match": answer.headers.get("etag")! } });
  assert.equal(known.status, 304);
  const commands = commandsOf(page).filter((command) => !/\/v1\/live/.test(command));
  assert.ok(commands.length > 40);
  for (const command of commands) {
    const line = command.replace("curl -s", "curl -sS --max-time 10 -w '\\n%{http_code}'");
    const shell = new Deno.Command("bash", { args: ["-euc", `RTA_KEY=; ${line}`] });
    const { stdout, stderr } = await shell.output();
    const status = new TextDecoder().decode(stdout).split("\n").at(-1);
    // The examples' letter and key are not there, and their project is there by now.
    const isOfOne = /dead-letters\/analytics|keys\/Zk3/.test(command);
    const expected = isOfOne ? /^404$/ : /"name": "shop"/.test(command) ? /^409$/ : /^20.$/;
    assert.match(status!, expected, command + new TextDecoder().decode(stderr));
  }
}

Deno.test("GET /openapi.json and /docs tell the truth of a real server", async (t) => {
  await using server = await startServer();
  await t.step("every operation is answered as it says", () => assertTrue(server));
  await t.step(
    "live messages, keys and refusals are of the form that it says",
    () => assertForms(server),
  );
  await t.step("links of the page lead somewhere, and its commands work", () => assertPage(server));
});
