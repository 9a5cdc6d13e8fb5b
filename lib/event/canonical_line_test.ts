import { strict as assert } from "node:assert";
import { type CanonicalEvent, makeProperties } from "./event.ts";
import { EventScan, SCAN_COMPLETE, SCAN_SLOW, scanEvent } from "./scan.ts";
import { decodeUtf8 } from "./text_coding.ts";
import { eventFromScan, validatePlain, writeCanonicalLine } from "./validate.ts";

const NOW_MS = 1_800_000_000_000;

const EVENT: CanonicalEvent = {
  id: "i",
  userId: "ü",
  sessionId: null,
  type: "page_view",
  category: 4,
  timestampMs: 1_700_000_000_123,
  source: null,
  properties: makeProperties([]),
  amount: null,
};

function textOf(event: CanonicalEvent): string {
  return decodeUtf8(writeCanonicalLine(event));
}

Deno.test("writeCanonicalLine() writes the least that means the event when fields are empty", () => {
  assert.equal(
    textOf(EVENT),
    '{"id":"i","user_id":"ü","event_type":"page_view","timestamp":1700000000123}',
  );
});

Deno.test("writeCanonicalLine() writes everything when type and properties do not say it", () => {
  const properties = makeProperties([["a", 'x"'], ["b", -1.5], ["c", false]]);
  assert.equal(
    textOf({ ...EVENT, sessionId: "s", source: "web", category: 2, amount: 9.5, properties }),
    '{"id":"i","user_id":"ü","event_type":"page_view","timestamp":1700000000123,"source":"web",' +
      '"session_id":"s","category":"EVENT_TYPE_TRANSACTION","amount":9.5,' +
      '"properties":{"a":"x\\"","b":-1.5,"c":false}}',
  );
  const implied = makeProperties([["amount", "9.50"]]);
  assert.ok(!textOf({ ...EVENT, amount: 9.5, properties: implied }).includes('"amount":9.5'));
  assert.ok(!textOf({ ...EVENT, type: "user", category: 1 }).includes("category"));
});

Deno.test("writeCanonicalLine() writes RFC 3339 when the ms would read as seconds", () => {
  assert.match(textOf({ ...EVENT, timestampMs: 1 }), /"timestamp":"1970-01-01T00:00:00.001Z"/);
  assert.match(textOf({ ...EVENT, timestampMs: 100_000_000_000 }), /"timestamp":100000000000}/);
});

Deno.test("eventFromScan() gives the event back when its line was written", () => {
  const scan = new EventScan();
  for (
    const event of [
      EVENT,
      { ...EVENT, amount: 0.30000000000000004, timestampMs: 1, category: 1, source: "\u2028" },
      { ...EVENT, properties: makeProperties([["10", 1e300], ["2", "\n"], ["toString", true]]) },
    ]
  ) {
    const line = writeCanonicalLine(event);
    assert.equal(scanEvent(line, 0, line.length, NOW_MS, scan), SCAN_COMPLETE);
    assert.deepEqual(eventFromScan(line, scan), event);
    assert.equal(Object.getPrototypeOf(eventFromScan(line, scan).properties), null);
  }
});

Deno.test("writeCanonicalLine() leaves a line for the slow path when an id needs escapes", () => {
  const event = { ...EVENT, userId: 'a"b\\c\u0001' };
  const line = writeCanonicalLine(event);
  assert.equal(scanEvent(line, 0, line.length, NOW_MS, new EventScan()), SCAN_SLOW);
  const verdict = validatePlain(line, { receivedAtMs: NOW_MS, makeId: () => "made" });
  assert.deepEqual(verdict, { ok: true, event });
});
