/**
 * Where the frames of a zstd text begin and end (RFC 8878), found without unpacking anything.
 *
 * Needed because node:zlib's one-shot function unpacks the first frame only, and takes a text that
 * breaks off as if it were whole: both would lose events without a word.
 *
 *     frame       magic FD2FB528 | header | block ... last block | checksum, 4 bytes, if flagged
 *     header      descriptor | window, 1 byte unless single segment | dictionary id, 0 1 2 or 4
 *                 | content size, 0 1 2 4 or 8
 *     descriptor  content size flag, bits 7-6 | single segment 5 | checksum 2 | dictionary id 1-0
 *     block       3 bytes, little-endian: size << 3 | type << 1 | last; then the content
 *     skippable   magic 184D2A50 to 5F | size, u32 | content
 */

const ZSTD_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const CHECKSUM_BYTES = 4;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/**
 * Byte ranges [start, end) of the data frames, in order; null when the text is not a row of whole
 * frames, or holds none.
 */
export function zstdFrames(bytes: Uint8Array): [number, number][] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: [number, number][] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) return null;
    const magic = view.getUint32(at, true);
    let end: number;
    if (magic === ZSTD_MAGIC) {
      end = frameEnd(view, at + 4);
      frames.push([at, end]);
    } else if (((magic & SKIPPABLE_MASK) >>> 0) === SKIPPABLE_MAGIC) {
      end = at + 8 + view.getUint32(at + 4, true);
    } else {
      return null;
    }
    if (end < 0 || end > bytes.length) return null;
    at = end;
  }
  return frames.length > 0 ? frames : null;
}

/** End of the frame whose descriptor stands at `at`; -1 when it breaks off or is malformed. */
function frameEnd(view: DataView, at: number): number {
  const length = view.byteLength;
  const descriptor = view.getUint8(at++);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  at += isSingleSegment ? 0 : 1;
  at += DICTIONARY_ID_BYTES[descriptor & 3];
  at += sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag];
  while (at + 3 <= length) {
    const header = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
    const type = (header >> 1) & 3;
    if (type === BLOCK_RESERVED) return -1;
    at += 3 + (type === BLOCK_RLE ? 1 : header >> 3);
    if ((header & 1) !== 0) return at + ((descriptor & 4) !== 0 ? CHECKSUM_BYTES : 0);
  }
  return -1;
}
