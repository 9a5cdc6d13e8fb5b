import { strict as assert } from "node:assert";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

Deno.test("decodeUtf8() gives back what encodeUtf8() took when text is well formed", () => {
  const text = "\ufeffa é € 😀 \u2028\0";
  assert.equal(decodeUtf8(encodeUtf8(text)), text);
});

Deno.test("decodeUtf8() reads shared memory when a ring holds the bytes", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  shared.set([0xc3, 0xa9]);
  assert.equal(decodeUtf8(shared), "é");
});

Deno.test("decodeUtf8() throws when bytes are not UTF-8", () => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0x80]]) {
    assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), TypeError);
  }
});
