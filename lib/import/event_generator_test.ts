import assert from "node:assert/strict";
import fc from "fast-check";
import { GENERATED_LINE_BYTES_MAX } from "../config/limits.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "../event/scan.ts";
import { EventGenerator, type GeneratorOptions } from "./event_generator.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const endMs = Date.UTC(2026, 0, 31);
const base: GeneratorOptions = {
  events: 5_000,
  seed: 1,
  users: 300,
  types: 20,
  startMs: endMs - 30 * DAY_MS,
  endMs,
};

function linesOf(options: GeneratorOptions, bufferBytes = 64 * 1024): string[] {
  const generator = new EventGenerator(options);
  const buffer = new Uint8Array(bufferBytes);
  const decoder = new TextDecoder();
  let text = "";
  let events = 0;
  for (;;) {
    const filled = generator.fill(buffer);
    if (filled.events === 0) break;
    events += filled.events;
    text += decoder.decode(buffer.subarray(0, filled.bytes));
  }
  assert.equal(events, options.events);
  assert.equal(generator.remaining, 0);
  const lines = text.split("\n");
  assert.equal(lines.pop(), "");
  return lines;
}

Deno.test("fill() writes complete events when read by the scanner", () => {
  const scan = new EventScan();
  for (const sessionIds of [false, true]) {
    for (const line of linesOf({ ...base, sessionIds })) {
      const bytes = new TextEncoder().encode(line);
      assert.equal(scanEvent(bytes, 0, bytes.length, endMs, scan), SCAN_COMPLETE, line);
      assert.equal(scan.sessionStart >= 0, sessionIds);
    }
  }
});

Deno.test("fill() writes the same bytes when the buffer has another size", () => {
  const whole = linesOf({ ...base, events: 500 });
  fc.assert(
    fc.property(fc.integer({ min: GENERATED_LINE_BYTES_MAX, max: 9_000 }), (bufferBytes) => {
      assert.deepEqual(linesOf({ ...base, events: 500 }, bufferBytes), whole);
    }),
    { numRuns: 30 },
  );
});

Deno.test("fill() writes no more events than it is asked for", () => {
  const generator = new EventGenerator(base);
  const buffer = new Uint8Array(1 << 20);
  assert.equal(generator.fill(buffer, 7).events, 7);
  assert.equal(generator.remaining, base.events - 7);
});

Deno.test("EventGenerator gives other users and ids when the seed is another", () => {
  const [one, two] = [linesOf(base), linesOf({ ...base, seed: 2 })].map((lines) =>
    lines.map((line) => JSON.parse(line))
  );
  assert.equal(one[0].id, "g1-0000000000");
  assert.equal(two[4_999].id, "g2-0000004999");
  assert.notDeepEqual(one.map((e) => e.user_id), two.map((e) => e.user_id));
});

Deno.test("EventGenerator gives times that never go back and stay in the range", () => {
  for (const startMs of [base.startMs, endMs - HOUR_MS, endMs - 1, endMs]) {
    let last = startMs;
    for (const line of linesOf({ ...base, startMs })) {
      const { timestamp } = JSON.parse(line);
      assert.ok(timestamp >= last && (timestamp < endMs || startMs === endMs), `${timestamp}`);
      last = timestamp;
    }
  }
});

Deno.test("EventGenerator follows the day when the range is whole days", () => {
  const hours = new Array(24).fill(0);
  for (const line of linesOf({ ...base, events: 20_000 })) {
    hours[new Date(JSON.parse(line).timestamp).getUTCHours()]++;
  }
  assert.ok(hours[15] > 2.5 * hours[3], `${hours}`);
});

Deno.test("EventGenerator gives users by Zipf's law when there are many visits", () => {
  const visits = new Map<string, number>();
  for (const line of linesOf({ ...base, events: 50_000, sessionIds: true })) {
    const { user_id, event_type, session_id } = JSON.parse(line);
    assert.match(session_id, /^s1-\d{7}$/);
    if (event_type === "page_view") visits.set(user_id, (visits.get(user_id) ?? 0) + 1);
  }
  const counts = [...visits.values()].sort((a, b) => b - a);
  const ratio = counts[0] / counts[9];
  assert.ok(ratio > 6 && ratio < 15, `first to tenth: ${ratio}`);
  assert.equal(visits.get("u0000001"), counts[0]);
});

Deno.test("EventGenerator gives every type and amounts to purchases alone", () => {
  for (const types of [1, 4, 20, 1_000]) {
    const seen = new Set<string>();
    for (const line of linesOf({ ...base, types, events: types === 1_000 ? 60_000 : 5_000 })) {
      const { event_type, amount, properties } = JSON.parse(line);
      seen.add(event_type);
      assert.equal(typeof amount, event_type === "purchase" ? "number" : "undefined");
      assert.equal(Object.keys(properties).length, 6);
    }
    assert.equal(seen.size, types);
  }
});

Deno.test("EventGenerator gives about 200 bytes an event", () => {
  const lines = linesOf({ ...base, users: 100_000 });
  const bytes = lines.reduce((sum, line) => sum + line.length + 1, 0) / lines.length;
  assert.ok(bytes > 190 && bytes < 220, `${bytes}`);
});

Deno.test("EventGenerator throws when an option is out of range", () => {
  const wrong: Partial<GeneratorOptions>[] = [
    { events: -1 },
    { seed: 0.5 },
    { users: 0 },
    { users: 10_000_000 },
    { types: 1_001 },
    { startMs: 1_000 },
    { endMs: base.startMs - 1 },
  ];
  for (const options of wrong) {
    assert.throws(() => new EventGenerator({ ...base, ...options }), RangeError);
  }
});

Deno.test("fill() throws when the buffer may be too short for one line", () => {
  const buffer = new Uint8Array(GENERATED_LINE_BYTES_MAX - 1);
  assert.throws(() => new EventGenerator(base).fill(buffer), RangeError);
});
