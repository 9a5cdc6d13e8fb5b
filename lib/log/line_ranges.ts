/**
 * Lines that still lie in the buffers they came in: byte ranges to be copied once, straight to where
 * they go, each ended there by a newline. A request fills one such list per partition.
 */

const NEWLINE = 0x0a;

/** An ordered list of lines as byte ranges; clear() makes it ready for the next request. */
export class LineRanges {
  /** Lines in the list. */
  count = 0;
  /** Bytes of all lines once copied, a newline after each included. */
  byteLength = 0;
  readonly #sources: Uint8Array[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** Adds `source[start, end)`, one event without its newline; the bytes must stay until copied. */
  add(source: Uint8Array, start: number, end: number): void {
    this.#sources[this.count] = source;
    this.#starts[this.count] = start;
    this.#ends[this.count] = end;
    this.count++;
    this.byteLength += end - start + 1;
  }

  /** Forgets all lines, and lets go of their buffers. */
  clear(): void {
    this.#sources.length = 0;
    this.count = 0;
    this.byteLength = 0;
  }

  /** Bytes of line `index` once copied. */
  lineBytes(index: number): number {
    return this.#ends[index] - this.#starts[index] + 1;
  }

  /** Bytes of lines `from` up to `to` once copied. */
  bytesOf(from: number, to: number): number {
    if (from === 0 && to === this.count) return this.byteLength;
    let bytes = 0;
    for (let line = from; line < to; line++) bytes += this.lineBytes(line);
    return bytes;
  }

  /** End of the longest run of lines from `from` on that takes at most `bytesMax`; at least one. */
  runEnd(from: number, bytesMax: number): number {
    if (from === 0 && this.byteLength <= bytesMax) return this.count;
    let bytes = this.lineBytes(from);
    let to = from + 1;
    while (to < this.count && (bytes += this.lineBytes(to)) <= bytesMax) to++;
    return to;
  }

  /** Copies lines `from` up to `to` into `target` at `at`; returns where they end. */
  copyInto(from: number, to: number, target: Uint8Array, at: number): number {
    let line = from;
    while (line < to) {
      const source = this.#sources[line];
      const start = this.#starts[line];
      let end = this.#ends[line];
      line++;
      // Lines that follow each other in one NDJSON body are one piece, newlines and all.
      while (
        line < to && this.#sources[line] === source && this.#starts[line] === end + 1 &&
        source[end] === NEWLINE
      ) {
        end = this.#ends[line];
        line++;
      }
      target.set(source.subarray(start, end), at);
      at += end - start;
      target[at++] = NEWLINE;
    }
    return at;
  }
}
