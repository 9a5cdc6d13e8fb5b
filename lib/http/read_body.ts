/**
 * Reads request bodies within limits: no body above BODY_BYTES_MAX, packed or unpacked, no more than
 * BODIES_BYTES_MAX in all requests together, and none that takes longer than BODY_READ_MS_MAX.
 *
 * A body whose length is announced is read in one piece; otherwise (`transfer-encoding: chunked`)
 * piece by piece, and given up at the piece that passes the limit. Small announced bodies, the hot
 * path, are neither counted nor timed: they cost little more than their connection.
 */
import {
  BODIES_BYTES_MAX,
  BODY_BYTES_MAX,
  BODY_READ_MS_MAX,
  BODY_SMALL_BYTES,
} from "../config/limits.ts";
import { ProblemError } from "./problem.ts";
import {
  type BodyEncoding,
  bodyEncodingOf,
  joinBytes,
  tooLarge,
  unpackBody,
} from "./unpack_body.ts";

export interface BodyReaderOptions {
  /** Most bytes of one body. */
  readonly bodyBytesMax?: number;
  /** Most bytes of all bodies together. */
  readonly bodiesBytesMax?: number;
  /** Longest time for one body, ms. */
  readonly readMsMax?: number;
}

/** A body that was read. Whoever read it calls release() once its bytes are no longer needed. */
export interface Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

/** Sets how many bytes one request holds. Throws ProblemError `overloaded`. */
type Hold = (bytes: number) => void;

const nothing = () => {};

/** Reads the bodies of one process and counts what they hold. */
export class BodyReader {
  readonly #bodyBytesMax: number;
  readonly #bodiesBytesMax: number;
  readonly #readMsMax: number;
  #heldBytes = 0;

  constructor(options: BodyReaderOptions = {}) {
    this.#bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
    this.#bodiesBytesMax = options.bodiesBytesMax ?? BODIES_BYTES_MAX;
    this.#readMsMax = options.readMsMax ?? BODY_READ_MS_MAX;
  }

  /** Bytes that large bodies hold now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The unpacked body of a request.
   *
   * @throws {ProblemError} body_too_large, overloaded, unsupported_encoding, invalid_encoding, or
   *     invalid_json when the body breaks off or does not arrive in time
   */
  async read(request: Request): Promise<Body> {
    const headers = request.headers;
    const encoding = bodyEncodingOf(headers.get("content-encoding"));
    const length = contentLengthOf(headers);
    if (length > this.#bodyBytesMax) throw tooLarge(this.#bodyBytesMax);
    if (length >= 0 && length <= BODY_SMALL_BYTES && encoding === "identity") {
      try {
        return { bytes: await request.bytes(), release: nothing };
      } catch (cause) {
        throw brokenOff("broke off", cause);
      }
    }
    const hold = this.#newHold();
    try {
      const packed = await this.#readLarge(request, length, hold);
      return { bytes: this.#unpacked(packed, encoding, hold), release: () => hold(0) };
    } catch (error) {
      hold(0);
      throw error;
    }
  }

  #newHold(): Hold {
    let held = 0;
    return (bytes) => {
      const total = this.#heldBytes - held + bytes;
      if (bytes > held && total > this.#bodiesBytesMax) {
        throw new ProblemError("overloaded", "requests under way hold too many bytes; try again");
      }
      this.#heldBytes = total;
      held = bytes;
    };
  }

  #unpacked(packed: Uint8Array<ArrayBuffer>, encoding: BodyEncoding, hold: Hold) {
    if (encoding === "identity") return packed;
    const bytes = unpackBody(packed, encoding, this.#bodyBytesMax);
    hold(bytes.length);
    return bytes;
  }

  /** Reads a body against the clock. */
  async #readLarge(request: Request, length: number, hold: Hold): Promise<Uint8Array<ArrayBuffer>> {
    const late = Promise.withResolvers<never>();
    late.promise.catch(nothing);
    const timer = setTimeout(
      () => late.reject(brokenOff("did not arrive in time")),
      this.#readMsMax,
    );
    try {
      if (length < 0) return await this.#readChunks(request, late.promise, hold);
      hold(length);
      return await Promise.race([arrived(request.bytes()), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readChunks(request: Request, late: Promise<never>, hold: Hold) {
    if (request.body === null) return new Uint8Array(0);
    const reader = request.body.getReader();
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await Promise.race([arrived(reader.read()), late]);
        if (done) break;
        length += value.length;
        if (length > this.#bodyBytesMax) throw tooLarge(this.#bodyBytesMax);
        hold(length);
        chunks.push(value);
      }
    } catch (error) {
      reader.cancel(error).catch(nothing);
      throw error;
    }
    return joinBytes(chunks, length);
  }
}

/** The announced length in bytes; -1 when there is none. */
function contentLengthOf(headers: Headers): number {
  const header = headers.get("content-length");
  if (header === null) return -1;
  const length = Number(header);
  return Number.isSafeInteger(length) && length >= 0 ? length : -1;
}

/** Turns the failure of a connection into a problem: nobody will read it, but it is no fault here. */
async function arrived<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw brokenOff("broke off", cause);
  }
}

function brokenOff(how: string, cause?: unknown): ProblemError {
  return new ProblemError("invalid_json", `the body ${how}`, { cause });
}
