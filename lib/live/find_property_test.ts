import assert from "node:assert/strict";
import fc from "fast-check";
import { findProperty, quotedName } from "./find_property.ts";

const encoder = new TextEncoder();
/** Names and values that look like JSON to whoever looks at the wrong place. */
const name = fc.oneof(
  fc.constantFrom("a", "b", "ab", "a b", "1", "true", "{}", "page.url", "größe", "}", "[", "-"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
);
const value = fc.oneof(
  name,
  fc.constantFrom('"a":1', ':"a":', ',"a":2', "\\", '\\"a\\":', "ü", "x".repeat(80), "", "a\nb"),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
);
const flat = fc.dictionary(name, value, { maxKeys: 6, noNullPrototype: true });
const blanks = fc.constantFrom("", " ", "\t ");

/** JSON with blanks between its tokens. */
function written(object: Record<string, unknown>, blank: string): string {
  const members = Object.entries(object).map(([key, each]) =>
    [JSON.stringify(key), ":", JSON.stringify(each)].join(blank)
  );
  return ["{", members.join(`${blank},${blank}`), "}"].join(blank);
}

Deno.test("findProperty() finds what JSON.parse does, in any flat object", () => {
  fc.assert(
    fc.property(flat, blanks, name, blanks, (object, blank, asked, around) => {
      const text = written(object, blank);
      const bytes = encoder.encode(around + text + '"a":9');
      const start = around.length;
      const end = start + encoder.encode(text).length;
      const parsed = JSON.parse(text);
      for (const key of new Set([...Object.keys(object), asked])) {
        const quoted = quotedName(key);
        if (quoted === null) continue;
        const wanted = Object.hasOwn(parsed, key) ? parsed[key] : null;
        assert.deepEqual(findProperty(bytes, start, end, quoted), wanted, `${key} of ${text}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("quotedName() leaves names to the parser that are not safe to be looked for", () => {
  for (const key of ['"', "a\\b", ":", "a,b", "\n", "", "\ud800"]) {
    assert.equal(quotedName(key), null, key);
  }
  assert.deepEqual(quotedName("page"), encoder.encode('"page"'));
});
