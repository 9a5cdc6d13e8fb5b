import assert from "node:assert/strict";
import fc from "fast-check";
import { joinRanges } from "./join_ranges.ts";

Deno.test("joinRanges() has all rows of the ranges in few ranges, ascending and apart", () => {
  const ranges = fc.array(
    fc.tuple(fc.nat(3_000_000), fc.integer({ min: 1, max: 5_000 }))
      .map(([fromSeq, rows]) => ({ fromSeq, toSeq: fromSeq + rows })),
    { maxLength: 120 },
  );
  fc.assert(
    fc.property(ranges, (given) => {
      const joined = joinRanges(given);
      assert(joined.length <= 32);
      joined.slice(1).forEach(({ fromSeq }, index) => assert(fromSeq > joined[index].toSeq));
      for (const { fromSeq, toSeq } of given) {
        assert(joined.some((range) => range.fromSeq <= fromSeq && toSeq <= range.toSeq));
      }
      const ends = given.flatMap(({ fromSeq, toSeq }) => [fromSeq, toSeq]);
      for (const { fromSeq, toSeq } of joined) {
        assert(ends.includes(fromSeq) && ends.includes(toSeq), "nothing but gaps is added");
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("joinRanges() joins those with the fewest rows between them", () => {
  const apart = Array.from(
    { length: 40 },
    (_, i) => ({ fromSeq: i * 200_000, toSeq: i * 200_000 + 1 }),
  );
  const close = apart.map(({ fromSeq }) => ({ fromSeq: fromSeq + 100, toSeq: fromSeq + 101 }));
  assert.deepEqual(joinRanges([]), []);
  assert.equal(joinRanges(apart.slice(0, 9)).length, 9);
  assert.deepEqual(joinRanges([...close.slice(0, 2), ...apart.slice(0, 2)]), [
    { fromSeq: 0, toSeq: 101 },
    { fromSeq: 200_000, toSeq: 200_101 },
  ]);
  const far = [{ fromSeq: 9_000_000, toSeq: 9_000_001 }];
  const joined = joinRanges([...apart, ...far]);
  assert.deepEqual(joined.at(-1), far[0]);
});
