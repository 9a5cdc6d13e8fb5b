/**
 * Bytes as they came, in order. Small pieces are put together, so that a peer that sends single bytes
 * costs about as much memory as it sends, not a hundred times as much.
 */

/** Shorter pieces are copied behind the one before, bytes. */
const SMALL_BYTES = 1_024;
/** Room for small pieces, bytes. */
const GATHERED_BYTES = 4_096;

interface Chunk {
  readonly buffer: Uint8Array;
  start: number;
  end: number;
  /** Whether the buffer was made here and may hold more. */
  readonly isGathered: boolean;
}

export class ChunkList {
  readonly #chunks: Chunk[] = [];
  #bytes = 0;

  /** All that is here, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Buffers that it is kept in. */
  get buffers(): number {
    return this.#chunks.length;
  }

  /** Adds bytes that nobody changes any more. */
  push(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length === 0) return;
    this.#bytes += length;
    const last = this.#chunks.at(-1);
    if (last === undefined || length >= SMALL_BYTES) {
      this.#chunks.push({ buffer: bytes, start: 0, end: length, isGathered: false });
    } else if (last.isGathered && last.end + length <= GATHERED_BYTES) {
      last.buffer.set(bytes, last.end);
      last.end += length;
    } else {
      const buffer = new Uint8Array(GATHERED_BYTES);
      buffer.set(bytes);
      this.#chunks.push({ buffer, start: 0, end: length, isGathered: true });
    }
  }

  /** Takes the first bytes, as many as lie together; undefined = there are none. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#bytes -= chunk.end - chunk.start;
    return chunk.buffer.subarray(chunk.start, chunk.end);
  }

  /** Takes the first `length` bytes, in one piece; there must be so many. */
  take(length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const [first] = this.#chunks;
    if (first.end - first.start >= length) return this.#takePart(first, length);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const [chunk] = this.#chunks;
      const part = this.#takePart(chunk, Math.min(length - at, chunk.end - chunk.start));
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Drops all; gives how many bytes that was. */
  clear(): number {
    const bytes = this.#bytes;
    this.#chunks.length = 0;
    this.#bytes = 0;
    return bytes;
  }

  #takePart(first: Chunk, length: number): Uint8Array {
    const part = first.buffer.subarray(first.start, first.start + length);
    first.start += length;
    this.#bytes -= length;
    if (first.start === first.end) this.#chunks.shift();
    return part;
  }
}
