import assert from "node:assert/strict";
import fc from "fast-check";
import type { LogRecord } from "../log/event_log.ts";
import { findPoison, linesOf, withoutLines } from "./poison_lines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function recordOf(value: string, more: Partial<LogRecord> = {}): LogRecord {
  const events = value.split("\n").filter((line) => line !== "").length;
  const place = { partition: 0, offset: 7, nextOffset: 7 + events, events };
  return { ...place, project: "p", receivedAtMs: 1, value: encoder.encode(value), ...more };
}

function eventOf(n: number): string {
  return `{"id":"e${n}","user_id":"u","event_type":"t","timestamp":1700000000}`;
}

function textsOf(record: LogRecord): [number, string][] {
  return linesOf(record).map(({ index, bytes }) => [index, decoder.decode(bytes)]);
}

/** Lines without a newline in them; some of white space, some empty. */
const lines = fc.array(
  fc.oneof(fc.nat(99).map(eventOf), fc.constantFrom("", " ", "\r", "no json", "{}", "ä")),
  { maxLength: 12 },
);

Deno.test("linesOf() gives each line its number when some are empty or the last is not ended", () => {
  assert.deepEqual(textsOf(recordOf("a\n\nb\n")), [[0, "a"], [2, "b"]]);
  assert.deepEqual(textsOf(recordOf("a\nb")), [[0, "a"], [1, "b"]]);
  assert.deepEqual(textsOf(recordOf("")), []);
});

Deno.test("linesOf() gives the whole value when that is one JSON value", () => {
  assert.deepEqual(textsOf(recordOf('{\n"a":1}', { format: "json" })), [[0, '{\n"a":1}']]);
  assert.deepEqual(textsOf(recordOf("", { format: "json" })), [[0, ""]]);
});

Deno.test("findPoison() names the lines that throw, each tried alone", () => {
  const record = recordOf([0, 1, 2, 3].map((n) => `${eventOf(n)}\n`).join(""));
  const tried: string[] = [];
  const found = findPoison(record, (alone) => {
    assert.equal(alone.events, 1);
    const text = decoder.decode(alone.value);
    tried.push(text);
    if (text.includes('"e1"') || text.includes('"e3"')) throw new Error("poison");
  });
  assert.deepEqual(tried, [0, 1, 2, 3].map(eventOf));
  assert.deepEqual(found.map(({ index }) => index), [1, 3]);
});

Deno.test("findPoison() finds nothing when lines are only refused", () => {
  assert.deepEqual(findPoison(recordOf(`no json\n${eventOf(1)}\n{}\n`), () => {}), []);
});

Deno.test("withoutLines() leaves a record without poison as it is", () => {
  const record = recordOf("a\n");
  assert.equal(withoutLines(record, []), record);
});

Deno.test("withoutLines() leaves nothing of a value that is poison as a whole", () => {
  const record = recordOf('{\n"a":1}', { format: "json" });
  const left = withoutLines(record, linesOf(record));
  assert.deepEqual(decoder.decode(left.value).trim(), "");
  assert.equal(left.format, "ndjson");
  assert.deepEqual([left.offset, left.nextOffset], [record.offset, record.nextOffset]);
});

Deno.test("withoutLines() keeps the others' places and bytes whatever is taken away", () => {
  fc.assert(
    fc.property(lines, fc.infiniteStream(fc.boolean()), fc.boolean(), (texts, take, end) => {
      const record = recordOf(texts.join("\n") + (end ? "\n" : ""));
      const before = decoder.decode(record.value);
      // The bytes may lie anywhere in a larger buffer, as records of the log do.
      const buffer = new Uint8Array(record.value.length + 9);
      buffer.set(record.value, 5);
      const placed = { ...record, value: buffer.subarray(5, 5 + record.value.length) };
      const taken = linesOf(placed).filter(() => take.next().value);
      const left = withoutLines(placed, taken);

      const goneIndexes = new Set(taken.map(({ index }) => index));
      const isLeft = ([index, text]: [number, string]) =>
        !goneIndexes.has(index) && text.trim() !== "";
      const kept = textsOf(left).filter(([, text]) => text.trim() !== "");
      assert.deepEqual(kept, textsOf(record).filter(isLeft));
      assert.equal(left.value.length, record.value.length);
      assert.equal(decoder.decode(placed.value), before, "the record itself is not changed");
      assert.deepEqual(left.lineOffsets, record.lineOffsets);
    }),
  );
});
