/**
 * Memory for lines of one partition that are not in the request's body: they are written in place,
 * one after the other with newlines between, so that those of a request are copied to the log in
 * one piece. The next request uses it again.
 */

/** Size of the first block, bytes; it is made when it is needed. */
const BLOCK_BYTES_MIN = 32 * 1024;
/** Size of the largest block that is kept between requests, bytes. */
const BLOCK_BYTES_MAX = 256 * 1024;

/** Blocks to write lines into. What was written is good until clear(). */
export class MadeLines {
  #kept: Uint8Array = new Uint8Array(0);
  /** The block that has room, to be written from `at` on. */
  block: Uint8Array = this.#kept;
  at = 0;

  /** Sees to it that `block` has room for `bytes` from `at` on. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.block.length) return;
    const grown = Math.min(2 * this.block.length, BLOCK_BYTES_MAX);
    this.block = new Uint8Array(Math.max(bytes, BLOCK_BYTES_MIN, grown));
    this.at = 0;
    if (this.block.length > this.#kept.length && this.block.length <= BLOCK_BYTES_MAX) {
      this.#kept = this.block;
    }
  }

  /** Lets go of all blocks but the one that is kept. */
  clear(): void {
    this.block = this.#kept;
    this.at = 0;
  }
}
