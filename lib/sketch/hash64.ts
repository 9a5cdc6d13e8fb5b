/**
 * hash64: the 64-bit hash of ids that the sketches and the dedup index work with.
 *
 * The first 64 of the 128 bits of MurmurHash3_x86_128 by Austin Appleby (public domain, SMHasher
 * project), which mixes in 32-bit words: the widest that JavaScript multiplies without BigInt. Not
 * cryptographic: who knows the seed can make ids that collide.
 *
 *     id -> 16-byte blocks -> four lanes h1 h2 h3 h4 -> finalised -> lo = h1, hi = h2
 *
 * Hashes are stored, inside sketches and dedup state: this function must never change its answers.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

/**
 * Hashes bytes[start .. end) into out[0] (low 32 bits) and out[1] (high 32 bits), without
 * allocating.
 *
 * @param seed 32 bits; other seeds give independent hashes
 */
export function hash64(
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: number,
  out: Uint32Array,
): void {
  let h1 = seed | 0, h2 = h1, h3 = h1, h4 = h1;
  const length = end - start;
  const blocksEnd = start + (length & ~15);
  let at = start;
  for (; at < blocksEnd; at += 16) {
    h1 ^= mix1(word(bytes, at));
    h1 = (Math.imul(rotl(h1, 19) + h2 | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= mix2(word(bytes, at + 4));
    h2 = (Math.imul(rotl(h2, 17) + h3 | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= mix3(word(bytes, at + 8));
    h3 = (Math.imul(rotl(h3, 15) + h4 | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= mix4(word(bytes, at + 12));
    h4 = (Math.imul(rotl(h4, 13) + h1 | 0, 5) + 0x32ac3b17) | 0;
  }
  // The rest, at most 15 bytes: a lane whose bytes are all missing is left as it is, and mixing a
  // zero word changes nothing, so whole and partial words can be treated alike.
  if (at < end) h1 ^= mix1(wordBefore(bytes, at, end));
  if (at + 4 < end) h2 ^= mix2(wordBefore(bytes, at + 4, end));
  if (at + 8 < end) h3 ^= mix3(wordBefore(bytes, at + 8, end));
  if (at + 12 < end) h4 ^= mix4(wordBefore(bytes, at + 12, end));

  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = avalanche((h2 + h1) | 0);
  h3 = avalanche((h3 + h1) | 0);
  h4 = avalanche((h4 + h1) | 0);
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
  out[0] = h1;
  out[1] = h2 + h1;
}

function rotl(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function mix1(k: number): number {
  return Math.imul(rotl(Math.imul(k, C1), 15), C2);
}

function mix2(k: number): number {
  return Math.imul(rotl(Math.imul(k, C2), 16), C3);
}

function mix3(k: number): number {
  return Math.imul(rotl(Math.imul(k, C3), 17), C4);
}

function mix4(k: number): number {
  return Math.imul(rotl(Math.imul(k, C4), 18), C1);
}

/** Murmur3's fmix32: each bit of the input changes each bit of the output half of the time. */
function avalanche(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Four bytes, little endian. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

/** Up to four bytes before `end`, little endian, missing ones 0. */
function wordBefore(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return word(bytes, at);
  let value = bytes[at];
  if (at + 1 < end) value |= bytes[at + 1] << 8;
  if (at + 2 < end) value |= bytes[at + 2] << 16;
  return value;
}
