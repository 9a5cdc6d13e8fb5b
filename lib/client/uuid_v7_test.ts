import assert from "node:assert/strict";
import fc from "fast-check";
import { uuidV7 } from "./uuid_v7.ts";

Deno.test("uuidV7() begins with its time, and has version and variant", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (nowMs) => {
    const id = uuidV7(nowMs);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(parseInt(id.slice(0, 8) + id.slice(9, 13), 16), nowMs);
  }));
});

Deno.test("uuidV7() does not repeat itself within a millisecond", () => {
  assert.equal(new Set(Array.from({ length: 10_000 }, () => uuidV7(1))).size, 10_000);
});
