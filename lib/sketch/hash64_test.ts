import assert from "node:assert/strict";
import fc from "fast-check";
import { hash64 } from "./hash64.ts";

const TEXT = new TextEncoder().encode("0123456789abcdefghijklmnopqrstuvwxyzäöü");

/** Length of a prefix of TEXT, seed, low word, high word: by the C reference (package mmh3). */
const REFERENCE: readonly [number, number, number, number][] = [
  [0, 0x0, 0x00000000, 0x00000000],
  [0, 0x9747b28c, 0xf7bed5a1, 0x5b576a1c],
  [1, 0x0, 0x0ab2409e, 0xa5eb34f8],
  [1, 0x9747b28c, 0xca016be6, 0x266fc587],
  [2, 0x9747b28c, 0x41f578c2, 0x84ee60ab],
  [3, 0x9747b28c, 0xe0024fcb, 0xce8602e5],
  [4, 0x9747b28c, 0xdeb5aa0f, 0xe958df36],
  [5, 0x9747b28c, 0xb24466ab, 0xac39ba36],
  [7, 0x9747b28c, 0xef86c233, 0xd681b208],
  [8, 0x9747b28c, 0x9a601094, 0xc15f6098],
  [9, 0x9747b28c, 0xbdc878d9, 0xdd6acfcc],
  [11, 0x9747b28c, 0xa40c8cd5, 0x81657149],
  [12, 0x9747b28c, 0x2cbe68ac, 0x537541b9],
  [13, 0x9747b28c, 0x243d842c, 0x25947191],
  [15, 0x0, 0x3c76c46d, 0x4d0818c0],
  [16, 0x0, 0xfb7d4409, 0x36aed30a],
  [17, 0x9747b28c, 0xd4a97abf, 0xa7a0624d],
  [31, 0x0, 0x64ea4b14, 0xb3ac0253],
  [32, 0x9747b28c, 0xf44585a0, 0x12ab2aee],
  [33, 0x9747b28c, 0x5040ec35, 0xa9aae3a8],
  [36, 0x9747b28c, 0xf22a567a, 0x9fdd3a77],
  [42, 0x0, 0x8944d144, 0xe5e25de1],
  [42, 0x9747b28c, 0x0d9d126b, 0x06063a74],
];

function hashOf(bytes: Uint8Array, seed = 0): [number, number] {
  const out = new Uint32Array(2);
  hash64(bytes, 0, bytes.length, seed, out);
  return [out[0], out[1]];
}

Deno.test("hash64() equals MurmurHash3_x86_128 when compared with the reference", () => {
  for (const [length, seed, lo, hi] of REFERENCE) {
    assert.deepEqual(hashOf(TEXT.subarray(0, length), seed), [lo, hi], `length ${length}`);
  }
});

Deno.test("hash64() depends on nothing but the named bytes when they lie inside others", () => {
  const around = fc.uint8Array({ maxLength: 20 });
  fc.assert(
    fc.property(around, fc.uint8Array({ maxLength: 80 }), around, (before, bytes, after) => {
      const all = new Uint8Array([...before, ...bytes, ...after]);
      const out = new Uint32Array(2);
      hash64(all, before.length, before.length + bytes.length, 7, out);
      assert.deepEqual([out[0], out[1]], hashOf(bytes, 7));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("hash64() flips each output bit half of the time when one input bit flips", () => {
  for (const length of [4, 12, 16, 36]) {
    const rounds = 400;
    const flips = new Uint32Array(64);
    let cases = 0;
    for (let round = 0; round < rounds; round++) {
      const bytes = new TextEncoder().encode(`u${round}`.padStart(length, "user-"));
      const [lo, hi] = hashOf(bytes);
      for (let bit = 0; bit < length * 8; bit += 5) {
        bytes[bit >> 3] ^= 1 << (bit & 7);
        const [flippedLo, flippedHi] = hashOf(bytes);
        bytes[bit >> 3] ^= 1 << (bit & 7);
        cases++;
        for (let out = 0; out < 32; out++) {
          flips[out] += ((lo ^ flippedLo) >>> out) & 1;
          flips[32 + out] += ((hi ^ flippedHi) >>> out) & 1;
        }
      }
    }
    // Five standard deviations of a fair coin thrown `cases` times.
    const bound = 5 * Math.sqrt(0.25 / cases);
    flips.forEach((count, out) => {
      const share = count / cases;
      assert.ok(Math.abs(share - 0.5) < bound, `length ${length}, bit ${out}: ${share}`);
    });
  }
});

Deno.test("hash64() gives a million sequential ids no collision and even buckets", () => {
  const ids = 1_000_000;
  const hashes = new BigUint64Array(ids);
  const words = new Uint32Array(hashes.buffer);
  const out = new Uint32Array(2);
  const text = new Uint8Array(24);
  const buckets = { low: new Uint32Array(16384), high: new Uint32Array(16384) };
  for (let id = 0; id < ids; id++) {
    const { written } = new TextEncoder().encodeInto(`user-${id}`, text);
    hash64(text, 0, written, 0, out);
    words[2 * id] = out[0];
    words[2 * id + 1] = out[1];
    buckets.low[out[0] & 16383]++;
    buckets.high[out[1] >>> 18]++;
  }
  hashes.sort();
  let collisions = 0;
  for (let i = 1; i < ids; i++) if (hashes[i] === hashes[i - 1]) collisions++;
  assert.equal(collisions, 0);
  // Chi-square with 16383 degrees of freedom: mean 16383, standard deviation 181.
  for (const [name, counts] of Object.entries(buckets)) {
    const expected = ids / counts.length;
    let chiSquare = 0;
    for (const count of counts) chiSquare += (count - expected) ** 2 / expected;
    assert.ok(Math.abs(chiSquare - 16383) < 5 * 181, `${name}: ${chiSquare}`);
  }
});
