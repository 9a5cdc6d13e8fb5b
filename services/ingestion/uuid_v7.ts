/**
 * Makes UUIDs of version 7 (RFC 9562, section 5.7) for events that come without an id.
 *
 *     48 bits ms since the epoch | 4 bits 0111 | 12 bits counter | 2 bits 10 | 62 random bits
 *
 * The counter (method 1 of section 6.2) starts anew at random each ms, its first bit 0, and goes up
 * by one for each id within the ms, so that the ids of one batch sort in the order of its events.
 * Random bytes are drawn in large pieces: asking for them one id at a time costs more than all else.
 */

/** Random bytes drawn at once; a multiple of 8. */
const POOL_BYTES = 4096;
const COUNTER_MAX = 0xfff;
const COUNTER_START_MAX = 0x7ff;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Makes ids that only ever go up within one maker. */
export class UuidV7Maker {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #at = POOL_BYTES;
  #ms = -1;
  #counter = 0;

  /** A new id, at the given time in ms since the epoch, or a little later if the clock went back. */
  make(nowMs: number): string {
    if (nowMs > this.#ms) {
      const at = this.#take();
      this.#ms = nowMs;
      this.#counter = (this.#pool[at] | (this.#pool[at + 1] << 8)) & COUNTER_START_MAX;
    } else if (++this.#counter > COUNTER_MAX) {
      this.#ms++;
      this.#counter = 0;
    }
    return this.#write(this.#take());
  }

  /** Where 8 fresh random bytes stand in the pool. */
  #take(): number {
    if (this.#at === POOL_BYTES) {
      crypto.getRandomValues(this.#pool);
      this.#at = 0;
    }
    this.#at += 8;
    return this.#at - 8;
  }

  /** The id with the 8 pool bytes at `at` as its tail. */
  #write(at: number): string {
    const ms = this.#ms;
    const counter = this.#counter;
    const pool = this.#pool;
    const low = ms >>> 0;
    const high = Math.floor(ms / 0x1_0000_0000);
    return HEX[(high >>> 8) & 0xff] + HEX[high & 0xff] + HEX[low >>> 24] +
      HEX[(low >>> 16) & 0xff] + "-" + HEX[(low >>> 8) & 0xff] + HEX[low & 0xff] + "-" +
      HEX[0x70 | (counter >>> 8)] + HEX[counter & 0xff] + "-" +
      HEX[0x80 | (pool[at] & 0x3f)] + HEX[pool[at + 1]] + "-" + HEX[pool[at + 2]] +
      HEX[pool[at + 3]] + HEX[pool[at + 4]] + HEX[pool[at + 5]] + HEX[pool[at + 6]] +
      HEX[pool[at + 7]];
  }
}
