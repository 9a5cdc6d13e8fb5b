import { strict as assert } from "node:assert";
import fc from "fast-check";
import { amountOfProperties, categoryOfType, isLongerThan, makeProperties } from "./event.ts";
import { categoryOfNameBytes, categoryOfTypeBytes } from "./scan_category.ts";
import { encodeUtf8 } from "./text_coding.ts";

Deno.test("categoryOfType() knows its four names in any case when a type is one, else CUSTOM", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["user", 1],
    ["USER", 1],
    ["EVENT_TYPE_USER", 1],
    ["event_type_Transaction", 2],
    ["System", 3],
    ["custom", 4],
    ["page_view", 4],
    ["users", 4],
    ["event_type_", 4],
    ["EVENT_TYPE_UNSPECIFIED", 4],
    ["EVENT_TYPE_EVENT_TYPE_USER", 4],
    ["u\u017fer", 4],
    ["", 4],
  ];
  for (const [type, category] of cases) {
    assert.equal(categoryOfType(type), category, type);
    const bytes = encodeUtf8(`x${type}y`);
    assert.equal(categoryOfTypeBytes(bytes, 1, bytes.length - 1), category, type);
  }
});

Deno.test("categoryOfTypeBytes() equals categoryOfType() when types are like names", () => {
  const like = fc.stringMatching(/^(event_type_|EVENT_TYPE_|Event-Type_)?[a-zA-Z_@`-]{0,12}$/);
  const name = fc.constantFrom("user", "SYSTEM", "Custom", "transactioN", "u\x13er", "US\u00c5R");
  const prefix = fc.constantFrom("", "event_type_", "EVENT_TYPE_", "EVENT\x7fTYPE_");
  const type = fc.oneof(like, fc.tuple(prefix, name).map((parts) => parts.join("")));
  fc.assert(
    fc.property(type, (type) => {
      const bytes = encodeUtf8(type);
      assert.equal(categoryOfTypeBytes(bytes, 0, bytes.length), categoryOfType(type));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("categoryOfNameBytes() takes exact names only when a category is given", () => {
  const of = (name: string) => categoryOfNameBytes(encodeUtf8(name), 0, encodeUtf8(name).length);
  assert.deepEqual(
    ["USER", "TRANSACTION", "SYSTEM", "CUSTOM"].map((name) => of(`EVENT_TYPE_${name}`)),
    [1, 2, 3, 4],
  );
  assert.deepEqual(["EVENT_TYPE_UNSPECIFIED", "event_type_user", "USER", ""].map(of), [
    -1,
    -1,
    -1,
    -1,
  ]);
});

Deno.test("amountOfProperties() takes numbers and plain decimals when they are 0 or more", () => {
  const of = (amount: string | number | boolean) =>
    amountOfProperties(makeProperties([["amount", amount]]));
  assert.equal(of(0), 0);
  assert.equal(of(-0), 0);
  assert.equal(of(2.5), 2.5);
  assert.equal(of("002.50"), 2.5);
  for (const none of [-1, "", "-1", "1.", ".5", "1e3", " 1", "1234567890123456", true]) {
    assert.equal(of(none), null, String(none));
  }
  assert.equal(amountOfProperties(makeProperties([])), null);
});

Deno.test("makeProperties() drops nulls and minus zero when entries hold them", () => {
  const properties = makeProperties([["a", null], ["b", -0], ["toString", "x"]]);
  assert.deepEqual(Object.entries(properties), [["b", 0], ["toString", "x"]]);
  assert.equal(Object.getPrototypeOf(properties), null);
});

Deno.test("isLongerThan() counts code points when characters take two units", () => {
  assert.equal(isLongerThan("😀😀", 2), false);
  assert.equal(isLongerThan("😀😀a", 2), true);
  assert.equal(isLongerThan("", 0), false);
});
