import assert from "node:assert/strict";
import { SeededRandom } from "./seeded_random.ts";

Deno.test("SeededRandom gives the same numbers when the seed is the same", () => {
  const [one, two] = [new SeededRandom(42), new SeededRandom(42)];
  for (let i = 0; i < 1_000; i++) assert.equal(one.nextUint32(), two.nextUint32());
});

Deno.test("SeededRandom keeps its numbers when the program changes", () => {
  const random = new SeededRandom(1);
  const numbers = Array.from({ length: 4 }, () => random.nextUint32());
  assert.deepEqual(numbers, [2308299391, 1950625580, 354034397, 661219729]);
});

Deno.test("SeededRandom gives other numbers when seeds differ by one bit", () => {
  for (const other of [0, 3, 2 ** 32 + 1, 2 ** 52 + 1]) {
    const [one, two] = [new SeededRandom(1), new SeededRandom(other)];
    let differing = 0;
    for (let i = 0; i < 32; i++) if (one.nextUint32() !== two.nextUint32()) differing++;
    assert.ok(differing >= 31, `seed ${other}`);
  }
});

Deno.test("next() fills [0, 1) evenly", () => {
  const random = new SeededRandom(7);
  const counts = new Array(16).fill(0);
  const draws = 160_000;
  for (let i = 0; i < draws; i++) counts[Math.floor(random.next() * 16)]++;
  // Chi-squared with 15 degrees of freedom is below 44.3 in 9,999 of 10,000 cases.
  const expected = draws / 16;
  const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.ok(chiSquared < 44.3, `${chiSquared}`);
});

Deno.test("below() stays below its bound when the bound is small", () => {
  const random = new SeededRandom(3);
  const seen = new Set<number>();
  for (let i = 0; i < 200; i++) seen.add(random.below(3));
  assert.deepEqual([...seen].sort(), [0, 1, 2]);
});

Deno.test("SeededRandom throws when the seed is no whole number from 0", () => {
  for (const seed of [-1, 1.5, NaN, 2 ** 53]) {
    assert.throws(() => new SeededRandom(seed), RangeError);
  }
});
