/**
 * Makes UUIDs of version 7 (RFC 9562, section 5.7) for events that come without an id.
 *
 *     48 bits ms since the epoch | 4 bits 0111 | 12 bits counter | 2 bits 10 | 62 random bits
 *
 * The counter (method 1 of section 6.2) starts anew at random each ms, its first bit 0, and goes up
 * by one for each id within the ms, so that the ids of one batch sort in the order of its events.
 * Random bytes are drawn in large pieces: asking for them one id at a time costs more than all else.
 */
import { asciiText } from "../../lib/event/ascii_text.ts";

/** Random bytes drawn at once; a multiple of 8. */
const POOL_BYTES = 4096;
const COUNTER_MAX = 0xfff;
const COUNTER_START_MAX = 0x7ff;

/** Length of an id, characters. */
const ID_CHARS = 36;
const DASH = 0x2d;
const HEX = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

/** Makes ids that only ever go up within one maker. */
export class UuidV7Maker {
  readonly #pool = new Uint8Array(POOL_BYTES);
  readonly #text = new Uint8Array(ID_CHARS);
  #at = POOL_BYTES;
  #ms = -1;
  #counter = 0;

  /** A new id, at the given time in ms since the epoch, or a little later if the clock went back. */
  make(nowMs: number): string {
    this.write(nowMs, this.#text, 0);
    return asciiText(this.#text, 0, ID_CHARS);
  }

  /** Writes the id that make() would give into `target` at `at`; gives the index after it. */
  write(nowMs: number, target: Uint8Array, at: number): number {
    if (nowMs > this.#ms) {
      const random = this.#take();
      this.#ms = nowMs;
      this.#counter = (this.#pool[random] | (this.#pool[random + 1] << 8)) & COUNTER_START_MAX;
    } else if (++this.#counter > COUNTER_MAX) {
      this.#ms++;
      this.#counter = 0;
    }
    return this.#write(this.#take(), target, at);
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

  /** The id with the 8 pool bytes at `random` as its tail. */
  #write(random: number, target: Uint8Array, at: number): number {
    const pool = this.#pool, counter = this.#counter;
    const low = this.#ms >>> 0;
    const high = Math.floor(this.#ms / 0x1_0000_0000);
    at = hex(high >>> 8, target, at);
    at = hex(high, target, at);
    at = hex(low >>> 24, target, at);
    at = hex(low >>> 16, target, at);
    target[at++] = DASH;
    at = hex(low >>> 8, target, at);
    at = hex(low, target, at);
    target[at++] = DASH;
    at = hex(0x70 | (counter >>> 8), target, at);
    at = hex(counter, target, at);
    target[at++] = DASH;
    at = hex(0x80 | (pool[random] & 0x3f), target, at);
    at = hex(pool[random + 1], target, at);
    target[at++] = DASH;
    for (let i = 2; i < 8; i++) at = hex(pool[random + i], target, at);
    return at;
  }
}

/** Writes the lowest eight bits as two digits. */
function hex(byte: number, target: Uint8Array, at: number): number {
  target[at] = HEX[byte >>> 4 & 0xf];
  target[at + 1] = HEX[byte & 0xf];
  return at + 2;
}
