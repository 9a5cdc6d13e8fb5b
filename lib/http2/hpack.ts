/**
 * Header compression of HTTP/2 (RFC 7541): decoding with all that a peer may send, encoding with the
 * static table and literals only, so that the encoder has no state to keep in step.
 *
 *     1xxxxxxx  indexed            index (7)
 *     01xxxxxx  literal, indexed   index (6) or 0 and a name; value; put in the table
 *     001xxxxx  table size         (5)
 *     0001xxxx  literal, never     index (4) or 0 and a name; value
 *     0000xxxx  literal            index (4) or 0 and a name; value
 *
 * A string is a length (7) behind a bit that says whether it is in Huffman code, then its bytes. A
 * character here is a byte: names and values are Latin-1 texts.
 */
import { Buffer } from "node:buffer";
import { decodeHuffman } from "./huffman.ts";

/** A header list, in order; names are lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** Thrown when a block breaks the rules: the connection can't go on (COMPRESSION_ERROR). */
export class HpackError extends Error {}

// deno-fmt-ignore
const STATIC_TABLE: readonly (readonly [string, string])[] = [
  [":authority", ""], [":method", "GET"], [":method", "POST"], [":path", "/"],
  [":path", "/index.html"], [":scheme", "http"], [":scheme", "https"], [":status", "200"],
  [":status", "204"], [":status", "206"], [":status", "304"], [":status", "400"],
  [":status", "404"], [":status", "500"], ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"], ["accept-language", ""], ["accept-ranges", ""],
  ["accept", ""], ["access-control-allow-origin", ""], ["age", ""], ["allow", ""],
  ["authorization", ""], ["cache-control", ""], ["content-disposition", ""],
  ["content-encoding", ""], ["content-language", ""], ["content-length", ""],
  ["content-location", ""], ["content-range", ""], ["content-type", ""], ["cookie", ""],
  ["date", ""], ["etag", ""], ["expect", ""], ["expires", ""], ["from", ""], ["host", ""],
  ["if-match", ""], ["if-modified-since", ""], ["if-none-match", ""], ["if-range", ""],
  ["if-unmodified-since", ""], ["last-modified", ""], ["link", ""], ["location", ""],
  ["max-forwards", ""], ["proxy-authenticate", ""], ["proxy-authorization", ""], ["range", ""],
  ["referer", ""], ["refresh", ""], ["retry-after", ""], ["server", ""], ["set-cookie", ""],
  ["strict-transport-security", ""], ["transfer-encoding", ""], ["user-agent", ""], ["vary", ""],
  ["via", ""], ["www-authenticate", ""],
];

/** Size that a table entry counts for beyond its texts (RFC 7541, section 4.1). */
const ENTRY_OVERHEAD = 32;
/** Size of the dynamic table that we allow a peer, bytes: the protocol's default. */
const TABLE_BYTES_MAX = 4_096;

/** Decodes the header blocks of one connection, in their order. */
export class HpackDecoder {
  /** Newest first. */
  readonly #entries: (readonly [string, string])[] = [];
  #bytes = 0;
  #bytesMax = TABLE_BYTES_MAX;
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;

  /**
   * The headers of a block; null when they come to more than `listBytesMax`, counted as the table
   * counts them (the table is kept in step all the same). Throws HpackError.
   */
  decode(block: Uint8Array, listBytesMax: number): HeaderList | null {
    this.#block = block;
    this.#at = 0;
    const headers: (readonly [string, string])[] = [];
    let bytes = 0;
    while (this.#at < block.length) {
      const entry = this.#field(headers.length === 0 && bytes === 0);
      if (entry === null) continue;
      bytes += sizeOf(entry);
      if (bytes <= listBytesMax) headers.push(entry);
    }
    return bytes <= listBytesMax ? headers : null;
  }

  /** The next field; null = a change of the table's size. */
  #field(isFirst: boolean): (readonly [string, string]) | null {
    const byte = this.#block[this.#at];
    if (byte >= 0x80) return this.#entry(this.#integer(7));
    if (byte >= 0x40) {
      const entry = this.#literal(6);
      this.#add(entry);
      return entry;
    }
    if (byte < 0x20) return this.#literal(4);
    if (!isFirst) throw new HpackError("the table's size changes within a block");
    const size = this.#integer(5);
    if (size > TABLE_BYTES_MAX) throw new HpackError("the table is larger than allowed");
    this.#bytesMax = size;
    this.#evict();
    return null;
  }

  #literal(prefixBits: number): readonly [string, string] {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #entry(index: number): readonly [string, string] {
    const entry = index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.#entries[index - STATIC_TABLE.length - 1];
    if (entry === undefined) throw new HpackError(`there is no entry ${index}`);
    return entry;
  }

  #add(entry: readonly [string, string]): void {
    this.#entries.unshift(entry);
    this.#bytes += sizeOf(entry);
    this.#evict();
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) this.#bytes -= sizeOf(this.#entries.pop()!);
  }

  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let scale = 1;; scale *= 128) {
      // Four bytes more are 28 bits: nothing that is counted here is larger.
      if (scale > 128 ** 3) throw new HpackError("an integer is too large");
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const isHuffman = this.#block[this.#at] >= 0x80;
    const length = this.#integer(7);
    const start = this.#at, end = start + length;
    if (end > this.#block.length) throw new HpackError("a string is cut off");
    this.#at = end;
    if (!isHuffman) return latin1(this.#block, start, end);
    const text = decodeHuffman(this.#block, start, end);
    if (text === null) throw new HpackError("a string is not in Huffman code");
    return text;
  }

  #byte(): number {
    if (this.#at >= this.#block.length) throw new HpackError("a block is cut off");
    return this.#block[this.#at++];
  }
}

/** Entries of the static table by name: the first one's index, and all by value. */
const STATIC_ENTRIES = new Map<string, { first: number; byValue: Map<string, number> }>();
STATIC_TABLE.forEach(([name, value], i) => {
  const entry = STATIC_ENTRIES.get(name) ?? { first: i + 1, byValue: new Map() };
  entry.byValue.set(value, i + 1);
  STATIC_ENTRIES.set(name, entry);
});

/** A header block. Throws RangeError on a character beyond Latin-1. */
export function encodeHeaders(headers: HeaderList): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const [name, value] of headers) {
    const entry = STATIC_ENTRIES.get(name);
    const pair = entry?.byValue.get(value);
    if (pair !== undefined) {
      putInteger(bytes, 0x80, 7, pair);
      continue;
    }
    putInteger(bytes, 0, 4, entry?.first ?? 0);
    if (entry === undefined) putString(bytes, name);
    putString(bytes, value);
  }
  return new Uint8Array(bytes);
}

function putString(bytes: number[], text: string): void {
  putInteger(bytes, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError("a header holds a character beyond Latin-1");
    bytes.push(code);
  }
}

function putInteger(bytes: number[], flags: number, prefixBits: number, value: number): void {
  const most = 2 ** prefixBits - 1;
  if (value < most) {
    bytes.push(flags | value);
    return;
  }
  bytes.push(flags | most);
  for (value -= most; value >= 0x80; value = Math.floor(value / 128)) {
    bytes.push(value % 128 | 0x80);
  }
  bytes.push(value);
}

function sizeOf([name, value]: readonly [string, string]): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

/** One flat text: gathered by characters it would take many times the memory. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
