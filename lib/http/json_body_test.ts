import assert from "node:assert/strict";
import { z } from "zod";
import { checkedBy, jsonOf, message, protoName, time, timeOf, wholeNumber } from "./json_body.ts";
import { ProblemError } from "./problem.ts";

const encoder = new TextEncoder();

/** The code, place and detail of what is thrown. */
function refusal(read: () => unknown): [string, string | undefined, string] {
  try {
    read();
  } catch (error) {
    assert(error instanceof ProblemError, String(error));
    return [error.code, error.options.field, error.detail];
  }
  throw new Error("it was taken");
}

Deno.test("timeOf() reads RFC 3339, unix seconds and milliseconds, and nothing else", () => {
  const at = Date.UTC(2026, 0, 31);
  for (const text of ["2026-01-31T00:00:00Z", "2026-01-31T01:00:00 01:00", at, at / 1000]) {
    assert.equal(timeOf(text), at, String(text));
  }
  assert.equal(timeOf(String(at)), at);
  assert.equal(timeOf("1769817600.5"), at + 500);
  for (const bad of ["", "soon", -1, "-1", null, {}, true, "10000-01-01T00:00:00Z", 1e300, NaN]) {
    assert(Number.isNaN(timeOf(bad)), String(bad));
  }
});

Deno.test("message() takes both spellings, and refuses what is unknown or there twice", () => {
  const schema = message({ time_range: message({ start: time.optional() }).optional() });
  assert.deepEqual(checkedBy(schema, { timeRange: { start: 5_000_000_000 } }), {
    time_range: { start: 5_000_000_000_000 },
  });
  assert.deepEqual(checkedBy(schema, { time_range: null }), {});
  const refuse = (value: unknown) => refusal(() => checkedBy(schema, value));
  assert.deepEqual(refuse({ range: {} }), [
    "invalid_parameter",
    "range",
    "range is unknown; this takes time_range",
  ]);
  assert.deepEqual(refuse({ time_range: { end: 5 } }).slice(0, 2), [
    "invalid_parameter",
    "time_range.end",
  ]);
  assert.match(refuse({ time_range: {}, timeRange: {} })[2], /timeRange is there twice/);
  assert.match(refuse({ time_range: { start: "soon" } })[2], /^time_range.start must be an RFC/);
  assert.deepEqual(refuse([]), ["invalid_parameter", undefined, "the body must be an object"]);
});

Deno.test("checkedBy() names the place within lists", () => {
  const schema = message({ steps: z.array(message({ limit: wholeNumber(1, 5) })) });
  const bad = { steps: [{ limit: 5 }, { limit: "6" }] };
  assert.deepEqual(refusal(() => checkedBy(schema, bad)), [
    "invalid_parameter",
    "steps[1].limit",
    "steps[1].limit must be a whole number from 1 to 5",
  ]);
  assert.deepEqual(checkedBy(schema, { steps: [{ limit: "3" }] }), { steps: [{ limit: 3 }] });
});

Deno.test("wholeNumber() takes numbers and their decimal texts", () => {
  const schema = message({ n: wholeNumber(-2, 1e15) });
  for (const good of [0, "0", -2, "-2", 1e15]) {
    assert.deepEqual(checkedBy(schema, { n: good }), { n: Number(good) });
  }
  for (const bad of [1.5, "1.5", "", " 1", true, [1], NaN, -3, "1e3"]) {
    assert.equal(refusal(() => checkedBy(schema, { n: bad }))[1], "n", String(bad));
  }
});

Deno.test("jsonOf() tells bytes that are no UTF-8 from text that is no JSON", () => {
  assert.deepEqual(jsonOf(encoder.encode('{"a":[1]}')), { a: [1] });
  assert.equal(refusal(() => jsonOf(Uint8Array.of(0x22, 0xff, 0x22)))[0], "invalid_utf8");
  assert.equal(refusal(() => jsonOf(encoder.encode('{"a":')))[0], "invalid_json");
  assert.equal(protoName("pageToken"), "page_token");
});
