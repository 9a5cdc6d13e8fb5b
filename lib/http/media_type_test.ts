import assert from "node:assert/strict";
import { batchMediaType, requireJson } from "./media_type.ts";
import { ProblemError } from "./problem.ts";

/** The media type of these headers, or the code of the refusal. */
function typeOf(headers: Record<string, string>): string {
  try {
    return batchMediaType(new Headers(headers));
  } catch (error) {
    assert.ok(error instanceof ProblemError);
    return error.code;
  }
}

Deno.test("batchMediaType() tells JSON, NDJSON and the rest apart by content-type", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["application/json", "json"],
    ["Application/JSON; charset=UTF-8", "json"],
    ['application/json; charset="utf-8"', "json"],
    ["application/vnd.events+json", "json"],
    ["text/json", "json"],
    ["application/x-www-form-urlencoded", "json"],
    ["application/x-ndjson", "ndjson"],
    ["application/ndjson;charset=utf-8", "ndjson"],
    ["application/jsonl", "ndjson"],
    ["application/json; charset=latin1", "unsupported_media_type"],
    ["text/plain", "unsupported_media_type"],
    ["text/csv", "unsupported_media_type"],
    ["multipart/form-data; boundary=x", "unsupported_media_type"],
    ["application/jsonx", "unsupported_media_type"],
    ["json", "unsupported_media_type"],
  ];
  for (const [header, expected] of cases) {
    assert.equal(typeOf({ "content-type": header }), expected, header);
  }
  assert.equal(typeOf({}), "json");
});

Deno.test("batchMediaType() asks for a real JSON type when the request is from a web page", () => {
  const origin = "https://example.com";
  assert.equal(typeOf({ origin }), "unsupported_media_type");
  const form = { origin, "content-type": "application/x-www-form-urlencoded" };
  assert.equal(typeOf(form), "unsupported_media_type");
  assert.equal(typeOf({ origin, "content-type": "application/json" }), "json");
});

Deno.test("requireJson() refuses NDJSON when one document is expected", () => {
  requireJson(new Headers({ "content-type": "application/json" }));
  assert.throws(
    () => requireJson(new Headers({ "content-type": "application/x-ndjson" })),
    (error) => error instanceof ProblemError && error.code === "unsupported_media_type",
  );
});
