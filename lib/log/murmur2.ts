/**
 * Where an event goes: Kafka's default placement, so that any producer that keys its records by
 * user_id agrees with ours on the partition of a user.
 *
 * MurmurHash2, 32 bit, by Austin Appleby, with the seed and the signedness of the Java client
 * (org.apache.kafka.common.utils.Utils.murmur2). Reads bytes in place and allocates nothing.
 */

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
const SHIFT = 24;

/**
 * Kafka's murmur2 of `bytes[start, end)`.
 * @returns a signed 32-bit integer, as the Java client gives it.
 */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let hash = SEED ^ length;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    let k = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    k = Math.imul(k, MULTIPLIER);
    k ^= k >>> SHIFT;
    k = Math.imul(k, MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ k;
  }
  const rest = end - at;
  if (rest === 3) hash ^= bytes[at + 2] << 16;
  if (rest >= 2) hash ^= bytes[at + 1] << 8;
  if (rest >= 1) hash = Math.imul(hash ^ bytes[at], MULTIPLIER);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/**
 * The partition of the key `bytes[start, end)`.
 * @returns 0 to partitions - 1; the sign bit is cleared as Kafka's Utils.toPositive does.
 */
export function partitionOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  partitions: number,
): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions;
}
