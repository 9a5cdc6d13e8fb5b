import assert from "node:assert/strict";
import zlib from "node:zlib";
import fc from "fast-check";
import { crc32 } from "./crc32.ts";

Deno.test("crc32() gives the published check value", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assert.equal(crc32(new Uint8Array(0)), 0);
});

Deno.test("crc32() agrees with zlib from any start", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(10), (bytes, start) => {
      assert.equal(crc32(bytes, start), zlib.crc32(bytes.subarray(start)));
    }),
    { numRuns: 500 },
  );
});
