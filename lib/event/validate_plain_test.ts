import { strict as assert } from "node:assert";
import { EVENT_BYTES_MAX, PROPERTIES_BYTES_MAX } from "../config/limits.ts";
import { makeProperties } from "./event.ts";
import { EVENT_REASONS } from "./reasons.ts";
import { encodeUtf8 } from "./text_coding.ts";
import { type SlowContext, validatePlain } from "./validate.ts";

const NOW_MS = 1_800_000_000_000;
const CONTEXT: SlowContext = { receivedAtMs: NOW_MS, makeId: () => "made" };

/** JSON text of a valid event with these members more or in place. */
function eventWith(members: Record<string, unknown>): string {
  return JSON.stringify({ id: "i", user_id: "u", event_type: "t", timestamp: 5, ...members });
}

function rawEvent(members: string): string {
  return `{"id":"i","user_id":"u","event_type":"t",${members}}`;
}

function accepted(input: string) {
  const verdict = validatePlain(encodeUtf8(input), CONTEXT);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  return verdict.event;
}

type Refused = readonly [code: keyof typeof EVENT_REASONS, field: string, input: string | number[]];

const manyProperties = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`p${n}`, n]));
const largeText = "x".repeat(PROPERTIES_BYTES_MAX);

const REFUSED: readonly Refused[] = [
  ["invalid_json", "", ""],
  ["invalid_json", "", "  "],
  ["invalid_json", "", "user_id=u"],
  ["invalid_json", "", eventWith({}).slice(0, -1)],
  ["invalid_json", "", `${eventWith({})}${eventWith({})}`],
  ["invalid_json", "", `\ufeff${eventWith({})}`],
  ["invalid_json", "", rawEvent('"timestamp":01')],
  ["invalid_json", "", rawEvent('"timestamp":NaN')],
  ["invalid_json", "", "[".repeat(EVENT_BYTES_MAX + 1)],
  ["invalid_json", "", `${eventWith({ x: " ".repeat(EVENT_BYTES_MAX) })}]`],
  ["invalid_utf8", "", [0x22, 0xff, 0x22]],
  ["invalid_utf8", "", [0x22, 0xed, 0xa0, 0x80, 0x22]],
  ["invalid_utf8", "", [0x22, 0xc0, 0xaf, 0x22]],
  ["invalid_utf8", "", [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
  ["invalid_utf8", "", [0x22, 0xe2, 0x82]],
  ["not_an_object", "", "[]"],
  ["not_an_object", "", "null"],
  ["not_an_object", "", '"event"'],
  ["duplicate_key", "user_id", rawEvent('"user_id":"v"')],
  ["duplicate_key", "user_id", rawEvent('"user\\u005fid":"v"')],
  ["duplicate_key", "properties.a", rawEvent('"properties":{"a":1,"b":2,"a":1}')],
  ["duplicate_key", "x.y.z", rawEvent('"x":[{"y":{"z":1,"z":1}}]')],
  ["forbidden_key", "__proto__", rawEvent('"__proto__":{}')],
  ["forbidden_key", "properties.__proto__", rawEvent('"properties":{"\\u005f_proto__":1}')],
  ["nul_character", "user_id", eventWith({ user_id: "a\0b" })],
  ["nul_character", "properties.a\0", eventWith({ properties: { "a\0": 1 } })],
  ["lone_surrogate", "event_type", eventWith({ event_type: "\ud800" })],
  ["lone_surrogate", "x.\ufffd", eventWith({ x: { "\udc00": 1 } })],
  ["number_out_of_range", "properties.a", rawEvent('"properties":{"a":1e309}')],
  ["number_out_of_range", "x", rawEvent(`"x":[-${"9".repeat(400)}]`)],
  ["missing_field", "user_id", '{"id":"i","event_type":"t"}'],
  ["missing_field", "user_id", eventWith({ user_id: null })],
  ["missing_field", "event_type", '{"id":"i","user_id":"u"}'],
  ["wrong_type", "id", eventWith({ id: 7 }).replace('"i"', "7")],
  ["wrong_type", "user_id", eventWith({ user_id: 7 })],
  ["wrong_type", "event_type", eventWith({ event_type: ["t"] })],
  ["wrong_type", "source", eventWith({ source: {} })],
  ["wrong_type", "session_id", eventWith({ session_id: true })],
  ["wrong_type", "properties", eventWith({ properties: [] })],
  ["wrong_type", "properties", eventWith({ properties: "a=1" })],
  ["wrong_type", "amount", eventWith({ amount: "1" })],
  ["wrong_type", "category", eventWith({ category: 1 })],
  ["empty_field", "id", eventWith({ id: "" })],
  ["empty_field", "user_id", eventWith({ user_id: "" })],
  ["empty_field", "event_type", eventWith({ event_type: "" })],
  ["empty_field", "session_id", eventWith({ session_id: "" })],
  ["too_long", "id", eventWith({ id: "é".repeat(129) })],
  ["too_long", "user_id", eventWith({ user_id: "😀".repeat(257) })],
  ["too_long", "event_type", eventWith({ event_type: "x".repeat(129) })],
  ["too_long", "session_id", eventWith({ session_id: "x".repeat(129) })],
  ["too_long", "source", eventWith({ source: "x".repeat(257) })],
  ["invalid_timestamp", "timestamp", eventWith({ timestamp: "yesterday" })],
  ["invalid_timestamp", "timestamp", eventWith({ timestamp: "1700000000" })],
  ["invalid_timestamp", "timestamp", eventWith({ timestamp: "2023-02-29T00:00:00Z" })],
  ["invalid_timestamp", "timestamp", eventWith({ timestamp: true })],
  ["invalid_timestamp", "timestamp", eventWith({ timestamp: {} })],
  ["timestamp_out_of_range", "timestamp", eventWith({ timestamp: -1 })],
  ["timestamp_out_of_range", "timestamp", eventWith({ timestamp: "1970-01-01T00:00:00Z" })],
  ["timestamp_in_future", "timestamp", eventWith({ timestamp: NOW_MS + 3_600_001 })],
  ["timestamp_in_future", "timestamp", eventWith({ timestamp: 1e300 })],
  ["property_nested", "properties.a", eventWith({ properties: { a: {} } })],
  ["property_nested", "properties.a", eventWith({ properties: { a: [1] } })],
  ["too_many_properties", "properties", eventWith({ properties: manyProperties })],
  ["properties_too_large", "properties", eventWith({ properties: { a: largeText } })],
  ["event_too_large", "", eventWith({ x: "x".repeat(EVENT_BYTES_MAX) })],
  ["invalid_amount", "amount", eventWith({ amount: -0.01 })],
  ["invalid_category", "category", eventWith({ category: "EVENT_TYPE_UNSPECIFIED" })],
  ["invalid_category", "category", eventWith({ category: "user" })],
];

Deno.test("validatePlain() refuses with code, field and a way to mend it when input is bad", () => {
  for (const [code, field, input] of REFUSED) {
    const bytes = typeof input === "string" ? encodeUtf8(input) : Uint8Array.from(input);
    const verdict = validatePlain(bytes, CONTEXT);
    const label = String(input).slice(0, 100);
    assert.ok(!verdict.ok, label);
    assert.equal(verdict.rejection.code, code, label);
    assert.equal(verdict.rejection.field, field, label);
    assert.ok(verdict.rejection.message.length > 10, label);
  }
});

Deno.test("validatePlain() has a bad input for every reason of a plain event", () => {
  const codes = new Set<string>(REFUSED.map(([code]) => code));
  const others = Object.keys(EVENT_REASONS).filter((code) => !codes.has(code));
  // Of analytics.v1 (validate_v1_test.ts) and of its messages (proto_events_test.ts).
  assert.deepEqual(others, ["invalid_message", "invalid_event_type", "invalid_currency"]);
});

Deno.test("validatePlain() names the event's id in a rejection when it has a valid one", () => {
  const idOfRefused = (input: string): string | null => {
    const verdict = validatePlain(encodeUtf8(input), CONTEXT);
    return verdict.ok ? "accepted" : verdict.rejection.id;
  };
  assert.equal(idOfRefused(eventWith({ user_id: "" })), "i");
  assert.equal(idOfRefused(eventWith({ x: "\0" })), "i");
  assert.equal(idOfRefused(eventWith({ id: "x".repeat(129) })), null);
  assert.equal(idOfRefused(eventWith({ id: "\0" })), null);
  assert.equal(idOfRefused("{"), null);
});

Deno.test("validatePlain() cuts a long key when it repeats it", () => {
  const verdict = validatePlain(
    encodeUtf8(eventWith({ properties: { ["k".repeat(9_000)]: {} } })),
    {
      ...CONTEXT,
    },
  );
  assert.ok(!verdict.ok);
  assert.ok(verdict.rejection.field.length < 200 && verdict.rejection.message.length < 300);
});

Deno.test("validatePlain() gives the canonical event when all fields are there", () => {
  const text = eventWith({
    timestamp: "2023-11-14T23:13:20.9876+01:00",
    source: "web",
    session_id: "s",
    category: "EVENT_TYPE_SYSTEM",
    amount: 3,
    properties: { a: "x", b: 1.5, c: true, d: null, amount: "9" },
    unknown: { deep: [null] },
  });
  assert.deepEqual(accepted(` ${text}\r\n`), {
    id: "i",
    userId: "u",
    sessionId: "s",
    type: "t",
    category: 3,
    timestampMs: 1_700_000_000_987,
    source: "web",
    properties: makeProperties([["a", "x"], ["b", 1.5], ["c", true], ["amount", "9"]]),
    amount: 3,
  });
});

Deno.test("validatePlain() fills in id and time when they are missing, null or time is 0", () => {
  const bare = { user_id: "u", event_type: "Transaction" };
  for (const more of [{}, { id: null, timestamp: null, source: null, properties: null }]) {
    const event = accepted(JSON.stringify({ ...bare, ...more }));
    assert.equal(event.id, "made");
    assert.equal(event.timestampMs, NOW_MS);
    assert.equal(event.category, 2);
    assert.equal(event.source, null);
    assert.equal(event.amount, null);
  }
  assert.equal(accepted(JSON.stringify({ ...bare, timestamp: 0 })).timestampMs, NOW_MS);
  assert.equal(accepted(JSON.stringify({ ...bare, source: "" })).source, null);
});

Deno.test("validatePlain() takes the limits themselves when a field is as long as it may be", () => {
  accepted(eventWith({ id: "é".repeat(128), user_id: "😀".repeat(256), source: "x".repeat(256) }));
  accepted(eventWith({ timestamp: NOW_MS + 3_600_000 }));
  const { p100: _, ...hundred } = manyProperties;
  accepted(eventWith({ properties: { ...hundred, dropped: null } }));
  // {"a":""} around the text.
  accepted(eventWith({ properties: { a: largeText.slice(8) } }));
  const room = EVENT_BYTES_MAX - eventWith({ x: "" }).length;
  accepted(eventWith({ x: "x".repeat(room) }));
});

Deno.test("validatePlain() takes the amount from properties when the event has none", () => {
  const amountOf = (amount: unknown) => accepted(eventWith({ properties: { amount } })).amount;
  assert.equal(amountOf(12.5), 12.5);
  assert.equal(amountOf("12.50"), 12.5);
  assert.equal(amountOf(-1), null);
  assert.equal(amountOf("-1"), null);
  assert.equal(amountOf("1e3"), null);
  assert.equal(amountOf(true), null);
  assert.equal(amountOf(null), null);
  assert.equal(accepted(eventWith({ amount: 0, properties: { amount: 5 } })).amount, 0);
});
