import assert from "node:assert/strict";
import fc from "fast-check";
import { findUserKey, UserKey } from "./user_key.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The user that is found in the line when it stands among others. */
function userOf(line: string): string | null {
  const before = encoder.encode('{"user_id":"before"}\n');
  const own = encoder.encode(line);
  const after = encoder.encode('\n{"user_id":"after"}\n');
  const bytes = new Uint8Array([...before, ...own, ...after]);
  const key = new UserKey();
  findUserKey(bytes, before.length, before.length + own.length, key);
  return key.start < 0 ? null : decoder.decode(key.source.subarray(key.start, key.end));
}

Deno.test("findUserKey() finds the top-level user_id, wherever it stands", () => {
  assert.equal(userOf('{"id":"a","user_id":"u-1","properties":{}}'), "u-1");
  assert.equal(userOf('{"properties":{"user_id":"no"},"user_id":"u-2"}'), "u-2");
  assert.equal(userOf('{"list":[{"user_id":"no"},"]}"],"user_id":"ü"}'), "ü");
  assert.equal(userOf(' { "a" : "user_id" , "user_id" : "u-3" } '), "u-3");
  assert.equal(userOf('{"a":"\\"user_id\\":\\"no\\"","user_id":"u-4"}'), "u-4");
  assert.equal(userOf('{"user_id":"a\\"b\\u00fc"}'), 'a"bü');
});

Deno.test("findUserKey() finds none where there is none", () => {
  const lines = ["{}", "a0", "", "12 x", '"user_id"', '["user_id","x"]', '{"user_id":5}'];
  lines.push('{"user_id', '{"user_id":', '{"user_id":"', '{"a":{"user_id":"no"}}', '{"a":1');
  for (const line of lines) assert.equal(userOf(line) || null, null, line);
});

Deno.test("findUserKey() agrees with JSON.parse", () => {
  const name = fc.oneof(fc.constantFrom("user_id", "user_idx", "id"), fc.string());
  const object = fc.dictionary(name, fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()), {
    maxKeys: 6,
  });
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 0, 1), (event, space) => {
      const line = JSON.stringify(event, undefined, space).replaceAll("\n", " ");
      const parsed = JSON.parse(line);
      const user = typeof parsed.user_id === "string" && Object.hasOwn(parsed, "user_id")
        ? parsed.user_id.toWellFormed()
        : null;
      assert.equal(userOf(line), user);
    }),
    { numRuns: 200 },
  );
});
