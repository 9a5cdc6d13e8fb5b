import assert from "node:assert/strict";
import type { TailedRecord } from "../../lib/log/kafka/topics_tail.ts";
import { recordText } from "./topics_record_text.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function record(changes: Partial<TailedRecord>): TailedRecord {
  const times = { timestampMs: Date.UTC(2026, 0, 9), partition: 3, offset: 1042 };
  return { ...times, key: null, value: encode("{}"), headers: [], ...changes };
}

Deno.test("recordText() says place, time, key and headers, then the value", () => {
  const text = recordText(record({
    key: encode("u17"),
    headers: [["project", encode("shop")], ["format", encode("json")], ["none", null]],
  }));
  const line = "3:1042 2026-01-09T00:00:00.000Z key=u17 project=shop format=json none=null";
  assert.equal(text, `${line}\n{}\n`);
});

Deno.test("recordText() gives lines as they are, and ends them once", () => {
  const text = recordText(record({ value: encode('{"a":1}\n{"a":2}\n'), timestampMs: -1 }));
  assert.equal(text, '3:1042 no time\n{"a":1}\n{"a":2}\n');
});

Deno.test("recordText() takes any number for a time", () => {
  assert.match(recordText(record({ timestampMs: 9e15 })), /^3:1042 9000000000000000 ms\n/);
  assert.match(recordText(record({ timestampMs: -1000 })), /^3:1042 1969-12-31T23:59:59.000Z\n/);
});

Deno.test("recordText() tells a missing value from an empty one", () => {
  assert.match(recordText(record({ value: null })), /\nnull\n$/);
  assert.match(recordText(record({ value: encode("") })), /Z\n\n$/);
});

Deno.test("recordText() shows bytes that are no text, the first 64 of them", () => {
  const text = recordText(record({ value: new Uint8Array(65).fill(0xff), key: encode("a\xffb") }));
  assert.ok(text.includes(`\n<65 bytes: ${"ff".repeat(64)}...>\n`), text);
  assert.ok(text.includes("key=aÿb"), text);
});

Deno.test("recordText() lets no record act on the terminal", () => {
  const evil = encode("\x1b[2J\r\x07\u009b1m\n");
  const text = recordText(record({ key: evil, value: evil, headers: [["\x1b]0;", evil]] }));
  assert.equal(text.match(/\n/g)!.length, 2);
  // deno-lint-ignore no-control-regex -- these are what must not be there
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.match(text, /key=\\x1b\[2J\\x0d\\x07\\x9b1m\\x0a/);
});
