import assert from "node:assert/strict";
import fc from "fast-check";
import { murmur2, partitionOf } from "./murmur2.ts";

const encoder = new TextEncoder();

/** The vectors of Kafka's own UtilsTest.testMurmur2. */
const KAFKA_VECTORS: readonly [string, number][] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

Deno.test("murmur2() equals Kafka's when given Kafka's test vectors", () => {
  for (const [text, expected] of KAFKA_VECTORS) {
    const bytes = encoder.encode(text);
    assert.equal(murmur2(bytes, 0, bytes.length), expected, text);
  }
});

Deno.test("murmur2() reads only its range when the key stands inside other bytes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 9 }),
      (key, around) => {
        const padded = new Uint8Array(key.length + 2 * around.length);
        padded.set(around);
        padded.set(key, around.length);
        padded.set(around, around.length + key.length);
        const hash = murmur2(padded, around.length, around.length + key.length);
        assert.equal(hash, murmur2(key, 0, key.length));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("partitionOf() is a partition number when the hash is negative", () => {
  const bytes = encoder.encode("21");
  assert.equal(partitionOf(bytes, 0, bytes.length, 7), (-973932308 & 0x7fffffff) % 7);
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
      const partition = partitionOf(key, 0, key.length, partitions);
      assert.ok(partition >= 0 && partition < partitions);
    }),
    { numRuns: 500 },
  );
});
