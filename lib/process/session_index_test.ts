import assert from "node:assert/strict";
import fc from "fast-check";
import { SessionIndex } from "./session_index.ts";

const GAP_MS = 30 * 60_000;
const T0 = 1_700_000_000_000;
const ROOMY = 1 << 24;

function sessionAt(
  index: SessionIndex,
  user: number,
  timestampMs: number,
  receivedMs = T0,
): string {
  const out = new Uint32Array(2);
  index.assign(Math.imul(user + 1, 0x9e3779b1) >>> 0, user, timestampMs, receivedMs, out);
  return `${out[0]}:${out[1]}`;
}

Deno.test("assign() joins events within the gap and begins anew after it", () => {
  const index = new SessionIndex(GAP_MS, ROOMY);
  const first = sessionAt(index, 1, T0);
  assert.equal(sessionAt(index, 1, T0 + GAP_MS), first);
  assert.equal(sessionAt(index, 1, T0 + 2 * GAP_MS), first, "the gap counts from the last event");
  const second = sessionAt(index, 1, T0 + 3 * GAP_MS + 1);
  assert.notEqual(second, first);
  assert.notEqual(sessionAt(index, 2, T0), first, "another user has other sessions");
});

Deno.test("assign() keeps the running session when a late event comes", () => {
  const index = new SessionIndex(GAP_MS, ROOMY);
  const now = sessionAt(index, 1, T0);
  assert.equal(sessionAt(index, 1, T0 - GAP_MS), now, "a little late joins");
  const late = sessionAt(index, 1, T0 - 10 * GAP_MS);
  assert.notEqual(late, now);
  assert.equal(sessionAt(index, 1, T0 - 10 * GAP_MS + 1), late, "late events share their slot");
  assert.equal(sessionAt(index, 1, T0 + 1), now);
});

Deno.test("assign() equals a plain model for events of many users in order of time", () => {
  const event = fc.record({ user: fc.nat(40), advanceMs: fc.nat(40 * 60_000) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300 }), (events) => {
      const index = new SessionIndex(GAP_MS, ROOMY);
      const model = new Map<number, { last: number; session: string }>();
      let timeMs = T0;
      for (const { user, advanceMs } of events) {
        timeMs += advanceMs;
        const session = sessionAt(index, user, timeMs, timeMs);
        const before = model.get(user);
        const joins = before !== undefined && timeMs - before.last <= GAP_MS;
        assert.equal(session === before?.session, joins);
        model.set(user, { last: timeMs, session });
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("restore() goes on with the session that the rows name", () => {
  const before = new SessionIndex(GAP_MS, ROOMY);
  const session = sessionAt(before, 3, T0);
  sessionAt(before, 3, T0 + 1000);
  const [lo, hi] = session.split(":").map(Number);
  const after = new SessionIndex(GAP_MS, ROOMY);
  after.restore(Math.imul(4, 0x9e3779b1) >>> 0, 3, lo, hi, T0 + 1000, T0);
  assert.equal(sessionAt(after, 3, T0 + 1000 + GAP_MS), session);
});

Deno.test("assign() forgets the longest silent users when the memory cap is reached", () => {
  const index = new SessionIndex(GAP_MS, 1 << 16);
  for (let user = 0; user < 5_000; user++) sessionAt(index, user, T0, T0 + user * 1000);
  assert.ok(index.byteSize <= 1 << 16);
  assert.ok(index.evicted > 0);
});
