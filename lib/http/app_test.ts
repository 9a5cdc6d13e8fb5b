import assert from "node:assert/strict";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createLogger } from "../telemetry/logger.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import type { LogLevel } from "../config/variables.ts";
import { type AppEnv, createApp, createHandler, pathOf } from "./app.ts";
import { ProblemError } from "./problem.ts";

const UUID = /^[0-9a-f-]{36}$/;

/** A handler with a few routes, and what it logs. */
function openHandler(level: LogLevel = "info") {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(level, {}, { write: (line) => lines.push(JSON.parse(line)) });
  const metrics = createMetrics(0);
  const app = createApp();
  app.get("/health", (context) => context.text("well"));
  app.get("/things/:id", (context) => context.json({ id: context.req.param("id") }));
  app.delete("/things/:id", (context) => context.body(null, 204));
  app.get("/id", (context) => context.text(context.env.requestId));
  app.get("/fails", () => {
    throw new Error("secret");
  });
  app.get("/refuses", () => {
    throw new HTTPException(422, { message: "not so" });
  });
  const mounted = new Hono<AppEnv>();
  mounted.get("/mounted", () => {
    throw new ProblemError("store_unavailable");
  });
  app.route("/", mounted);
  const handler = createHandler({
    service: "ingestion",
    app,
    direct: {
      "POST /events": (request, requestId) =>
        request.url.includes("busy")
          ? Promise.reject(new ProblemError("overloaded", undefined, { retryAfterSeconds: 3 }))
          : Promise.resolve(new Response(requestId)),
      "POST /broken": () => Promise.reject(new TypeError("boom")),
    },
    logger,
    metrics,
  });
  const send = (path: string, init?: RequestInit) =>
    handler(new Request(`http://localhost:8081${path}`, init));
  return { send, lines, metrics };
}

Deno.test("createHandler() echoes the caller's request id on every kind of answer", async () => {
  const { send } = openHandler();
  const headers = { "x-request-id": "call-1" };
  const calls: readonly (readonly [string, string])[] = [
    ["GET", "/health"],
    ["POST", "/events"],
    ["POST", "/events?busy"],
    ["GET", "/fails"],
    ["GET", "/mounted"],
    ["GET", "/nowhere"],
    ["PUT", "/events"],
    ["DELETE", "/things/1"],
  ];
  for (const [method, path] of calls) {
    const response = await send(path, { method, headers });
    assert.equal(response.headers.get("x-request-id"), "call-1", `${method} ${path}`);
    const text = await response.text();
    if (response.status >= 400) assert.equal(JSON.parse(text).request_id, "call-1");
  }
});

Deno.test("createHandler() makes a request id when the caller sends none or a bad one", async () => {
  const { send } = openHandler();
  for (const path of ["/id", "/events"]) {
    const method = path === "/id" ? "GET" : "POST";
    const response = await send(path, { method, headers: { "x-request-id": "not fit" } });
    assert.match(response.headers.get("x-request-id") ?? "", UUID);
    assert.equal(await response.text(), response.headers.get("x-request-id"));
  }
});

Deno.test("createHandler() answers not_found when there is nothing at the address", async () => {
  const { send } = openHandler();
  for (const path of ["/nowhere", "/events/", "/things", "/%00", `/${"x".repeat(5_000)}`]) {
    const response = await send(path);
    assert.equal(response.status, 404, path);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const body = await response.json();
    assert.equal(body.code, "not_found");
    assert.ok(body.detail.length < 400);
  }
});

Deno.test("createHandler() names the methods when the address answers others", async () => {
  const { send } = openHandler();
  const cases: readonly (readonly [string, string, string])[] = [
    ["GET", "/events", "POST"],
    ["OPTIONS", "/events", "POST"],
    ["POST", "/health", "GET, HEAD"],
    ["PUT", "/things/7", "GET, HEAD, DELETE"],
    ["OPTIONS", "/mounted", "GET, HEAD"],
  ];
  for (const [method, path, allow] of cases) {
    const response = await send(path, { method });
    assert.equal(response.status, 405, `${method} ${path}`);
    assert.equal(response.headers.get("allow"), allow);
    assert.equal((await response.json()).code, "method_not_allowed");
  }
  assert.equal((await send("/health", { method: "HEAD" })).status, 200);
});

Deno.test("createHandler() says nothing of the cause when a handler fails, and logs it", async () => {
  for (const [method, path] of [["GET", "/fails"], ["POST", "/broken"]] as const) {
    const { send, lines } = openHandler();
    const response = await send(path, { method, headers: { "x-request-id": "r" } });
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.ok(!text.includes("secret") && !text.includes("boom"));
    assert.equal(JSON.parse(text).code, "internal");
    assert.equal(lines.length, 1);
    assert.equal(lines[0].level, "error");
    assert.equal(lines[0].request_id, "r");
    assert.match(JSON.stringify(lines[0].err), /secret|boom/);
  }
});

Deno.test("createHandler() turns a refusal of the router into invalid_parameter", async () => {
  const response = await openHandler().send("/refuses");
  assert.equal(response.status, 400);
  assert.equal((await response.json()).detail, "not so");
});

Deno.test("createHandler() sends Retry-After when a direct route is overloaded", async () => {
  const response = await openHandler().send("/events?busy", { method: "POST" });
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("retry-after"), "3");
});

Deno.test("createHandler() logs good direct requests and probes as debug only", async () => {
  const quiet = openHandler();
  for (
    const [method, path] of [["POST", "/events"], ["POST", "/events?busy"], ["GET", "/health"]]
  ) {
    await quiet.send(path, { method });
  }
  assert.deepEqual(quiet.lines, []);
  await quiet.send("/things/1?secret=1");
  await quiet.send("/events");
  const seen = quiet.lines.map(({ level, method, path, status }) => [level, method, path, status]);
  assert.deepEqual(seen, [
    ["info", "GET", "/things/1", 200],
    ["info", "GET", "/events", 405],
  ]);
  const talkative = openHandler("debug");
  await talkative.send("/events", { method: "POST", headers: { "x-request-id": "r" } });
  assert.equal(talkative.lines[0].level, "debug");
  assert.equal(talkative.lines[0].request_id, "r");
  assert.equal(typeof talkative.lines[0].duration_ms, "number");
});

Deno.test("createHandler() counts answers and problems by status and code", async () => {
  const { send, metrics } = openHandler();
  await send("/events", { method: "POST" });
  await send("/events?busy", { method: "POST" });
  await send("/nowhere");
  const text = await metrics.text();
  for (
    const line of [
      'rta_http_requests_total{service="ingestion",status="200"} 1',
      'rta_http_requests_total{service="ingestion",status="429"} 1',
      'errors_total{service="ingestion",error_type="overloaded"} 1',
      'errors_total{service="ingestion",error_type="not_found"} 1',
      'active_connections_total{service="ingestion",connection_type="http"} 0',
    ]
  ) assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
});

Deno.test("pathOf() gives the path without host and query", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["http://localhost:8081/events", "/events"],
    ["http://localhost/events?x=/y", "/events"],
    ["http://localhost", "/"],
    ["http://[::1]:80/a/b/?", "/a/b/"],
    ["http://localhost/?q", "/"],
  ];
  for (const [url, path] of cases) assert.equal(pathOf(url), path);
});
