/** Frames from a connection's bytes: reads what has come into one buffer, gives frames in place. */
import { FLAG_PADDED, FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from "./frames.ts";

/** Bytes that come in. */
export interface ByteSource {
  /** Bytes read into `buffer`, null = the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

const BUFFER_BYTES_MAX = 4 * (FRAME_BYTES_MAX + FRAME_HEADER_BYTES);
/** Of a connection that has not said much. */
const BUFFER_BYTES_MIN = 2_048;

/** Thrown when a frame is longer or shorter than allowed (FRAME_SIZE_ERROR). */
export class WrongFrameSize extends Error {}

/** Thrown when a frame has more padding than bytes (PROTOCOL_ERROR). */
export class WrongPadding extends Error {}

export class FrameReader {
  /** The frame that next() found; `payload` is good until the next call. */
  type = 0;
  flags = 0;
  streamId = 0;
  payload: Uint8Array = new Uint8Array(0);
  readonly #source: ByteSource;
  #buffer = new Uint8Array(BUFFER_BYTES_MIN);
  #start = 0;
  #end = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The first `length` bytes; null when there are not so many. */
  async take(length: number): Promise<Uint8Array | null> {
    while (this.#end - this.#start < length) {
      if (!await this.#fill()) return null;
    }
    this.#start += length;
    return this.#buffer.subarray(this.#start - length, this.#start);
  }

  /** Whether a whole frame has come already, and is taken. Throws WrongFrameSize. */
  takeNext(): boolean {
    const buffer = this.#buffer, at = this.#start;
    if (this.#end - at < FRAME_HEADER_BYTES) return false;
    const length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2];
    if (length > FRAME_BYTES_MAX) throw new WrongFrameSize();
    const from = at + FRAME_HEADER_BYTES;
    if (this.#end - from < length) return false;
    this.type = buffer[at + 3];
    this.flags = buffer[at + 4];
    this.streamId = (buffer[at + 5] & 0x7f) << 24 | buffer[at + 6] << 16 | buffer[at + 7] << 8 |
      buffer[at + 8];
    this.payload = buffer.subarray(from, from + length);
    this.#start = from + length;
    return true;
  }

  /**
   * Where the payload lies between what precedes it, `skipped` bytes, and its padding. Throws
   * WrongFrameSize, WrongPadding.
   */
  unpadded(skipped: number): [from: number, to: number] {
    const { flags, payload } = this;
    const isPadded = (flags & FLAG_PADDED) !== 0;
    const from = skipped + (isPadded ? 1 : 0);
    const to = payload.length - (isPadded ? payload[0] ?? 0 : 0);
    if (from > payload.length) throw new WrongFrameSize();
    if (to < from) throw new WrongPadding();
    return [from, to];
  }

  /** Waits for more bytes; false = there are none. */
  more(): Promise<boolean> {
    return this.#fill();
  }

  async #fill(): Promise<boolean> {
    if (this.#end === this.#buffer.length && this.#buffer.length < BUFFER_BYTES_MAX) {
      // It came full: there is more where that came from.
      const buffer = new Uint8Array(BUFFER_BYTES_MAX);
      buffer.set(this.#buffer.subarray(this.#start, this.#end));
      this.#end -= this.#start;
      this.#start = 0;
      this.#buffer = buffer;
    } else if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    return true;
  }
}
