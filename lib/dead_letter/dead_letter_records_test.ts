import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { DEAD_LETTER_PAYLOAD_BYTES_MAX } from "../config/limits.ts";
import { DEAD_LETTER_REASONS, LETTER_TIME_MS_MAX, makeDeadLetter } from "./dead_letter.ts";
import {
  type ConsumedRecord,
  type DeadLetterRecord,
  decodeDeadLetter,
  encodeDeadLetter,
} from "./dead_letter_records.ts";

const letter = makeDeadLetter({
  topic: "analytics-events",
  partition: 2,
  offset: 1041,
  line: 3,
  project: "shop",
  reason: "missing_field",
  message: "user_id is missing; send a string",
  timeMs: 1_700_000_000_500,
  receivedAtMs: 1_700_000_000_000,
  payload: new TextEncoder().encode('{"event_type":"click"}'),
});

/** A record as kafkajs gives it to a consumer: all in buffers. */
function consumed({ value, headers }: DeadLetterRecord): ConsumedRecord {
  const buffers = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]);
  return { value: Buffer.from(value), headers: Object.fromEntries(buffers) };
}

/** The letter's record with some headers changed; undefined takes one away. */
function withHeaders(changes: ConsumedRecord["headers"]): ConsumedRecord {
  const { value, headers } = consumed(encodeDeadLetter(letter));
  return { value, headers: { ...headers, ...changes } };
}

Deno.test("encodeDeadLetter() writes the documented record", () => {
  assert.deepEqual(encodeDeadLetter(letter), {
    key: "analytics-events-2-1041-3",
    value: letter.payload,
    headers: {
      version: "1",
      topic: "analytics-events",
      partition: "2",
      offset: "1041",
      line: "3",
      project: "shop",
      reason: "missing_field",
      message: "user_id is missing; send a string",
      time: "1700000000500",
      received_at: "1700000000000",
      payload_bytes: "22",
    },
  });
});

Deno.test("decodeDeadLetter() reads back any letter when a client gives it in buffers", () => {
  const time = fc.integer({ min: 1, max: LETTER_TIME_MS_MAX });
  const letters = fc.record({
    topic: fc.string({ minLength: 1, maxLength: 100, unit: "grapheme" }),
    partition: fc.nat(),
    offset: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    line: fc.nat(),
    project: fc.string({ maxLength: 50, unit: "grapheme" }),
    reason: fc.constantFrom(...DEAD_LETTER_REASONS),
    message: fc.string({ unit: "binary" }),
    timeMs: time,
    receivedAtMs: time,
    payload: fc.uint8Array(),
  }).filter(({ topic, project }) => topic.length <= 249 && project.length <= 256)
    .map(makeDeadLetter);
  fc.assert(
    fc.property(letters, (letter) => {
      const record = encodeDeadLetter(letter);
      const plain = { value: record.value, headers: { ...record.headers, trace: "x" } };
      for (const each of [consumed(record), plain]) {
        assert.deepEqual(decodeDeadLetter(each), { ok: true, letter });
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("decodeDeadLetter() copies the payload when the client uses its buffer again", () => {
  const record = consumed(encodeDeadLetter(letter));
  const decoded = decodeDeadLetter(record);
  record.value!.fill(0);
  assert.deepEqual(decoded, { ok: true, letter });
});

Deno.test("decodeDeadLetter() takes an empty value when a record had none", () => {
  const decoded = decodeDeadLetter({ ...withHeaders({ payload_bytes: "0" }), value: null });
  assert.ok(decoded.ok);
  assert.deepEqual([decoded.letter.payload.length, decoded.letter.payloadBytes], [0, 0]);
});

Deno.test("decodeDeadLetter() takes a reason of a later version, and the first of two values", () => {
  const decoded = decodeDeadLetter(withHeaders({ reason: ["too_strange", "poison"] }));
  assert.ok(decoded.ok);
  assert.equal(decoded.letter.reason, "too_strange");
});

Deno.test("decodeDeadLetter() keeps the length of the line when the value is cut", () => {
  const value = new Uint8Array(DEAD_LETTER_PAYLOAD_BYTES_MAX + 5).fill(0x61);
  const decoded = decodeDeadLetter({ ...withHeaders({ payload_bytes: "9000000" }), value });
  assert.ok(decoded.ok);
  assert.equal(decoded.letter.payload.length, DEAD_LETTER_PAYLOAD_BYTES_MAX);
  assert.equal(decoded.letter.payloadBytes, 9_000_000);
});

Deno.test("decodeDeadLetter() says what is wrong when a record is no letter", () => {
  const cases: [ConsumedRecord, RegExp][] = [
    [{ value: letter.payload }, /version is missing/],
    [withHeaders({ version: "2" }), /version is "2"/],
    [withHeaders({ topic: undefined }), /topic is missing/],
    [withHeaders({ topic: "" }), /topic is empty/],
    [withHeaders({ topic: "t".repeat(250) }), /topic has more than 249/],
    [withHeaders({ project: Buffer.from([0xff]) }), /project is missing or not UTF-8/],
    [withHeaders({ project: "p".repeat(257) }), /project has more than 256/],
    [withHeaders({ reason: 'x"} evil' }), /reason is/],
    [withHeaders({ message: undefined }), /message is missing/],
    [withHeaders({ offset: "-1" }), /offset is "-1"/],
    [withHeaders({ offset: "9007199254740992" }), /offset is/],
    [withHeaders({ partition: "1e3" }), /partition is/],
    [withHeaders({ line: undefined }), /line is missing/],
    [withHeaders({ time: "9999999999999999" }), /time is/],
    [withHeaders({ received_at: "" }), /received_at is ""/],
    [withHeaders({ payload_bytes: "many" }), /payload_bytes is "many"/],
  ];
  for (const [record, why] of cases) {
    const decoded = decodeDeadLetter(record);
    assert.ok(!decoded.ok, String(why));
    assert.match(decoded.why, why);
  }
});
