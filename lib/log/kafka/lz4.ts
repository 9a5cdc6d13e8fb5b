/**
 * Unpacks LZ4 frames, as Kafka's producers write them (LZ4 Frame Format 1.6 and Block Format,
 * github.com/lz4/lz4/blob/dev/doc). Checksums are not looked at: the batch has its own.
 *
 *     u32 magic | u8 FLG | u8 BD | [u64 content size] | [u32 dictionary] | u8 header checksum
 *     block*:  u32 size, top bit = stored | size bytes | [u32 checksum]
 *     u32 0 | [u32 content checksum]                                            little-endian
 */

const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const STORED = 0x80000000;
/** Shortest match; lengths in tokens count from it. */
const MATCH_MIN = 4;
const BYTES_FIRST = 64 * 1024;

/**
 * The content of one frame.
 * @throws RangeError when the frame is damaged or its content longer than `bytesMax`.
 */
export function unpackLz4Frame(packed: Uint8Array, bytesMax: number): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError("no LZ4 frame");
  const flags = view.getUint8(4);
  if ((flags & FLAG_DICTIONARY) !== 0) throw new RangeError("an LZ4 frame with a dictionary");
  let at = 6 + ((flags & FLAG_CONTENT_SIZE) !== 0 ? 8 : 0) + 1;
  const out = new Lz4Output(bytesMax);
  for (;;) {
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) return out.content();
    const size = word & ~STORED;
    const end = at + size;
    if (end > packed.length) throw new RangeError("an LZ4 block is cut off");
    if ((word & STORED) !== 0) out.addStored(packed, at, end);
    else out.addBlock(packed, at, end);
    at = end + ((flags & FLAG_BLOCK_CHECKSUM) !== 0 ? 4 : 0);
  }
}

/** Blocks one after the other in one buffer, since a match may reach back into earlier blocks. */
class Lz4Output {
  #bytes = new Uint8Array(BYTES_FIRST);
  #length = 0;

  constructor(readonly bytesMax: number) {}

  content(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  addStored(packed: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#bytes.set(packed.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  /** Token: 4 bits literals, 4 bits match; 15 = more bytes follow. */
  addBlock(packed: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const token = packed[at++];
      let literals = token >>> 4;
      if (literals === 15) {
        let more;
        do literals += more = packed[at++]; while (more === 255);
      }
      if (!(at + literals <= end)) throw new RangeError("literals of an LZ4 block are cut off");
      this.addStored(packed, at, at + literals);
      at += literals;
      if (at >= end) return; // the last sequence has no match
      const distance = packed[at] | (packed[at + 1] << 8);
      at += 2;
      let length = token & 15;
      if (length === 15) {
        let more;
        do length += more = packed[at++]; while (more === 255);
      }
      if (!(at <= end && length <= this.bytesMax)) {
        throw new RangeError("a match of an LZ4 block is cut off");
      }
      this.#copyMatch(distance, length + MATCH_MIN);
    }
  }

  #copyMatch(distance: number, length: number): void {
    let from = this.#length - distance;
    if (distance === 0 || from < 0) throw new RangeError("a match of an LZ4 block points nowhere");
    this.#reserve(length);
    const bytes = this.#bytes;
    // Byte by byte where source and target overlap: what was just written is repeated.
    if (distance >= length) bytes.copyWithin(this.#length, from, from + length);
    else for (let to = this.#length, end = to + length; to < end;) bytes[to++] = bytes[from++];
    this.#length += length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (!(needed <= this.bytesMax)) throw new RangeError(`more than ${this.bytesMax} bytes`);
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.bytesMax, Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.content());
    this.#bytes = grown;
  }
}
