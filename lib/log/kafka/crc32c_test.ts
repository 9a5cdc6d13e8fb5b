import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32c } from "./crc32c.ts";

// RFC 3720, B.4.
Deno.test("crc32c() gives the published checksums", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  const cases: [Uint8Array, number][] = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.toReversed(), 0x113fdb5c],
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(0), 0],
  ];
  for (const [bytes, expected] of cases) assert.equal(crc32c(bytes, 0, bytes.length), expected);
});

Deno.test("crc32c() equals the checksum taken bit by bit", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, start) => {
    const from = Math.min(start, bytes.length);
    let crc = 0xffffffff;
    for (const byte of bytes.subarray(from)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78);
    }
    assert.equal(crc32c(bytes, from, bytes.length), ~crc >>> 0);
  }));
});
