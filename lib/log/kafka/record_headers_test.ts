import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeHeaders, readHeaders } from "./record_headers.ts";
import { writeVarint } from "./wire_bytes.ts";

const encoder = new TextEncoder();

/** Headers as any producer may write them; null = a null value. */
function anyHeaders(headers: readonly (readonly [string, string | null])[]): Uint8Array {
  const bytes = new Uint8Array(10_000);
  let at = writeVarint(bytes, 0, headers.length);
  for (const text of headers.flat()) {
    const utf8 = encoder.encode(text ?? "");
    at = writeVarint(bytes, at, text === null ? -1 : utf8.length);
    bytes.set(utf8, at);
    at += utf8.length;
  }
  return bytes.slice(0, at);
}

Deno.test("readHeaders() reads what encodeHeaders() wrote", () => {
  const time = fc.double({ min: 0, max: 9e14, noNaN: true }).map((ms) => Math.round(ms * 10) / 10);
  fc.assert(fc.property(fc.string({ minLength: 1 }), time, fc.nat(1e6), (project, ms, events) => {
    const lines = encodeHeaders(project, ms, "ndjson", events);
    assert.deepEqual(readHeaders(lines, 0, lines.length, "default"), {
      project,
      receivedAtMs: ms,
      format: "ndjson",
      events,
      foreign: false,
      traceparent: null,
    });
    const traceparent = `00-${"0af7651916cd43dd".repeat(2)}-b7ad6b7169203331-01`;
    const traced = encodeHeaders(project, ms, "ndjson", events, traceparent);
    assert.equal(readHeaders(traced, 0, traced.length, "default").traceparent, traceparent);
    const single = encodeHeaders(project, ms, "json", 1);
    const { format, events: said } = readHeaders(single, 0, single.length, "default");
    assert.deepEqual([format, said], ["json", -1]);
  }));
});

Deno.test("readHeaders() calls a record foreign when it names no format", () => {
  const bytes = anyHeaders([["traceparent", "abc"], ["project", "theirs"], ["received_at", null]]);
  assert.deepEqual(readHeaders(bytes, 0, bytes.length, "default"), {
    project: "theirs",
    receivedAtMs: NaN,
    format: "json",
    events: -1,
    foreign: true,
    traceparent: null,
  });
  const none = anyHeaders([]);
  assert.equal(readHeaders(none, 0, none.length, "default").project, "default");
});

Deno.test("readHeaders() does not believe nonsense", () => {
  const bytes = anyHeaders([
    ["format", "avro"],
    ["project", ""],
    ["received_at", "yesterday"],
    ["events", "-3"],
  ]);
  assert.deepEqual(readHeaders(bytes, 0, bytes.length, "default"), {
    project: "default",
    receivedAtMs: NaN,
    format: "json",
    events: -1,
    foreign: false,
    traceparent: null,
  });
});

Deno.test("readHeaders() survives damaged headers", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    const { project } = readHeaders(bytes, 0, bytes.length, "default");
    assert.equal(typeof project, "string");
  }));
});
