import { strict as assert } from "node:assert";
import {
  EventScan,
  SCAN_COMPLETE,
  SCAN_DEFAULTS,
  SCAN_INVALID,
  SCAN_SLOW,
  scanEvent,
  scanFast,
} from "./scan.ts";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

const NOW_MS = 1_800_000_000_000;
const REST = '"user_id":"u","event_type":"t","timestamp":1700000000';

function verdictOf(text: string): number {
  const bytes = encodeUtf8(text);
  return scanEvent(bytes, 0, bytes.length, NOW_MS, new EventScan());
}

Deno.test("scanEvent() notes where every field lies when all are there", () => {
  const text = ' {"id": "é1","user_id":"user","event_type":"System","timestamp":1700000000123,' +
    '"source":"web","session_id":"s-1","properties": {"a":"\\n","amount":"2.50"},"z":[';
  const bytes = encodeUtf8(`${text.slice(0, -6)}}, next`);
  const scan = new EventScan();
  assert.equal(scanEvent(bytes, 0, bytes.length, NOW_MS, scan), SCAN_COMPLETE);
  const part = (start: number, end: number) => decodeUtf8(bytes.subarray(start, end));
  assert.equal(scan.start, 1);
  assert.equal(part(scan.end, bytes.length), ", next");
  assert.equal(part(scan.idStart, scan.idEnd), "é1");
  assert.equal(part(scan.userStart, scan.userEnd), "user");
  assert.equal(part(scan.typeStart, scan.typeEnd), "System");
  assert.equal(part(scan.sourceStart, scan.sourceEnd), "web");
  assert.equal(part(scan.sessionStart, scan.sessionEnd), "s-1");
  assert.equal(
    part(scan.propertiesStart, scan.propertiesEnd),
    '{"a":"\\n","amount":"2.50"}',
  );
  assert.equal(scan.timestampMs, 1_700_000_000_123);
  assert.equal(scan.amount, 2.5);
  assert.equal(scan.category, 3);
});

Deno.test("scanEvent() forgets the last event when the next has fewer fields", () => {
  const scan = new EventScan();
  const full = encodeUtf8(
    `{"id":"i",${REST},"source":"s","session_id":"x","amount":1,` +
      '"category":"EVENT_TYPE_USER","properties":{"a":1}}',
  );
  assert.equal(scanEvent(full, 0, full.length, NOW_MS, scan), SCAN_COMPLETE);
  assert.deepEqual([scan.category, scan.amount], [1, 1]);
  const bare = encodeUtf8('{"user_id":"u","event_type":"t","source":""}');
  assert.equal(scanEvent(bare, 0, bare.length, NOW_MS, scan), SCAN_DEFAULTS);
  assert.deepEqual(
    [scan.idStart, scan.sourceStart, scan.sessionStart, scan.propertiesStart],
    [-1, -1, -1, -1],
  );
  assert.deepEqual([scan.category, scan.amount, scan.timestampMs], [4, NaN, NaN]);
});

Deno.test("scanEvent() tells its four verdicts apart when events differ", () => {
  const cases: readonly (readonly [number, string])[] = [
    [SCAN_COMPLETE, `{"id":"i",${REST}}`],
    [SCAN_COMPLETE, `{"id":"i",${REST},"other":"é","more":1e5,"flag":true}`],
    [SCAN_COMPLETE, `{ "id"\t: "i", ${REST} }`],
    [SCAN_COMPLETE, '{"id":"i","user_id":"u","event_type":"t","timestamp":"2024-02-29T01:02:03Z"}'],
    [SCAN_DEFAULTS, `{${REST}}`],
    [SCAN_DEFAULTS, '{"id":"i","user_id":"u","event_type":"t"}'],
    [SCAN_DEFAULTS, '{"user_id":"u","event_type":"t"}'],
    [SCAN_SLOW, `{"id":null,${REST}}`],
    [SCAN_SLOW, `{"id":"",${REST}}`],
    [SCAN_SLOW, `{"id":"\\u0041",${REST}}`],
    [SCAN_SLOW, `{"id":"i",\n${REST}}`],
    [SCAN_SLOW, `{"id":"i",${REST},"user_id":"u"}`],
    [SCAN_SLOW, `{"id":"i",${REST},"x":{}}`],
    [SCAN_SLOW, `{"id":"i",${REST},"properties":{"a":null}}`],
    [SCAN_SLOW, `{"id":"i",${REST},"properties":{"__proto__":1}}`],
    [SCAN_SLOW, `{"id":"i",${REST},"properties":{"a":"\\u0000"}}`],
    [SCAN_SLOW, `{"id":"i",${REST},"properties":{"a":"\\ud800 "}}`],
    [SCAN_SLOW, '{"id":"i","user_id":"u","event_type":"t","timestamp":0}'],
    [SCAN_SLOW, '{"id":"i","user_id":"u","event_type":"t","timestamp":1.5}'],
    [SCAN_SLOW, "{}"],
    [SCAN_SLOW, "[1]"],
    [SCAN_SLOW, "null"],
    [SCAN_INVALID, ""],
    [SCAN_INVALID, `{"id":"i",${REST}`],
    [SCAN_INVALID, `{"id":"i",${REST},}`],
    [SCAN_INVALID, `\ufeff{"id":"i",${REST}}`],
  ];
  for (const [verdict, text] of cases) assert.equal(verdictOf(text), verdict, text);
});

Deno.test("scanEvent() takes escapes in values when surrogates come in pairs", () => {
  const high = "\\ud83d";
  const low = "\\uDE00";
  const verdict = (text: string) => verdictOf(`{"id":"i",${REST},"properties":{"a":"${text}"}}`);
  for (const text of [high + low, `x${high}${low}${high}${low}x`, "\\u00e9\\uD7FF\\uE000\\uFFFF"]) {
    assert.equal(verdict(text), SCAN_COMPLETE, text);
  }
  for (
    const text of [
      high,
      low,
      low + high,
      high + high,
      high + high + low,
      `${high}\\u0041`,
      `${high}\\u0000`,
      `${high}\\n`,
      `${high}x${low}`,
      `${high}\\\\uDE00`,
      "\\uDBFF\\uDBFF",
      "\\uDBFF\\uE000",
    ]
  ) assert.equal(verdict(text), SCAN_SLOW, text);
  assert.equal(verdict(`${high}\\uDE0`), SCAN_INVALID);
});

Deno.test("scanEvent() gives the end of the value when the verdict is slow or invalid", () => {
  const scan = new EventScan();
  const slow = encodeUtf8('  [1, {"a": 2}] , 3');
  assert.equal(scanEvent(slow, 0, slow.length, NOW_MS, scan), SCAN_SLOW);
  assert.deepEqual([scan.start, scan.end], [2, 15]);
  const invalid = encodeUtf8('{"a": x}');
  assert.equal(scanEvent(invalid, 0, invalid.length, NOW_MS, scan), SCAN_INVALID);
  assert.equal(scan.end, 6);
});

Deno.test("scanEvent() judges the time by its arrival when it lies ahead", () => {
  const event = (ms: number) =>
    encodeUtf8(`{"id":"i","user_id":"u","event_type":"t","timestamp":${ms}}`);
  const scan = new EventScan();
  const edge = event(NOW_MS + 3_600_000);
  assert.equal(scanEvent(edge, 0, edge.length, NOW_MS, scan), SCAN_COMPLETE);
  assert.equal(scanEvent(edge, 0, edge.length, NOW_MS - 1, scan), SCAN_SLOW);
});

Deno.test("scanEvent() reads shared memory when a ring holds the bytes", () => {
  const text = encodeUtf8(`{"id":"i",${REST}}`);
  const shared = new Uint8Array(new SharedArrayBuffer(text.length));
  shared.set(text);
  assert.equal(scanEvent(shared, 0, shared.length, NOW_MS, new EventScan()), SCAN_COMPLETE);
});

Deno.test("scanFast() never leaves its line when the value goes on behind a newline", () => {
  const good = `{"id":"i",${REST}}`;
  const scan = new EventScan();
  for (let cut = 1; cut < good.length; cut++) {
    const bytes = encodeUtf8(`${good.slice(0, cut)}\n${good.slice(cut)}`);
    assert.equal(scanFast(bytes, 0, bytes.length, NOW_MS, scan), SCAN_SLOW);
  }
});
