/**
 * UnpackedReader: reads the unpacked bytes of a file once, from the front, and can say the SHA-256
 * of everything up to the place it was told to release. The digest is what a checkpoint knows its place by: rows may
 * only be passed over if the bytes before that place are the same as then.
 */
import { createHash } from "node:crypto";
import { type ImportSource, SourceStream } from "./import_source.ts";

/** One pass over the source. Close it. */
export class UnpackedReader {
  readonly #stream: SourceStream;
  readonly #chunks: AsyncGenerator<Uint8Array, void, void>;
  readonly #hash = createHash("sha256");
  /** Bytes that are in the hash. */
  #hashed = 0;
  /** Read, but not in the hash yet. */
  #waiting: Uint8Array[] = [];
  /** What `skip` read beyond its goal. */
  #rest: Uint8Array | null = null;

  constructor(source: ImportSource) {
    this.#stream = new SourceStream(source.path, source.gzip);
    this.#chunks = this.#stream.chunks();
  }

  /** Bytes on disk read so far, for a progress bar. */
  get fileBytesRead(): number {
    return this.#stream.fileBytesRead;
  }

  /** Passes over the first `bytes` and gives their digest; null when there are fewer. */
  async skip(bytes: number): Promise<string | null> {
    while (this.#hashed < bytes) {
      const { value, done } = await this.#chunks.next();
      if (done) return null;
      const part = value.subarray(0, bytes - this.#hashed);
      this.#hash.update(part);
      this.#hashed += part.length;
      if (part.length < value.length) this.#rest = value.subarray(part.length);
    }
    return this.digest();
  }

  /** The chunks after what was skipped. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#rest !== null) {
      this.#waiting.push(this.#rest);
      yield this.#rest;
    }
    for await (const chunk of this.#chunks) {
      this.#waiting.push(chunk);
      yield chunk;
    }
  }

  /** Takes the first `offset` bytes into the digest, and lets go of them. Never goes back. */
  release(offset: number): void {
    while (this.#hashed < offset) {
      const chunk = this.#waiting[0];
      const part = chunk.subarray(0, offset - this.#hashed);
      this.#hash.update(part);
      this.#hashed += part.length;
      if (part.length === chunk.length) this.#waiting.shift();
      else this.#waiting[0] = chunk.subarray(part.length);
    }
  }

  /** Hex SHA-256 of the bytes that were skipped or released. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#chunks.return();
  }
}
