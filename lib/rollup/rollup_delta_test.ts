import assert from "node:assert/strict";
import fc from "fast-check";
import { MINUTE_MS, RollupDelta, SERIES_SPAN } from "./rollup_delta.ts";

const T0 = 1_700_000_000_000;
const event = fc.record({
  series: fc.nat(5),
  timestampMs: fc.integer({ min: T0, max: T0 + 10 * MINUTE_MS }),
  user: fc.nat(3000),
  amount: fc.oneof(fc.constant(NaN), fc.nat(400).map((quarters) => quarters / 4)),
});

function deltaOf(
  events: readonly { series: number; timestampMs: number; user: number; amount: number }[],
) {
  const delta = new RollupDelta();
  for (const { series, timestampMs, user, amount } of events) {
    const lo = Math.imul(user + 1, 0x9e3779b1) >>> 0;
    const hi = Math.imul(user + 1, 0x85ebca6b) >>> 0;
    delta.cellAt(series, timestampMs, user % 3 === 0).add(timestampMs, lo, hi, hi, lo, amount);
  }
  return delta;
}

/** Every number that a delta's cells can tell. */
function figures(delta: RollupDelta) {
  const cells = [...delta.minutes, ...delta.hours].sort(([a], [b]) => a - b);
  return cells.map(([key, cell]) => ({
    key,
    events: cell.events,
    min: cell.minTimestampMs,
    max: cell.maxTimestampMs,
    amountCount: cell.amountCount,
    amountSum: cell.amountSum,
    users: cell.users.estimate(),
    sessions: cell.sessions.estimate(),
    median: cell.amounts ? cell.amounts.quantile(0.5) : null,
  }));
}

Deno.test("decode() gives back what encode() wrote", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const delta = deltaOf(events);
      assert.deepEqual(figures(RollupDelta.decode(delta.encode())), figures(delta));
    }),
    { numRuns: 200 },
  );
});

Deno.test("cellCount counts the cells of minutes and of hours", () => {
  assert.equal(deltaOf([]).cellCount, 0);
  const event = { series: 1, timestampMs: T0, user: 1, amount: NaN };
  const ofHour = { ...event, user: 3 };
  assert.equal(deltaOf([event, event, ofHour, { ...event, series: 2 }]).cellCount, 3);
});

Deno.test("decode() refuses bytes that are cut off or of another version", () => {
  const bytes = deltaOf([{ series: 1, timestampMs: T0, user: 1, amount: 2 }]).encode();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => RollupDelta.decode(bytes.slice(0, length)));
  }
  bytes[0] = 9;
  assert.throws(() => RollupDelta.decode(bytes), /version 1/);
});

Deno.test("cellAt() keeps series and minutes apart when they alternate", () => {
  const delta = new RollupDelta();
  for (let i = 0; i < 100; i++) {
    delta.cellAt(i % 3, T0 + (i % 2) * MINUTE_MS).add(T0, i, i, i, i, NaN);
  }
  assert.equal(delta.minutes.size, 6);
  const minute = Math.floor(T0 / MINUTE_MS);
  assert.equal(delta.minutes.get(minute * SERIES_SPAN)!.events, 17);
});

Deno.test("Cell.merge() equals the cell of all events together", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 100 }),
      fc.array(event, { maxLength: 100 }),
      (a, b) => {
        const parts = [deltaOf(a), deltaOf(b)];
        const whole = deltaOf([...a, ...b]);
        for (const level of ["minutes", "hours"] as const) {
          for (const [key, cell] of parts[1][level]) {
            const into = parts[0][level].get(key);
            if (into) into.merge(cell);
            else parts[0][level].set(key, cell);
          }
        }
        assert.deepEqual(figures(parts[0]), figures(whole));
      },
    ),
    { numRuns: 200 },
  );
});
