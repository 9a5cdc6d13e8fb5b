import { strict as assert } from "node:assert";
import { checkJson, jsonEnd, skipSpace, utf8End } from "./check_json.ts";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

Deno.test("utf8End() equals a fatal decoder when bytes are at the bounds", () => {
  const seconds = [0, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  const tails = [[], [0x80], [0x80, 0x80], [0xbf, 0x7f], [0xbf, 0xc0], [0x80, 0xbf, 0x80]];
  for (let lead = 0x80; lead < 0x100; lead++) {
    for (const second of seconds) {
      for (const tail of tails) {
        const bytes = Uint8Array.of(lead, second, ...tail);
        const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        let expected = -1;
        try {
          decodeUtf8(bytes.subarray(0, length));
          expected = length <= bytes.length ? length : -1;
        } catch {
          // stays -1
        }
        assert.equal(utf8End(bytes, 0, bytes.length), expected, bytes.join());
      }
    }
  }
  assert.equal(utf8End(Uint8Array.of(0xc3), 0, 1), -1);
});

Deno.test("checkJson() gives the index after the value when more follows it", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["1 2", 1],
    [' {"a":[1,{}]} ,', 13],
    ['"a"b', 3],
    ["-0.5e+7x", 7],
    ["truefalse", 4],
    ["[],", 2],
    ["", -1],
    ["[1,]", -1],
    ['{"a" 1}', -1],
    ['{"a":1,}', -1],
    ["[1}", -1],
    ["nul", -1],
    ['"\t"', -1],
    ['"\\x"', -1],
    ['"\\u12g4"', -1],
  ];
  for (const [text, end] of cases) {
    const bytes = encodeUtf8(text);
    assert.equal(checkJson(bytes, 0, bytes.length), end, text);
  }
});

Deno.test("jsonEnd() gives the place of the fault when the text is not JSON", () => {
  for (const [text, place] of [["[1,]", 3], ['{"a":tru}', 5], ['["é\u0001"]', 4], ["[[", 2]]) {
    const bytes = encodeUtf8(String(text));
    assert.equal(~jsonEnd(bytes, 0, bytes.length), place, String(text));
  }
});

Deno.test("checkJson() keeps to its limit when the value goes on behind it", () => {
  const bytes = encodeUtf8('{"user":"some text é","n":[12.5e3,true,null]}');
  for (let limit = 0; limit < bytes.length; limit++) {
    assert.equal(checkJson(bytes, 0, limit), -1, String(limit));
  }
});

Deno.test("checkJson() takes any depth when brackets nest", () => {
  const depth = 1_000_000;
  const bytes = new Uint8Array(2 * depth).fill(0x5b, 0, depth).fill(0x5d, depth);
  assert.equal(checkJson(bytes, 0, bytes.length), bytes.length);
  assert.equal(checkJson(bytes, 0, bytes.length - 1), -1);
  bytes[depth] = 0x7d;
  assert.equal(checkJson(bytes, 0, bytes.length), -1);
});

Deno.test("skipSpace() stops at the limit when only blanks come", () => {
  assert.equal(skipSpace(encodeUtf8(" \t\r\n"), 0, 3), 3);
  assert.equal(skipSpace(encodeUtf8(" \va"), 0, 3), 1);
});
