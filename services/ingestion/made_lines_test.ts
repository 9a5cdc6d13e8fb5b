import assert from "node:assert/strict";
import { MadeLines } from "./made_lines.ts";

Deno.test("reserve() goes on in the same block while there is room and takes a larger one then", () => {
  const made = new MadeLines();
  made.reserve(100);
  const first = made.block;
  made.at = first.length - 100;
  made.reserve(100);
  assert.equal(made.block, first);
  made.reserve(101);
  assert.equal(made.at, 0);
  assert.equal(made.block.length, 2 * first.length);
});

Deno.test("clear() keeps the largest block up to 256 KiB and lets go of larger ones", () => {
  const made = new MadeLines();
  for (const bytes of [100, 60_000, 256 * 1_024, 300_000]) {
    made.reserve(bytes);
    made.at = made.block.length;
  }
  assert.equal(made.block.length, 300_000);
  made.clear();
  assert.equal(made.block.length, 256 * 1_024);
  assert.equal(made.at, 0);
});
