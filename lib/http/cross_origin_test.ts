import assert from "node:assert/strict";
import { type AllowedOrigins, CrossOrigin } from "./cross_origin.ts";
import { ProblemError } from "./problem.ts";

const APP = "https://app.example.com";

function request(headers: Record<string, string>, method = "GET"): Request {
  return new Request("http://127.0.0.1:8080/v1/live", { method, headers });
}

function preflight(allowed: AllowedOrigins | null, origin: string): Response | null {
  const headers = { origin, "access-control-request-method": "POST" };
  return new CrossOrigin(allowed).preflight(request(headers, "OPTIONS"));
}

/** What mark() adds to an answer. */
function marked(allowed: AllowedOrigins | null, headers: Record<string, string>) {
  const response = new Response("answer", { headers: { vary: "Accept" } });
  new CrossOrigin(allowed).mark(request(headers), response);
  return {
    origin: response.headers.get("access-control-allow-origin"),
    exposed: response.headers.get("access-control-expose-headers")?.split(", ") ?? [],
    vary: response.headers.get("vary"),
    credentials: response.headers.get("access-control-allow-credentials"),
  };
}

function code(ask: () => unknown): string {
  try {
    ask();
  } catch (error) {
    assert.ok(error instanceof ProblemError);
    return error.code;
  }
  assert.fail("it was let in");
}

Deno.test("preflight() says what may be sent when the origin is allowed", () => {
  for (const allowed of ["*", new Set([APP])] as const) {
    const answer = preflight(allowed, APP)!;
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get("access-control-allow-methods"), "GET, HEAD, POST");
    const names = answer.headers.get("access-control-allow-headers")!.split(", ");
    for (const name of ["authorization", "content-type", "x-api-key", "x-request-id"]) {
      assert.ok(names.includes(name), name);
    }
  }
});

Deno.test("preflight() refuses an origin when it is not the very one", () => {
  const allowed = new Set([APP]);
  const others = [
    `${APP}:8443`,
    "http://app.example.com",
    `${APP}.evil.example`,
    "null",
    "x\u00ff",
  ];
  for (const origin of others) {
    assert.equal(code(() => preflight(allowed, origin)), "permission_denied", origin);
  }
});

Deno.test("preflight() leaves requests to the router when they are no preflight", () => {
  const policy = new CrossOrigin("*");
  assert.equal(policy.preflight(request({}, "OPTIONS")), null);
  assert.equal(policy.preflight(request({ origin: APP }, "OPTIONS")), null);
  assert.equal(policy.preflight(request({ origin: APP })), null);
  assert.equal(preflight(null, APP), null);
});

Deno.test("preflight() refuses a WebSocket when a page of a foreign origin opens it", () => {
  const upgrade = { upgrade: "websocket", host: "127.0.0.1:8080" };
  const open = (allowed: AllowedOrigins | null, headers: Record<string, string>) =>
    new CrossOrigin(allowed).preflight(request({ ...upgrade, ...headers }));
  assert.equal(code(() => open(null, { origin: APP })), "permission_denied");
  assert.equal(code(() => open(null, { origin: "null" })), "permission_denied");
  assert.equal(code(() => open(new Set([APP]), { origin: "http://x.com" })), "permission_denied");
  // The port's own pages, allowed ones, programs, and who has a key to show.
  assert.equal(open(null, { origin: "http://127.0.0.1:8080" }), null);
  assert.equal(open(new Set([APP]), { origin: APP }), null);
  assert.equal(open("*", { origin: "null" }), null);
  assert.equal(open(null, {}), null);
  assert.equal(open(null, { origin: "http://localhost/", "x-api-key": "k" }), null);
});

Deno.test("mark() lets exactly the allowed origins read, and tells caches", () => {
  const list = new Set([APP, "http://localhost:3000"]);
  const good = marked(list, { origin: APP });
  assert.equal(good.origin, APP);
  assert.equal(good.vary, "Accept, Origin");
  assert.equal(good.credentials, null);
  for (const name of ["x-request-id", "ratelimit", "ratelimit-policy", "retry-after"]) {
    assert.ok(good.exposed.includes(name), name);
  }
  for (const headers of [{ origin: "https://other.example.com" }, {}] as const) {
    const bad = marked(list, headers as Record<string, string>);
    assert.deepEqual([bad.origin, bad.exposed, bad.vary], [null, [], "Accept, Origin"]);
  }
});

Deno.test("mark() answers every origin alike when all are allowed, and none when none is", () => {
  const all = marked("*", { origin: "https://any.example.com" });
  assert.deepEqual([all.origin, all.vary, all.credentials], ["*", "Accept", null]);
  assert.ok(all.exposed.includes("x-request-id"));
  assert.equal(marked("*", {}).origin, "*");
  const none = marked(null, { origin: APP });
  assert.deepEqual([none.origin, none.exposed, none.vary], [null, [], "Accept"]);
});
