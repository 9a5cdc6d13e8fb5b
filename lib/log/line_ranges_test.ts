import assert from "node:assert/strict";
import fc from "fast-check";
import { LineRanges } from "./line_ranges.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bodies of lines joined by one separator each, and which of the lines are taken. */
const bodies = fc.array(
  fc.record({
    texts: fc.array(fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 5 }), {
      minLength: 1,
      maxLength: 6,
    }),
    separator: fc.constantFrom("\n", ",", "\r\n"),
    taken: fc.infiniteStream(fc.boolean()),
  }),
  { maxLength: 4 },
);

Deno.test("copyInto() gives every line once and a newline after it when lines are taken anyhow", () => {
  fc.assert(
    fc.property(bodies, fc.nat(), (inputs, cut) => {
      const lines = new LineRanges();
      let expected = "";
      for (const { texts, separator, taken } of inputs) {
        const source = encoder.encode(texts.join(separator));
        let start = 0;
        for (const text of texts) {
          if (taken.next().value) {
            lines.add(source, start, start + text.length);
            expected += `${text}\n`;
          }
          start += text.length + separator.length;
        }
      }
      assert.equal(lines.byteLength, expected.length);
      const middle = lines.count === 0 ? 0 : cut % (lines.count + 1);
      const target = new Uint8Array(expected.length + 2);
      const at = lines.copyInto(0, middle, target, 1);
      assert.equal(at, 1 + lines.bytesOf(0, middle));
      assert.equal(lines.copyInto(middle, lines.count, target, at), target.length - 1);
      assert.equal(decoder.decode(target.subarray(1, -1)), expected);
      assert.deepEqual([target[0], target.at(-1)], [0, 0]);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("runEnd() takes as many lines as fit, and one that never fits", () => {
  const lines = new LineRanges();
  const source = new Uint8Array(100);
  for (const length of [9, 9, 49, 9]) lines.add(source, 0, length);
  assert.equal(lines.runEnd(0, 80), 4);
  assert.equal(lines.runEnd(0, 79), 3);
  assert.equal(lines.runEnd(0, 20), 2);
  assert.equal(lines.runEnd(2, 20), 3);
  assert.equal(lines.runEnd(3, 20), 4);
});

Deno.test("clear() makes the list ready for another request", () => {
  const lines = new LineRanges();
  lines.add(encoder.encode("old"), 0, 3);
  lines.clear();
  assert.deepEqual([lines.count, lines.byteLength], [0, 0]);
  lines.add(encoder.encode("new"), 0, 3);
  const target = new Uint8Array(4);
  lines.copyInto(0, 1, target, 0);
  assert.equal(decoder.decode(target), "new\n");
});
