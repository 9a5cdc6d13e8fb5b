/**
 * The dense half of HyperLogLog: 2^14 registers of one byte, and the estimate from them.
 *
 *     hash, 64 bits    | hi: 14 bits register | 18 bits |   lo: 32 bits   |
 *                                             |---------------------------|
 *                                             rank: leading zeros of these 50 bits, plus 1
 *
 * A register keeps the highest rank of the hashes that fell to it: 0 = none yet, at most 51.
 * Merging is the maximum register by register, so the order and number of merges never matter.
 *
 * Sources: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal
 * cardinality estimation algorithm", 2007; 64-bit hashes and no large-range correction: Heule,
 * Nunkesser, Hall, "HyperLogLog in practice", 2013; the estimator: Otmar Ertl, "New cardinality
 * estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, 2017, algorithm 6, which needs
 * neither tables of bias nor a switch to linear counting.
 */

/** How many registers: 2^14, for a standard error of 1.04 / sqrt(2^14) = 0.81 %. */
export const REGISTERS = 16384;
/** The same as 32-bit words. */
export const REGISTER_WORDS = REGISTERS / 4;
/** Highest value of a register: all 50 bits after the register's number are zero. */
export const RANK_MAX = 51;

const RANK_BITS = 50;
/** 1 / (2 ln 2), the limit of the paper's constant for many registers. */
const ALPHA = 0.5 / Math.LN2;
/** The top bit of each of a word's four bytes. */
const TOP_BITS = 0x80808080 | 0;
/** Carries a byte over into its top bit if it is above RANK_MAX. */
const OVER_RANK_MAX = 0x01010101 * (0x7f - RANK_MAX);

/** The register that a hash belongs to, from its high word. */
export function registerOf(hi: number): number {
  return hi >>> 18;
}

/** The rank of a hash, 1 .. 51. */
export function rankOf(lo: number, hi: number): number {
  const upper = hi << 14;
  return upper !== 0 ? Math.clz32(upper) + 1 : Math.clz32(lo) + 19;
}

/**
 * Raises each register of `target` to that of `source`; both as words of four registers.
 * Four words a turn: half the time of one, and kept as a function of its own by the compiler.
 */
export function raiseRegisters(target: Int32Array, source: Int32Array): void {
  for (let i = 0; i < REGISTER_WORDS; i += 4) {
    target[i] = higherBytes(target[i], source[i]);
    target[i + 1] = higherBytes(target[i + 1], source[i + 1]);
    target[i + 2] = higherBytes(target[i + 2], source[i + 2]);
    target[i + 3] = higherBytes(target[i + 3], source[i + 3]);
  }
}

/** Raises the registers by hashes from place `from` on, pairs of lo, hi; 0, 0 is none. */
export function raiseByHashes(registers: Uint8Array, table: Int32Array, from: number): void {
  for (let slot = from; slot < table.length; slot += 2) {
    const lo = table[slot];
    const hi = table[slot + 1];
    if ((lo | hi) === 0) continue;
    const rank = rankOf(lo, hi);
    const register = registerOf(hi);
    if (registers[register] < rank) registers[register] = rank;
  }
}

/**
 * The higher of each of four bytes, none of which has its top bit set. (a | 0x80) - b keeps that
 * bit in the bytes where a >= b, and no byte borrows from its neighbour; the other seven bits are
 * a - b there, which added to b gives a.
 */
function higherBytes(a: number, b: number): number {
  const difference = ((a | TOP_BITS) - b) | 0;
  const kept = difference & TOP_BITS;
  return (b + (difference & ((kept - (kept >>> 7)) | 0))) | 0;
}

/** True if no register is above RANK_MAX. */
export function areRegistersSound(words: Int32Array): boolean {
  let seen = 0;
  for (let i = 0; i < REGISTER_WORDS; i += 4) {
    seen |= words[i] | (words[i] + OVER_RANK_MAX) | words[i + 1] | (words[i + 1] + OVER_RANK_MAX) |
      words[i + 2] | (words[i + 2] + OVER_RANK_MAX) | words[i + 3] | (words[i + 3] + OVER_RANK_MAX);
  }
  return (seen & TOP_BITS) === 0;
}

/** The estimated number of distinct hashes, not rounded. */
export function estimateFromRegisters(words: Int32Array): number {
  // Each byte of a word has counts of its own, 64 apart: adding to the same one again and again
  // would wait for the memory each time.
  const counts = new Uint32Array(4 * 64);
  for (let i = 0; i < REGISTER_WORDS; i++) {
    const four = words[i];
    counts[four & 63]++;
    counts[64 | ((four >>> 8) & 63)]++;
    counts[128 | ((four >>> 16) & 63)]++;
    counts[192 | ((four >>> 24) & 63)]++;
  }
  for (let rank = 0; rank < 64; rank++) {
    counts[rank] += counts[64 + rank] + counts[128 + rank] + counts[192 + rank];
  }
  let sum = REGISTERS * tau(1 - counts[RANK_MAX] / REGISTERS);
  for (let rank = RANK_BITS; rank >= 1; rank--) sum = 0.5 * (sum + counts[rank]);
  sum += REGISTERS * sigma(counts[0] / REGISTERS);
  return ALPHA * REGISTERS * REGISTERS / sum;
}

/** The paper's sigma: what the empty registers, a share `x` of all, stand for. */
function sigma(share: number): number {
  if (share === 1) return Infinity;
  let x = share;
  let y = 1;
  let z = x;
  for (let before = NaN; z !== before;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

/** The paper's tau: what the registers at their highest value, a share 1 - `x`, stand for. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (let before = NaN; z !== before;) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
