/**
 * Messages on a stream of gRPC: a byte that says whether it is compressed, four bytes of length, the
 * message. Compression is gzip or none.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { ProblemError } from "../http/problem.ts";

const PREFIX_BYTES = 5;
/** Shorter messages are not compressed: that would make them longer. */
const COMPRESS_BYTES_MIN = 1_024;

/** Where bytes come from: Http2Stream. */
export interface ChunkSource {
  read(): Promise<Uint8Array | null>;
}

/** Reads the messages of a stream, one at a time. */
export class MessageReader {
  readonly #source: ChunkSource;
  readonly #isGzip: boolean;
  readonly #bytesMax: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** @param bytesMax longest message, bytes; after unpacking as well */
  constructor(source: ChunkSource, isGzip: boolean, bytesMax: number) {
    this.#source = source;
    this.#isGzip = isGzip;
    this.#bytesMax = bytesMax;
  }

  /**
   * The next message; null = the peer has ended. Throws ProblemError (body_too_large,
   * invalid_encoding, invalid_message) and what the stream throws.
   */
  async next(): Promise<Uint8Array | null> {
    if (!await this.#gather(PREFIX_BYTES)) {
      if (this.#bytes > 0) throw new ProblemError("invalid_message", "a message is cut off");
      return null;
    }
    const prefix = this.#take(PREFIX_BYTES);
    const isCompressed = prefix[0];
    const length = (prefix[1] << 24 | prefix[2] << 16 | prefix[3] << 8 | prefix[4]) >>> 0;
    if (isCompressed > 1) throw new ProblemError("invalid_message");
    if (length > this.#bytesMax) throw this.#tooLarge();
    if (!await this.#gather(length)) {
      throw new ProblemError("invalid_message", "a message is cut off");
    }
    const message = this.#take(length);
    return isCompressed === 1 ? this.#unpacked(message) : message;
  }

  #unpacked(bytes: Uint8Array): Uint8Array {
    if (!this.#isGzip) {
      throw new ProblemError("invalid_encoding", "grpc-encoding names no compression");
    }
    try {
      return gunzipSync(bytes, { maxOutputLength: this.#bytesMax });
    } catch (cause) {
      if ((cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw this.#tooLarge();
      throw new ProblemError("invalid_encoding", undefined, { cause });
    }
  }

  #tooLarge(): ProblemError {
    return new ProblemError("body_too_large", `a message has at most ${this.#bytesMax} bytes`);
  }

  /** Reads until there are so many bytes; false = the peer ended before. */
  async #gather(length: number): Promise<boolean> {
    while (this.#bytes < length) {
      const chunk = await this.#source.read();
      if (chunk === null) return false;
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
    }
    return true;
  }

  #take(length: number): Uint8Array {
    this.#bytes -= length;
    const [first] = this.#chunks;
    if (length === 0) return new Uint8Array(0);
    if (first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    if (first.length === length) {
      this.#chunks.shift();
      return first;
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const chunk = this.#chunks[0];
      const part = chunk.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    return bytes;
  }
}

/** A message with its prefix. */
export function messageFrame(message: Uint8Array, isGzip: boolean): Uint8Array {
  const isCompressed = isGzip && message.length >= COMPRESS_BYTES_MIN;
  const body: Uint8Array = isCompressed ? gzipSync(message) : message;
  const bytes = new Uint8Array(PREFIX_BYTES + body.length);
  bytes[0] = isCompressed ? 1 : 0;
  bytes[1] = body.length >>> 24;
  bytes[2] = body.length >>> 16;
  bytes[3] = body.length >>> 8;
  bytes[4] = body.length;
  bytes.set(body, PREFIX_BYTES);
  return bytes;
}
