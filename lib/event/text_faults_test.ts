import { strict as assert } from "node:assert";
import fc from "fast-check";
import { findTextFault } from "./text_faults.ts";

Deno.test("findTextFault() names the first fault and its path when the text has one", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['{"a":1,"a":2}', "duplicate_key", "a"],
    ['{"a":1,"\\u0061":2}', "duplicate_key", "a"],
    ['{"a":{"b":[{"c":1},{"c":1,"c":2}]}}', "duplicate_key", "a.b.c"],
    ['{"":1,"":2}', "duplicate_key", ""],
    ['[{"__proto__":1}]', "forbidden_key", "__proto__"],
    ['{"a":{"__pro\\u0074o__":1}}', "forbidden_key", "a.__proto__"],
    ['{"a":["x","\\u0000"]}', "nul_character", "a"],
    ['{"a\\u0000":1}', "nul_character", "a\0"],
    ['{"a":"\\ud83d"}', "lone_surrogate", "a"],
    ['{"a":"\\ude00\\ud83d"}', "lone_surrogate", "a"],
    ['{"a":{"b":1},"c":[2,-1e999]}', "number_out_of_range", "c"],
    ['[{"a":1},"\\u0000"]', "nul_character", ""],
    ["1e999", "number_out_of_range", ""],
  ];
  for (const [text, code, field] of cases) {
    assert.deepEqual(findTextFault(text), { code, field }, text);
  }
});

Deno.test("findTextFault() finds nothing when keys and strings only look alike", () => {
  for (
    const text of [
      "{}",
      '"a"',
      '{"a":{"a":{"a":1}},"b":{"a":1}}',
      '[{"a":1},{"a":1}]',
      '{"a":"__proto__","b":"a","c":["a","a"]}',
      '{"a\\"":1,"a":2,"a\\\\":3}',
      '{"a":"\\ud83d\\ude00","b":"\\\\u0000","c":1e308,"d":1e-999}',
      `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
    ]
  ) assert.equal(findTextFault(text), null, text.slice(0, 80));
});

Deno.test("findTextFault() finds nothing when JSON.stringify wrote the text", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value, null, 1);
      // Two things that JSON.stringify does write.
      if (/__proto__|\\u0000|\\ud[89a-f]/.test(text)) return;
      assert.equal(findTextFault(text), null);
    }),
    { numRuns: 500 },
  );
});
