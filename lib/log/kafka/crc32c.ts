/**
 * CRC-32C (Castagnoli; RFC 3720, B.4), the checksum of Kafka's record batches: eight bytes a step
 * by eight tables ("slicing-by-8", Kounavis and Berry 2005). node:zlib has only the other CRC-32.
 */

/** Reversed 0x1EDC6F41. */
const POLYNOMIAL = 0x82f63b78;

const tables = makeTables();
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** The checksum of `bytes[start, end)`, an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc = t7[low & 0xff] ^ t6[(low >>> 8) & 0xff] ^ t5[(low >>> 16) & 0xff] ^ t4[low >>> 24] ^
      t3[high & 0xff] ^ t2[(high >>> 8) & 0xff] ^ t1[(high >>> 16) & 0xff] ^ t0[high >>> 24];
  }
  for (; at < end; at++) crc = t0[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** tables[k][b]: what byte b does to the checksum when k further bytes follow it in the step. */
function makeTables(): Int32Array[] {
  const made = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    made[0][byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let k = 1; k < 8; k++) {
      const before = made[k - 1][byte];
      made[k][byte] = made[0][before & 0xff] ^ (before >>> 8);
    }
  }
  return made;
}
