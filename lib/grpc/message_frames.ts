/**
 * Messages on a stream of gRPC: a byte that says whether it is compressed, four bytes of length, the
 * message. Compression is gzip or none.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { BODY_READ_MS_MAX } from "../config/limits.ts";
import { ProblemError } from "../http/problem.ts";
import { ChunkList } from "../http2/chunk_list.ts";
import { HeldBytes } from "./held_bytes.ts";

export const MESSAGE_PREFIX_BYTES = 5;
/** Shorter messages are not compressed: that would make them longer. */
const COMPRESS_BYTES_MIN = 1_024;

/** Where bytes come from: Http2Stream. */
export interface ChunkSource {
  read(): Promise<Uint8Array | null>;
  /** What read() would give at once; most messages are here when they are asked for. */
  readNow?(): Uint8Array | undefined;
}

export interface MessageReaderOptions {
  /** Whether messages may be compressed. */
  readonly isGzip: boolean;
  /** Longest message, bytes; after unpacking as well. */
  readonly bytesMax: number;
  /** Where what it holds is counted; default: nowhere that matters. */
  readonly held?: HeldBytes;
  /** Longest time for a message to come once it has begun, ms. */
  readonly messageMsMax?: number;
}

/** Reads the messages of a stream, one at a time. */
export class MessageReader {
  readonly #source: ChunkSource;
  readonly #isGzip: boolean;
  readonly #bytesMax: number;
  readonly #counted: HeldBytes;
  readonly #messageMsMax: number;
  readonly #chunks = new ChunkList();
  #held = 0;

  constructor(source: ChunkSource, options: MessageReaderOptions) {
    this.#source = source;
    this.#isGzip = options.isGzip;
    this.#bytesMax = options.bytesMax;
    this.#counted = options.held ?? new HeldBytes(Infinity);
    this.#messageMsMax = options.messageMsMax ?? BODY_READ_MS_MAX;
  }

  /**
   * The next message; null = the peer has ended. A message is counted until the next one is asked
   * for, or release(). Throws ProblemError (body_too_large, invalid_encoding, invalid_message,
   * overloaded, deadline_exceeded) and what the stream throws.
   *
   * @param mustCome whether the time for it runs already, not only once it has begun
   */
  async next(mustCome = false): Promise<Uint8Array | null> {
    this.release();
    if (this.#chunks.bytes === 0 && !mustCome && !await this.#more(null)) return null;
    const late = new LateMessage(this.#messageMsMax);
    try {
      return await this.#message(late);
    } finally {
      late.clear();
    }
  }

  /** The last message is not needed any more. */
  release(): void {
    this.#hold(0);
  }

  async #message(late: LateMessage): Promise<Uint8Array | null> {
    if (!await this.#gather(MESSAGE_PREFIX_BYTES, late)) {
      if (this.#chunks.bytes > 0) throw new ProblemError("invalid_message", "a message is cut off");
      return null;
    }
    const prefix = this.#chunks.take(MESSAGE_PREFIX_BYTES);
    const isCompressed = prefix[0];
    const length = (prefix[1] << 24 | prefix[2] << 16 | prefix[3] << 8 | prefix[4]) >>> 0;
    if (isCompressed > 1) throw new ProblemError("invalid_message");
    if (length > this.#bytesMax) throw this.#tooLarge();
    if (!await this.#gather(length, late)) {
      throw new ProblemError("invalid_message", "a message is cut off");
    }
    const message = this.#chunks.take(length);
    return isCompressed === 1 ? this.#unpacked(message) : message;
  }

  #unpacked(bytes: Uint8Array): Uint8Array {
    if (!this.#isGzip) {
      throw new ProblemError("invalid_encoding", "grpc-encoding names no compression");
    }
    try {
      const message = gunzipSync(bytes, { maxOutputLength: this.#bytesMax });
      this.#hold(message.length);
      return message;
    } catch (cause) {
      if (cause instanceof ProblemError) throw cause;
      if ((cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw this.#tooLarge();
      throw new ProblemError("invalid_encoding", undefined, { cause });
    }
  }

  #tooLarge(): ProblemError {
    return new ProblemError("body_too_large", `a message has at most ${this.#bytesMax} bytes`);
  }

  /** Reads until there are so many bytes; false = the peer ended before. */
  async #gather(length: number, late: LateMessage): Promise<boolean> {
    while (this.#chunks.bytes < length) {
      if (!await this.#more(late)) return false;
    }
    return true;
  }

  async #more(late: LateMessage | null): Promise<boolean> {
    const chunk = this.#source.readNow?.() ?? await this.#wait(late);
    if (chunk === null) return false;
    this.#chunks.push(chunk);
    this.#hold(this.#chunks.bytes);
    return true;
  }

  #wait(late: LateMessage | null): Promise<Uint8Array | null> {
    const reading = this.#source.read();
    return late === null ? reading : late.before(reading);
  }

  #hold(bytes: number): void {
    if (bytes !== this.#held) this.#held = this.#counted.set(this.#held, bytes);
  }
}

/** The time for one message; a timer is only set once it has to be waited for. */
class LateMessage {
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #late: PromiseWithResolvers<never> | null = null;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** What the read gives, unless the time is over before. */
  before<T>(reading: Promise<T>): Promise<T> {
    if (this.#late === null) {
      const late = this.#late = Promise.withResolvers<never>();
      late.promise.catch(() => {});
      const what = `a message did not arrive within ${this.#ms} ms`;
      this.#timer = setTimeout(
        () => late.reject(new ProblemError("deadline_exceeded", what)),
        this.#ms,
      );
    }
    return Promise.race([reading, this.#late.promise]);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

/** A message with its prefix. */
export function messageFrame(message: Uint8Array, isGzip: boolean): Uint8Array {
  const isCompressed = isGzip && message.length >= COMPRESS_BYTES_MIN;
  const body: Uint8Array = isCompressed ? gzipSync(message) : message;
  const bytes = new Uint8Array(MESSAGE_PREFIX_BYTES + body.length);
  bytes.set(body, writeMessagePrefix(bytes, 0, isCompressed, body.length));
  return bytes;
}

/** Writes the prefix of a message of `length` bytes; gives the index after it. */
export function writeMessagePrefix(
  target: Uint8Array,
  at: number,
  isCompressed: boolean,
  length: number,
): number {
  target[at] = isCompressed ? 1 : 0;
  target[at + 1] = length >>> 24;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 8;
  target[at + 4] = length;
  return at + MESSAGE_PREFIX_BYTES;
}

/** Messages with their prefixes, uncompressed, that are to go out as they are. */
export class MessageFrames {
  constructor(readonly bytes: Uint8Array) {}
}
