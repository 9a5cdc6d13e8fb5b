import assert from "node:assert/strict";
import fc from "fast-check";
import { DEAD_LETTER_MESSAGE_CHARS_MAX, DEAD_LETTER_PAYLOAD_BYTES_MAX } from "../config/limits.ts";
import { EVENT_REASONS } from "../event/reasons.ts";
import {
  DEAD_LETTER_REASONS,
  deadLetterId,
  isCut,
  makeDeadLetter,
  parseDeadLetterId,
} from "./dead_letter.ts";

const parts = {
  topic: "analytics-events",
  partition: 2,
  offset: 1041,
  line: 0,
  project: "default",
  reason: "missing_field",
  message: "user_id is missing; send a string",
  timeMs: 1_700_000_000_500,
  receivedAtMs: 1_700_000_000_000,
  payload: new TextEncoder().encode("{}"),
} as const;

Deno.test("parseDeadLetterId() reads back what deadLetterId() wrote when topics look like ids", () => {
  const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  const topic = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.stringMatching(/^[a-z0-9][a-z0-9-]*-\d+$/),
    fc.constantFrom("a-1-2-3", "-", "1", "analytics-events", "line\nbreak"),
  );
  const origin = fc.record(
    { topic, partition: count, offset: count, line: count },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(origin, (origin) => {
      assert.deepEqual(parseDeadLetterId(deadLetterId(origin)), origin);
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseDeadLetterId() gives null when the text is the id of no letter", () => {
  for (
    const id of ["", "topic", "t-1-2", "-1-2-3", "t-1-2-x", "t-1-2-", "t-01-2-3", "t-1-2-3 "]
      .concat("t-1-9007199254740992-0", "t-1--2")
  ) assert.equal(parseDeadLetterId(id), null, id);
});

Deno.test("makeDeadLetter() copies the payload when its record gives its memory back", () => {
  const record = new TextEncoder().encode('{"a":1}\n{"b":2}\n');
  const letter = makeDeadLetter({ ...parts, payload: record.subarray(0, 7) });
  record.fill(0);
  assert.equal(new TextDecoder().decode(letter.payload), '{"a":1}');
  assert.deepEqual([letter.id, letter.payloadBytes], ["analytics-events-2-1041-0", 7]);
  assert.equal(isCut(letter), false);
});

Deno.test("makeDeadLetter() cuts a payload between two characters when it is too long", () => {
  for (const [text, bytes] of [["a", 1], ["é", 2], ["€", 3], ["😀", 4]] as const) {
    const whole = new TextEncoder().encode(
      "x" + text.repeat(DEAD_LETTER_PAYLOAD_BYTES_MAX / bytes + 1),
    );
    const letter = makeDeadLetter({ ...parts, payload: whole });
    assert.ok(letter.payload.length <= DEAD_LETTER_PAYLOAD_BYTES_MAX);
    assert.ok(letter.payload.length > DEAD_LETTER_PAYLOAD_BYTES_MAX - bytes);
    new TextDecoder("utf-8", { fatal: true }).decode(letter.payload);
    assert.deepEqual([letter.payloadBytes, isCut(letter)], [whole.length, true]);
  }
});

Deno.test("makeDeadLetter() cuts a payload at the limit when its bytes are no text", () => {
  const payload = new Uint8Array(DEAD_LETTER_PAYLOAD_BYTES_MAX + 9).fill(0x80);
  assert.equal(makeDeadLetter({ ...parts, payload }).payload.length, DEAD_LETTER_PAYLOAD_BYTES_MAX);
});

Deno.test("makeDeadLetter() writes whole characters when a message is cut or broken", () => {
  const { message } = makeDeadLetter({ ...parts, message: "😀".repeat(2_000) });
  assert.ok(message.length <= DEAD_LETTER_MESSAGE_CHARS_MAX && message.isWellFormed());
  assert.ok(message.endsWith("…"));
  assert.equal(makeDeadLetter({ ...parts, message: "half \ud83d" }).message, "half \ufffd");
});

Deno.test("makeDeadLetter() takes its own time when a record's time is none", () => {
  const received = (receivedAtMs: number) =>
    makeDeadLetter({ ...parts, receivedAtMs }).receivedAtMs;
  for (const none of [-1, 0, NaN, Infinity, 1e18]) assert.equal(received(none), parts.timeMs);
  assert.equal(received(1_700_000_000_000.9), 1_700_000_000_000);
});

Deno.test("DEAD_LETTER_REASONS holds every reason to refuse an event, and poison", () => {
  assert.deepEqual([...DEAD_LETTER_REASONS], [...Object.keys(EVENT_REASONS), "poison"]);
});
