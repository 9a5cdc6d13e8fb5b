import assert from "node:assert/strict";
import fc from "fast-check";
import { MissingCells } from "./missing_cells.ts";

const noted = fc.record({
  level: fc.constantFrom(0 as const, 1 as const, 2 as const),
  from: fc.nat(30),
  length: fc.integer({ min: 1, max: 5 }),
  series: fc.nat(4),
  want: fc.nat(7),
});

Deno.test("MissingCells.runs() reads all that was noted, no bucket that was not", () => {
  fc.assert(
    fc.property(fc.array(noted, { maxLength: 20 }), (list) => {
      const missing = new MissingCells();
      for (const { level, from, length, series, want } of list) {
        missing.note(level, from, from + length, series, want);
      }
      const runs = missing.runs();
      for (const { level, from, length, series, want } of list) {
        const covered = runs.some((run) =>
          run.level === level && run.from <= from && from + length <= run.to &&
          run.series.includes(series) && (run.want & want) === want
        );
        assert(covered, "noted, but not read");
      }
      for (const run of runs) {
        for (let bucket = run.from; bucket < run.to; bucket++) {
          const isNoted = list.some(({ level, from, length }) =>
            level === run.level && from <= bucket && bucket < from + length
          );
          assert(isNoted, "read, but not noted");
        }
      }
      assert.equal(missing.isEmpty, list.length === 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("MissingCells.runs() reads users and sessions of the same cells at once", () => {
  const missing = new MissingCells();
  for (const want of [1, 2]) {
    for (const bucket of [5, 6, 7]) missing.note(2, bucket, bucket + 1, 9, want);
  }
  assert.deepEqual(missing.runs(), [{ level: 2, from: 5, to: 8, series: [9], want: 3 }]);
});
