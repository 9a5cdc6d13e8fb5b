/**
 * Numbers and strings as Kafka's protocol writes them (kafka.apache.org/protocol, "Protocol
 * Primitive Types"): big-endian, 64 bits as a JavaScript number, which offsets and times fit into.
 */

const TWO_32 = 2 ** 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Signed, big-endian. */
export function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) >> 16) | bytes[at + 1];
}

/** Signed, big-endian. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** Signed, big-endian; exact up to 2^53. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * TWO_32 + (readInt32(bytes, at + 4) >>> 0);
}

/** Big-endian; readInt16() reads it. */
export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

/** Big-endian; readInt32() reads it. */
export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

/** Big-endian; a whole number up to 2^53 either way. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / TWO_32));
  writeInt32(bytes, at + 4, value >>> 0);
}

/** Bytes of `value` as a zigzag varint of 32 bits. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x200000 ? 3 : zigzag < 2 ** 28 ? 4 : 5;
}

/** Writes a zigzag varint of 32 bits; returns where it ends. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** The bytes of a STRING: its length in 16 bits, then UTF-8. */
export function encodeString(text: string): Uint8Array {
  const utf8 = encoder.encode(text);
  const bytes = new Uint8Array(2 + utf8.length);
  writeInt16(bytes, 0, utf8.length);
  bytes.set(utf8, 2);
  return bytes;
}

/** Reads through a message from front to back. Throws RangeError at its end. */
export class WireReader {
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  int16(): number {
    return readInt16(this.bytes, this.#take(2));
  }

  int32(): number {
    return readInt32(this.bytes, this.#take(4));
  }

  int64(): number {
    return readInt64(this.bytes, this.#take(8));
  }

  string(): string {
    const length = this.int16();
    const start = this.#take(Math.max(0, length));
    return decoder.decode(this.bytes.subarray(start, this.at));
  }

  /** A view of the next `length` bytes. */
  view(length: number): Uint8Array {
    const start = this.#take(length);
    return this.bytes.subarray(start, this.at);
  }

  #take(length: number): number {
    const start = this.at;
    this.at += length;
    if (length < 0 || this.at > this.bytes.length) throw new RangeError("the message is cut off");
    return start;
  }
}
