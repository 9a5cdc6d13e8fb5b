import assert from "node:assert/strict";
import { SeededRandom } from "./seeded_random.ts";
import { ZipfSampler } from "./zipf_sampler.ts";

for (const exponent of [0.6, 1, 1.4]) {
  Deno.test(`draw() gives ranks in their shares when the exponent is ${exponent}`, () => {
    const ranks = 50;
    const draws = 200_000;
    const random = new SeededRandom(11);
    const sampler = new ZipfSampler(ranks, exponent);
    const counts = new Array(ranks + 1).fill(0);
    for (let i = 0; i < draws; i++) counts[sampler.draw(random)]++;
    let weights = 0;
    for (let rank = 1; rank <= ranks; rank++) weights += rank ** -exponent;
    let chiSquared = 0;
    for (let rank = 1; rank <= ranks; rank++) {
      const expected = draws * rank ** -exponent / weights;
      chiSquared += (counts[rank] - expected) ** 2 / expected;
    }
    // 49 degrees of freedom: below 95 in 9,999 of 10,000 cases.
    assert.ok(chiSquared < 95, `${chiSquared}`);
    assert.equal(counts[0], 0);
  });
}

Deno.test("draw() gives 1 when there is one rank", () => {
  const random = new SeededRandom(1);
  const sampler = new ZipfSampler(1, 1);
  for (let i = 0; i < 100; i++) assert.equal(sampler.draw(random), 1);
});

Deno.test("ZipfSampler throws when an argument is out of range", () => {
  assert.throws(() => new ZipfSampler(0, 1), RangeError);
  assert.throws(() => new ZipfSampler(1.5, 1), RangeError);
  assert.throws(() => new ZipfSampler(10, 0), RangeError);
});
