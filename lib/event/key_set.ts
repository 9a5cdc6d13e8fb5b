/**
 * Keys of one JSON object, as byte ranges: finds a key that comes twice, without allocation.
 */

/** Byte comparisons of equal-looking keys per object; beyond it `add` gives up. */
const COMPARES_MAX = 64;

/**
 * A set of at most `keysMax` keys without escapes. A cheap 32-bit hash of length and three bytes
 * sorts nearly all pairs out, and one 32-bit word of seen hashes nearly all look-ups; the rest are
 * compared byte by byte, so the answer is exact.
 */
export class KeySet {
  #count = 0;
  #compares = 0;
  /** One bit per hash seen, mixed down to 5 bits. */
  #seen = 0;
  readonly #hashes: Int32Array;
  readonly #starts: Int32Array;

  constructor(readonly keysMax: number) {
    this.#hashes = new Int32Array(keysMax);
    this.#starts = new Int32Array(keysMax);
  }

  /** Forgets all keys. */
  clear(): void {
    this.#count = 0;
    this.#compares = 0;
    this.#seen = 0;
  }

  /**
   * Adds the key bytes[start, end). False when it is there already, when the set is full, or when
   * telling keys apart gets too costly (keys made to look alike).
   */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const count = this.#count;
    if (count === this.keysMax) return false;
    const length = end - start;
    const hash = length ^ (bytes[start] << 8) ^ (bytes[start + (length >> 1)] << 16) ^
      (bytes[end - 1] << 24);
    const bit = 1 << (Math.imul(hash, 0x9e3779b1) >>> 27);
    if ((this.#seen & bit) !== 0 && this.#has(bytes, start, length, hash)) return false;
    this.#seen |= bit;
    this.#hashes[count] = hash;
    this.#starts[count] = start;
    this.#count = count + 1;
    return true;
  }

  #has(bytes: Uint8Array, start: number, length: number, hash: number): boolean {
    for (let index = 0; index < this.#count; index++) {
      if (this.#hashes[index] !== hash) continue;
      if (++this.#compares > COMPARES_MAX) return true;
      const other = this.#starts[index];
      let same = 0;
      // Keys hold no quote, so the other one ends here exactly when a quote follows.
      while (same < length && bytes[other + same] === bytes[start + same]) same++;
      if (same === length && bytes[other + length] === 0x22) return true;
    }
    return false;
  }
}
