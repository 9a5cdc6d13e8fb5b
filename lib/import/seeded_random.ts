/**
 * SeededRandom: numbers that look random and are the same for the same seed, on every machine.
 *
 * sfc32, "Small Fast Counting", by Chris Doty-Humphrey (PractRand, 2010; public domain): 96 bits of
 * state and a 32-bit counter, so that no seed has a period below 2^32. Not cryptographic.
 */

/** Rounds after which the state no longer shows how close two seeds were. */
const warmUpRounds = 15;
const TWO_TO_32 = 4_294_967_296;

/** A stream of numbers. Other seeds give streams that have nothing to do with each other. */
export class SeededRandom {
  /** a, b, c, counter. A typed array, because fields that outgrow 31 bits would be boxed. */
  readonly #state: Int32Array;

  /** @param seed a whole number from 0 to 2^53 - 1 */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`a seed is a whole number from 0 to 2^53 - 1, not ${seed}`);
    }
    this.#state = Int32Array.of(seed | 0, Math.floor(seed / TWO_TO_32) | 0, 0x9e3779b9, 1);
    for (let round = 0; round < warmUpRounds; round++) this.nextUint32();
  }

  /** The next number, 0 to 2^32 - 1. */
  nextUint32(): number {
    const state = this.#state;
    const [a, b, c] = [state[0], state[1], state[2]];
    const sum = (a + b + state[3]++) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** The next number in [0, 1), of 2^32 equally likely ones. */
  next(): number {
    return this.nextUint32() / TWO_TO_32;
  }

  /** A whole number from 0 to `below` - 1; `below` is at most 2^32. */
  below(below: number): number {
    // The bias is below `below` / 2^32: of no account for test data.
    return Math.floor(this.next() * below);
  }
}
