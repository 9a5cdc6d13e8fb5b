import assert from "node:assert/strict";
import fc from "fast-check";
import { CATEGORY_NAMES } from "../../lib/event/event.ts";
import { PROTO_LINE_BYTES_MAX, PROTO_SLOW, ProtoEventWriter } from "../../lib/event/proto_event.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "../../lib/event/scan.ts";
import { eventFromScan, type SlowVerdict } from "../../lib/event/validate.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { judgeProtoEvent } from "./proto_events.ts";

const NOW_MS = Date.parse("2026-06-01T12:00:00Z");
const CONTEXT = { receivedAtMs: NOW_MS, makeId: () => "made" };

const eventType = loadDefinitions().message("analytics.v1.Event");
const decode = (bytes: Uint8Array) => eventType.deserialize(Buffer.from(bytes));
const writer = new ProtoEventWriter();
const scan = new EventScan();

/** What the fast path makes of a message; null = it leaves it to the slow path. */
function fast(bytes: Uint8Array) {
  const target = new Uint8Array(PROTO_LINE_BYTES_MAX);
  const end = writer.write(bytes, 0, bytes.length, target, 0, CONTEXT.makeId);
  if (end === PROTO_SLOW) return null;
  if (scanEvent(target, 0, end, NOW_MS, scan) !== SCAN_COMPLETE) return null;
  return eventFromScan(target, scan);
}

function slow(bytes: Uint8Array): SlowVerdict {
  return judgeProtoEvent({ bytes, start: 0, end: bytes.length }, decode, CONTEXT);
}

const texts = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom("", "a", "DE", "page_view", "ü😀", "x".repeat(200)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('quo"te', "back\\slash", "line\nfeed", "nul\0", "__proto__"),
  },
  { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
);
const maps = fc.dictionary(texts, texts, { maxKeys: 3, noNullPrototype: true });
const amounts = fc.constantFrom(0, -0, 1, 2.5, 19.99, 1e21, 1e-7, -1, NaN, Infinity);

/** Mostly there. */
const usually = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 12 });

const userEvents = fc.record({
  action: texts,
  page_url: texts,
  metadata: maps,
  user_context: fc.option(fc.record({ country: texts, os: texts, is_new_user: fc.boolean() })),
}, { requiredKeys: [] });
const transactions = fc.record({
  transaction_id: texts,
  type: fc.constantFrom(1, 2, 3, 4, 0, 9),
  amount: amounts,
  currency: fc.constantFrom("", "EUR", "eur", "EURO", "E1R"),
  status: fc.constantFrom(0, 1, 2, 4, 7),
  payment_method: texts,
  items: fc.constantFrom([], [{ item_id: "i", quantity: 2 }]),
}, { requiredKeys: [] });
const systemEvents = fc.record({ component: texts, type: fc.nat(5), tags: maps });
const customEvents = fc.record({
  name: texts,
  category: texts,
  attributes: maps,
  metrics: fc.constantFrom([], [{ name: "m", value: 2.5 }]),
}, { requiredKeys: [] });

const messages = fc.record({
  id: fc.oneof(texts, fc.constant("id-1")),
  user_id: fc.oneof(fc.constant("ada"), texts),
  session_id: texts,
  event_type: fc.constantFrom(1, 1, 2, 2, 3, 4, 4, 0, 5),
  timestamp: usually(fc.record({
    seconds: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(1_780_000_000, 100_000_000) },
      { weight: 1, arbitrary: fc.constantFrom(0, 1, 99_999_999, NOW_MS / 1_000 + 7_200, -5) },
    ),
    nanos: fc.constantFrom(0, 1, 999_999, 123_456_789, 999_999_999),
  })),
  source: texts,
  properties: maps,
  data: fc.oneof(
    fc.constant({}),
    fc.record({ user_event: userEvents }),
    fc.record({ transaction_event: transactions }),
    fc.record({ system_event: systemEvents }),
    fc.record({ custom_event: customEvents }),
  ),
}).map(({ data, timestamp, ...fields }) => ({ ...fields, timestamp, ...data }));

Deno.test("ProtoEventWriter makes the event that the slow path makes, or leaves it to that", () => {
  let taken = 0;
  fc.assert(
    fc.property(messages, (message) => {
      const bytes = eventType.serialize(message);
      const event = fast(bytes);
      if (event === null) return;
      taken++;
      const verdict = slow(bytes);
      assert.ok(verdict.ok, JSON.stringify(verdict));
      assert.deepEqual(event, verdict.event);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(taken > 1_000, `${taken} events took the fast path`);
});

Deno.test("ProtoEventWriter never throws, whatever the bytes, and agrees on what it takes", () => {
  const usual = eventType.serialize(USUAL);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(usual.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(usual.length),
      (changes, cut) => {
        const bytes = Uint8Array.from(usual.subarray(0, cut === 0 ? usual.length : cut));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const event = fast(bytes);
        if (event === null) return;
        const verdict = slow(bytes);
        assert.ok(verdict.ok, JSON.stringify(verdict));
        assert.deepEqual(event, verdict.event);
      },
    ),
    { numRuns: 20_000 },
  );
});

const USUAL = {
  id: "018f-usual",
  user_id: "user-17",
  session_id: "s-1",
  event_type: 1,
  timestamp: { seconds: 1_780_000_000, nanos: 123_000_000 },
  source: "web",
  properties: { plan: "pro", country: "DE" },
  user_event: {
    action: "page_view",
    page_url: "/pricing",
    user_context: { country: "DE", is_new_user: true },
  },
};

Deno.test("ProtoEventWriter takes what clients usually send", () => {
  const others = [
    {},
    { user_event: undefined, custom_event: { name: "deploy", attributes: { env: "prod" } } },
    {
      user_event: undefined,
      event_type: 2,
      transaction_event: { transaction_id: "t", type: 1, amount: 19.9, currency: "EUR", status: 2 },
    },
    { user_event: undefined, event_type: 3 },
    { id: "" },
  ];
  for (const other of others) {
    const event = fast(eventType.serialize({ ...USUAL, ...other }));
    assert.notEqual(event, null, JSON.stringify(other));
  }
  const event = fast(eventType.serialize(USUAL))!;
  assert.equal(event.type, "page_view");
  assert.equal(CATEGORY_NAMES[event.category], "EVENT_TYPE_USER");
  assert.equal(event.properties["user_context.is_new_user"], true);
});

Deno.test("judgeProtoEvent() refuses malformed text, NUL, other bytes and late clocks by code", () => {
  const usual = Buffer.from(eventType.serialize(USUAL));
  const at = usual.indexOf("user-17");
  const broken = Uint8Array.from(usual);
  broken[at] = 0xff;
  const code = (bytes: Uint8Array) => {
    assert.equal(fast(bytes), null);
    const verdict = slow(bytes);
    return verdict.ok ? "ok" : verdict.rejection.code;
  };
  assert.equal(code(broken), "invalid_utf8");
  broken[at] = 0;
  assert.equal(code(broken), "nul_character");
  assert.equal(code(usual.subarray(0, usual.length - 1)), "invalid_message");
  const future = { seconds: NOW_MS / 1_000 + 7_200, nanos: 0 };
  assert.equal(code(eventType.serialize({ ...USUAL, timestamp: future })), "timestamp_in_future");
  assert.equal(code(eventType.serialize({ ...USUAL, user_id: "" })), "empty_field");
  assert.equal(code(eventType.serialize({ ...USUAL, event_type: 0 })), "invalid_event_type");
  const replacement = { ...USUAL, source: "\ufffd" };
  assert.equal(slow(eventType.serialize(replacement)).ok, true);
});
