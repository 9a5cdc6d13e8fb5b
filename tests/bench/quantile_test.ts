/** Medians and quantiles. */
import assert from "node:assert/strict";
import { median, quantile } from "./quantile.ts";

Deno.test("median() gives the middle value, whatever the order", () => {
  assert.equal(median([10, 2, 9]), 9);
  assert.equal(median([10, 2, 9, 3]), 6);
});

Deno.test("quantile() gives the value of the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(quantile(values, 0.5), 50);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(quantile(values, 1), 100);
  assert.equal(quantile([7], 0.99), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});
