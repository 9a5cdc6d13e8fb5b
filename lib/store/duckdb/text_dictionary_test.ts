import assert from "node:assert/strict";
import fc from "fast-check";
import { TextDictionary } from "./text_dictionary.ts";

const encoder = new TextEncoder();

/** The id of a text in whichever way a column would give it. */
function idOf(dictionary: TextDictionary, text: string | null): number {
  if (text === null) return dictionary.missing();
  const bytes = encoder.encode(text);
  if (bytes.length > 12) return dictionary.ofText(text);
  const padded = new Uint8Array(12);
  padded.set(bytes);
  const [a, b, c] = new Int32Array(padded.buffer);
  return dictionary.ofWords(bytes.length, a, b, c, () => text);
}

Deno.test("TextDictionary gives each text one id, and the text back, however many there are", () => {
  const texts = fc.oneof(
    fc.constant(null),
    fc.constantFrom("", "\0", "\0\0", "a", "a\0", "ü", "0123456789ab", "0123456789abc"),
    fc.string({ maxLength: 20 }),
  );
  fc.assert(fc.property(fc.array(texts, { maxLength: 2_000, size: "max" }), (list) => {
    const dictionary = new TextDictionary();
    const ids = new Map<string | null, number>();
    for (const text of list) {
      const id = idOf(dictionary, text);
      assert.equal(dictionary.texts[id], text);
      assert.equal(ids.get(text) ?? id, id);
      ids.set(text, id);
    }
    assert.equal(dictionary.texts.length, ids.size);
  }));
});

Deno.test("TextDictionary keeps many short texts apart", () => {
  const dictionary = new TextDictionary();
  const count = 20_000;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < count; i++) assert.equal(idOf(dictionary, `"${i}"`), i);
  }
  assert.equal(dictionary.texts.length, count);
});

Deno.test("TextDictionary reads each value once", () => {
  const read: string[] = [];
  const dictionary = new TextDictionary((text) => {
    read.push(text);
    return text === "null" ? null : text.toUpperCase();
  });
  for (const text of ["a", "null", "a", "a long text of many bytes", "null"]) {
    idOf(dictionary, text);
  }
  assert.deepEqual(read, ["a", "null", "a long text of many bytes"]);
  assert.deepEqual(dictionary.texts, ["A", null, "A LONG TEXT OF MANY BYTES"]);
});

Deno.test("TextDictionary gives numbers ids of their own", () => {
  const dictionary = new TextDictionary();
  const ids = [5, -1, 5, 0].map((number) => dictionary.ofNumber(number, (each) => `n${each}`));
  assert.deepEqual(ids, [0, 1, 0, 2]);
  assert.deepEqual(dictionary.texts, ["n5", "n-1", "n0"]);
});
