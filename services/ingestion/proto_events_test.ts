import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FUTURE_MS_MAX,
  ID_CHARS_MAX,
  PROPERTIES_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../../lib/config/limits.ts";
import { CATEGORY_NAMES } from "../../lib/event/event.ts";
import { ProtoEventWriter } from "../../lib/event/proto_event.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "../../lib/event/scan.ts";
import { eventFromScan, type SlowVerdict } from "../../lib/event/validate.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { judgeProtoEvent } from "./proto_events.ts";

const NOW_MS = Date.parse("2026-06-01T12:00:00Z");
const CONTEXT = { receivedAtMs: NOW_MS, makeId: () => "made" };

const eventType = loadDefinitions().message("analytics.v1.Event");
const decode = (bytes: Uint8Array) => eventType.deserialize(Buffer.from(bytes));
const writer = new ProtoEventWriter();
const writeId = (target: Uint8Array, at: number) => {
  const id = new TextEncoder().encode(CONTEXT.makeId());
  target.set(id, at);
  return at + id.length;
};
const scan = new EventScan();

/** What the fast path makes of a message; null = it leaves it to the slow path. */
function fast(bytes: Uint8Array) {
  if (!writer.find(bytes, 0, bytes.length)) return null;
  const target = new Uint8Array(64 * 1024);
  if (!writer.write(target, 0, NOW_MS, writeId)) return null;
  const { lineEnd, idStart, idEnd, typeStart, typeEnd, needsScan } = writer;
  const verdict = scanEvent(target, 0, lineEnd, NOW_MS, scan);
  if (needsScan && verdict !== SCAN_COMPLETE) return null;
  assert.equal(verdict, SCAN_COMPLETE, "the line keeps the rules where no scan is asked for");
  assert.deepEqual(
    [idStart, idEnd, typeStart, typeEnd, lineEnd],
    [scan.idStart, scan.idEnd, scan.typeStart, scan.typeEnd, scan.end],
  );
  return eventFromScan(target, scan);
}

function slow(bytes: Uint8Array): SlowVerdict {
  return judgeProtoEvent(bytes, decode, CONTEXT);
}

/** Whether the fast path takes a message; then the slow one has to make the same event of it. */
function isTaken(bytes: Uint8Array): boolean {
  const event = fast(bytes);
  if (event === null) return false;
  const verdict = slow(bytes);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.deepEqual(event, verdict.event);
  return true;
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
      if (isTaken(eventType.serialize(message))) taken++;
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
        isTaken(bytes);
      },
    ),
    { numRuns: 20_000 },
  );
});

/** A field on the wire: its number, its wire type and what follows the tag. */
type WireField = readonly [number: number, wire: number, payload: readonly number[]];

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(Math.floor(value / 0x80))];
const withLength = (bytes: readonly number[]) => [...varint(bytes.length), ...bytes];
const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const textField = (number: number, text: string): WireField => [number, 2, withLength(utf8(text))];
const messageOf = (fields: readonly WireField[]): number[] =>
  fields.flatMap(([number, wire, payload]) => [...varint(8 * number + wire), ...payload]);

const numbers = fc.integer({ min: 1, max: 24 });
/** Any field at all: numbers that are known and not, wire types that fit and not. */
const oddFields: fc.Arbitrary<WireField> = fc.oneof(
  fc.tuple(
    numbers,
    fc.constant(0),
    fc.oneof(fc.nat(5), fc.nat(2 ** 40)).map(varint),
  ),
  fc.tuple(
    numbers,
    fc.constant(0),
    fc.constantFrom([0x81, 0], [0x81, 0x80, 0], Array(9).fill(0xff).concat(1)),
  ),
  fc.tuple(
    numbers,
    fc.constantFrom(1, 5),
    fc.array(fc.nat(255), { minLength: 8, maxLength: 8 }),
  ).map(([number, wire, bytes]): WireField => [number, wire, wire === 1 ? bytes : bytes.slice(4)]),
  fc.tuple(numbers, texts).map(([number, text]) => textField(number, text)),
  fc.tuple(fc.constantFrom(31, 32, 100, 536_870_911, 536_870_914), texts).map(([n, text]) =>
    textField(n, text)
  ),
  fc.tuple(
    fc.constantFrom(1, 2, 6, 7, 10),
    fc.constant(2),
    fc.array(fc.constantFrom(0xff, 0xc0, 0x80, 0xed, 0xa0, 0x61), { maxLength: 4 }).map(withLength),
  ),
);
const entries = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom("", "a", "b")) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(1, 2, 3), texts) },
  ),
  { maxLength: 3 },
).map((fields) => withLength(messageOf(fields.map(([number, text]) => textField(number, text)))));
const usualFields: readonly WireField[] = [
  textField(1, "e-1"),
  textField(2, "ada"),
  [4, 0, [1]],
  [5, 2, withLength([8, ...varint(1_780_000_000)])],
  [10, 2, withLength(messageOf([textField(1, "view"), textField(2, "/p")]))],
];
/** Some, or none: most messages are to have one oddity, not all of them. */
const few = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(arbitrary, { minLength: 1, maxLength }) },
  );
/** Most of the usual ones, with others before, between and behind them, some of them twice. */
const wireEvents = fc.record({
  odd: few(fc.tuple(oddFields, fc.nat(9)), 2),
  twice: few(fc.tuple(fc.nat(usualFields.length - 1), fc.nat(9)), 1),
  properties: few(fc.tuple(entries, fc.nat(9)), 4),
  data: few(oddFields, 2),
  without: fc.option(fc.nat(usualFields.length - 1), { freq: 2 }),
}).map(({ odd, twice, properties, data, without }) => {
  const fields = [...usualFields];
  if (data.length > 0) fields[4] = [10, 2, withLength(messageOf([textField(1, "view"), ...data]))];
  if (without !== null) fields.splice(without, 1);
  const put = (field: WireField, at: number) => fields.splice(at % fields.length, 0, field);
  for (const [index, at] of twice) put(usualFields[index], at);
  for (const [entry, at] of properties) put([7, 2, entry], at);
  for (const [field, at] of odd) put(field, at);
  return Uint8Array.from(messageOf(fields));
});

Deno.test("ProtoEventWriter agrees with the slow path on fields that no client should send", () => {
  let taken = 0;
  fc.assert(
    fc.property(wireEvents, (bytes) => {
      if (isTaken(bytes)) taken++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(taken > 1_000 && taken < 19_000, `${taken} events took the fast path`);
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

Deno.test("ProtoEventWriter has nothing scanned up to the limits, and nothing taken beyond them", () => {
  const properties = (count: number, valueChars: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`k${i}`, "x".repeat(valueChars)]),
    );
  const cases: readonly [unknown, unknown][] = [
    [{ id: "x".repeat(ID_CHARS_MAX) }, { id: "x".repeat(ID_CHARS_MAX + 1) }],
    [{ user_id: "x".repeat(USER_ID_CHARS_MAX) }, { user_id: "x".repeat(USER_ID_CHARS_MAX + 1) }],
    [
      { session_id: "x".repeat(SESSION_ID_CHARS_MAX) },
      { session_id: "x".repeat(SESSION_ID_CHARS_MAX + 1) },
    ],
    [{ source: "x".repeat(SOURCE_CHARS_MAX) }, { source: "x".repeat(SOURCE_CHARS_MAX + 1) }],
    [
      { user_event: { action: "x".repeat(TYPE_CHARS_MAX) } },
      { user_event: { action: "x".repeat(TYPE_CHARS_MAX + 1) } },
    ],
    [
      { properties: properties(PROPERTIES_MAX - 1, 1), user_event: { action: "a" } },
      { properties: properties(PROPERTIES_MAX, 1), user_event: { action: "a" } },
    ],
    [{ properties: properties(40, 600) }, { properties: properties(60, 600) }],
    [
      { properties: { action: "a" }, user_event: undefined },
      { properties: { action: "a" }, user_event: { action: "a" } },
    ],
    [
      { timestamp: { seconds: (NOW_MS + FUTURE_MS_MAX) / 1_000, nanos: 0 } },
      { timestamp: { seconds: (NOW_MS + FUTURE_MS_MAX) / 1_000, nanos: 1_000_000 } },
    ],
    [{ properties: { proto__: "a" } }, { properties: JSON.parse('{"__proto__": "a"}') }],
  ];
  for (const [within, beyond] of cases) {
    const text = JSON.stringify(within).slice(0, 60);
    assert.ok(isTaken(eventType.serialize({ ...USUAL, ...within as object })), text);
    assert.equal(writer.needsScan, false, text);
    const other = eventType.serialize({ ...USUAL, ...beyond as object });
    assert.equal(isTaken(other), false, JSON.stringify(beyond).slice(0, 60));
  }
  // What is not ASCII may be malformed; the limits are on characters, too.
  assert.ok(isTaken(eventType.serialize({ ...USUAL, user_id: "ü".repeat(USER_ID_CHARS_MAX) })));
  assert.equal(writer.needsScan, true);
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
