/**
 * Numbers in bytes for encoded sketches: doubles, and whole numbers in as few bytes as they need.
 *
 * A varint holds 7 bits a byte, the lowest first; the top bit says that another byte follows
 * (LEB128, as in DWARF and Protocol Buffers). Whole numbers go up to 2^53 - 1.
 */
import { SketchError } from "./sketch_error.ts";

/** Grows as it is written to; meant to be used again and again, since making one costs more. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Forgets what was written. */
  begin(): void {
    this.#length = 0;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Little endian. */
  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * this.#bytes.length);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Reads what a ByteWriter wrote. Throws SketchError where the bytes end or are no varint. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    if (this.done) throw new SketchError("the encoded sketch is cut short");
    return this.#bytes[this.#at++];
  }

  double(): number {
    if (this.#at + 8 > this.#bytes.length) {
      throw new SketchError("the encoded sketch is cut short");
    }
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8);
    this.#at += 8;
    return view.getFloat64(0, true);
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 53; factor *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && factor > 1)) break;
        return value;
      }
    }
    throw new SketchError("the encoded sketch holds a number that is none");
  }
}
