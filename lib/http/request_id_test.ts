import assert from "node:assert/strict";
import fc from "fast-check";
import { REQUEST_ID_CHARS_MAX } from "../config/limits.ts";
import { isRequestId, requestIdOf } from "./request_id.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("requestIdOf() takes the caller's id when it is visible ASCII of allowed length", () => {
  for (const id of ["a", "req-1/2;x=~!", "x".repeat(REQUEST_ID_CHARS_MAX)]) {
    assert.equal(requestIdOf(new Headers({ "x-request-id": id })), id);
  }
});

Deno.test("requestIdOf() makes an id when the caller's is missing or not fit to be echoed", () => {
  const unfit = ["", "a b", "a\tb", "é", "x".repeat(REQUEST_ID_CHARS_MAX + 1), "\u007f", "\u0080"];
  for (const id of unfit) {
    assert.match(requestIdOf(new Headers({ "x-request-id": id })), UUID, JSON.stringify(id));
  }
  assert.match(requestIdOf(new Headers()), UUID);
  const twice = new Headers([["x-request-id", "a"], ["x-request-id", "b"]]);
  assert.match(requestIdOf(twice), UUID);
});

Deno.test("isRequestId() takes only what can stand in a header as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      if (isRequestId(text)) assert.match(text, /^[\x21-\x7e]{1,128}$/);
    }),
    { numRuns: 1_000 },
  );
});
