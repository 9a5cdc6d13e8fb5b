/**
 * Unpacks Snappy (github.com/google/snappy/blob/main/format_description.txt), bare as some clients
 * of Kafka write it, or in the frames of the Java client (xerial snappy-java):
 *
 *     0x82 "SNAPPY" 0x00 | i32 version | i32 compatible | block*        big-endian
 *     block:  i32 size | bare Snappy of that size
 */

const FRAME_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const FRAME_HEADER_BYTES = 16;

/**
 * The unpacked bytes.
 * @throws RangeError when they are damaged or more than `bytesMax`.
 */
export function unpackSnappy(packed: Uint8Array, bytesMax: number): Uint8Array {
  if (!FRAME_MAGIC.every((byte, i) => packed[i] === byte)) {
    return unpackBlock(packed, bytesMax);
  }
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const blocks: Uint8Array[] = [];
  let bytes = 0;
  for (let at = FRAME_HEADER_BYTES; at < packed.length;) {
    const size = view.getInt32(at);
    at += 4;
    if (size < 0 || at + size > packed.length) throw new RangeError("a Snappy block is cut off");
    const block = unpackBlock(packed.subarray(at, at + size), bytesMax - bytes);
    blocks.push(block);
    bytes += block.length;
    at += size;
  }
  const unpacked = new Uint8Array(bytes);
  let to = 0;
  for (const block of blocks) {
    unpacked.set(block, to);
    to += block.length;
  }
  return unpacked;
}

function unpackBlock(packed: Uint8Array, bytesMax: number): Uint8Array {
  let at = 0;
  let size = 0;
  for (let shift = 0;; shift += 7) {
    if (shift > 28 || at >= packed.length) throw new RangeError("a Snappy block without a length");
    const byte = packed[at++];
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (size > bytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
  const out = new Uint8Array(size);
  let to = 0;
  while (at < packed.length) {
    const tag = packed[at++];
    if ((tag & 3) === 0) {
      let length = tag >>> 2;
      // 60 to 63: the length stands in 1 to 4 bytes that follow.
      const lengthBytes = length - 59;
      if (lengthBytes > 0) {
        length = littleEndian(packed, at, lengthBytes);
        at += lengthBytes;
      }
      length++;
      if (!(at + length <= packed.length && to + length <= size)) {
        throw new RangeError("a literal of a Snappy block is cut off");
      }
      out.set(packed.subarray(at, at + length), to);
      at += length;
      to += length;
      continue;
    }
    const kind = tag & 3;
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const offsetBytes = kind === 3 ? 4 : kind;
    const high = kind === 1 ? (tag >>> 5) << 8 : 0;
    const distance = high + littleEndian(packed, at, offsetBytes);
    at += offsetBytes;
    copyWithin(out, to, distance, length, size);
    to += length;
  }
  if (to !== size) throw new RangeError("a Snappy block is shorter than it says");
  return out;
}

function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? NaN);
  return value;
}

/** Repeats what lies `distance` back; byte by byte, since it may overlap what is written. */
function copyWithin(
  out: Uint8Array,
  to: number,
  distance: number,
  length: number,
  size: number,
): void {
  let from = to - distance;
  if (!(distance > 0 && from >= 0 && to + length <= size)) {
    throw new RangeError("a copy of a Snappy block points nowhere");
  }
  if (distance >= length) out.copyWithin(to, from, from + length);
  else for (const end = to + length; to < end;) out[to++] = out[from++];
}
