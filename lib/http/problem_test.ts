import assert from "node:assert/strict";
import { type ReasonCode, REASONS } from "../event/reasons.ts";
import { ProblemError, problemResponse } from "./problem.ts";

Deno.test("problemResponse() has the members of RFC 9457 and ours for every code", async () => {
  for (const code of Object.keys(REASONS) as ReasonCode[]) {
    const response = problemResponse(new ProblemError(code, "what happened"), "r-1");
    assert.equal(response.status, REASONS[code].status);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.deepEqual(await response.json(), {
      type: `urn:rta:problem:${code}`,
      title: REASONS[code].message,
      status: REASONS[code].status,
      detail: "what happened",
      code,
      request_id: "r-1",
    });
  }
});

Deno.test("problemResponse() says when to try again on 429 and 503, and only there", () => {
  const retryAfter = (code: ReasonCode, retryAfterSeconds?: number) =>
    problemResponse(new ProblemError(code, undefined, { retryAfterSeconds }), "r").headers
      .get("retry-after");
  assert.equal(retryAfter("overloaded"), "1");
  assert.equal(retryAfter("overloaded", 2.2), "3");
  assert.equal(retryAfter("log_unavailable", 0), "1");
  assert.equal(retryAfter("shutting_down"), "1");
  assert.equal(retryAfter("invalid_json"), null);
  assert.equal(retryAfter("internal"), null);
});

Deno.test("problemResponse() keeps the members of RFC 9457 when others have their names", async () => {
  const members = { status: 200, code: "x", success: false };
  const problem = new ProblemError("too_long", "id is too long", { field: "id", members });
  const body = await problemResponse(problem, "r").json();
  assert.deepEqual([body.status, body.code, body.success, body.field], [
    400,
    "too_long",
    false,
    "id",
  ]);
});

Deno.test("problemResponse() never shows the cause when there is one", async () => {
  const problem = new ProblemError("internal", undefined, { cause: new Error("secret path") });
  assert.ok(!(await problemResponse(problem, "r").text()).includes("secret"));
});
