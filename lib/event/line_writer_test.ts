import assert from "node:assert/strict";
import fc from "fast-check";
import { asciiBytes, asciiText } from "./ascii_text.ts";
import { LineWriter } from "./line_writer.ts";

Deno.test("LineWriter writes texts, constants and numbers one after the other", () => {
  const line = new LineWriter();
  const target = new Uint8Array(64);
  line.begin(target, 3);
  line.bytes(asciiBytes("ab"));
  line.ascii('"c"');
  const text = new TextEncoder().encode("xü😀y");
  assert.ok(line.text(text, 1, text.length));
  line.wholeNumber(1_780_000_000_123);
  assert.equal(new TextDecoder().decode(target.subarray(3, line.at)), 'ab"c"ü😀y1780000000123');
});

Deno.test("text() refuses what JSON must escape and what finds no room, and writes nothing then", () => {
  const line = new LineWriter();
  line.begin(new Uint8Array(8), 6);
  for (const text of ['"', "\\", "\n", "\0", "abc"]) {
    const bytes = new TextEncoder().encode(text);
    assert.equal(line.text(bytes, 0, bytes.length), false, JSON.stringify(text));
    assert.equal(line.at, 6);
  }
  assert.ok(line.hasRoom);
  line.ascii("ab");
  assert.equal(line.hasRoom, false);
  line.bytes(asciiBytes("cd"));
  assert.equal(line.hasRoom, false);
});

Deno.test("wholeNumber() writes what String() writes for any number of its range", () => {
  const line = new LineWriter();
  const target = new Uint8Array(20);
  fc.assert(fc.property(fc.integer({ min: 1e7, max: 9_007_199_254_740_991 }), (value) => {
    line.begin(target, 1);
    line.wholeNumber(value);
    assert.equal(asciiText(target, 1, line.at), String(value));
  }));
});
