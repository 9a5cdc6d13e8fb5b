/**
 * Memory for the lines that are not in the request's body: those with defaults put in, which are
 * written in place, one after the other, into blocks that the next request uses again.
 */

/** Size of the block that is kept between requests, bytes. */
const BLOCK_BYTES = 256 * 1024;

/** Blocks to write lines into. What was written is good until clear(). */
export class MadeLines {
  readonly #first = new Uint8Array(BLOCK_BYTES);
  /** The block that has room, to be written from `at` on. */
  block: Uint8Array = this.#first;
  at = 0;

  /** Sees to it that `block` has room for `bytes` from `at` on. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.block.length) return;
    this.block = new Uint8Array(Math.max(bytes, BLOCK_BYTES));
    this.at = 0;
  }

  /** Lets go of all but the first block. */
  clear(): void {
    this.block = this.#first;
    this.at = 0;
  }
}
