import assert from "node:assert/strict";
import fc from "fast-check";
import { orderByTime } from "./order_by_time.ts";

const NO_COLUMNS = { series: null, seq: null, sessionHash: null, amount: null, label: null };

/** Orders rows [from, to); gives the rows by their places before. */
function ordered(times: readonly number[], from: number, to: number, seq: number[] | null) {
  const rows = {
    ...NO_COLUMNS,
    timestampMs: Float64Array.from(times),
    match: Int32Array.from(times, (_, place) => place),
    sessionHash: Uint32Array.from(times.flatMap((_, place) => [place, place + 0x8000_0000])),
    seq: seq === null ? null : Float64Array.from(seq),
  };
  orderByTime(rows, from, to, seq === null);
  rows.match.forEach((place, row) => {
    assert.equal(rows.timestampMs[row], times[place]);
    assert.deepEqual([...rows.sessionHash.subarray(2 * row, 2 * row + 2)], [
      place,
      place + 0x8000_0000,
    ]);
  });
  return [...rows.match];
}

Deno.test("orderByTime() equals a stable sort when times are random, nearly sorted or turned round", () => {
  const times = fc.oneof(
    fc.array(fc.nat({ max: 20 }), { maxLength: 200, size: "max" }),
    fc.array(fc.nat({ max: 3 }), { maxLength: 200, size: "max" })
      .map((late) => late.map((each, i) => i - each)),
    fc.nat({ max: 200 }).map((length) => Array.from({ length }, (_, i) => -i)),
  );
  const random = times.chain((times) =>
    fc.record({
      times: fc.constant(times),
      ends: fc.tuple(fc.nat({ max: times.length }), fc.nat({ max: times.length })),
      seq: fc.oneof(
        fc.constant(null),
        fc.shuffledSubarray(times.map((_, i) => i), { minLength: times.length }),
      ),
    })
  );
  fc.assert(
    fc.property(random, ({ times, ends, seq }) => {
      const [from, to] = [Math.min(...ends), Math.max(...ends)];
      const places = times.map((_, place) => place);
      const inside = places.slice(from, to).sort((a, b) => {
        return times[a] - times[b] || (seq === null ? a - b : seq[a] - seq[b]);
      });
      const expected = [...places.slice(0, from), ...inside, ...places.slice(to)];
      assert.deepEqual(ordered(times, from, to, seq), expected);
    }),
    { numRuns: 500 },
  );
});
