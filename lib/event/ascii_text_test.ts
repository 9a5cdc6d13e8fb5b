import assert from "node:assert/strict";
import fc from "fast-check";
import { asciiBytes, asciiText, isAscii } from "./ascii_text.ts";

Deno.test("asciiText() gives back the text of asciiBytes(), however long and wherever it lies", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii", maxLength: 40 }), fc.nat(5), (text, from) => {
      const bytes = new Uint8Array(from + text.length + 3).fill(0xff);
      bytes.set(asciiBytes(text), from);
      assert.ok(isAscii(bytes, from, from + text.length));
      assert.equal(isAscii(bytes, from, from + text.length + 1), false);
      assert.equal(asciiText(bytes, from, from + text.length), text);
    }),
  );
});
