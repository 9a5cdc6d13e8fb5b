/**
 * The sparse half of HyperLogLog: sets of 64-bit hashes as pairs of words, in tables of open
 * addressing, or packed.
 *
 *     table    | lo hi | 0 0 | lo hi | lo hi | 0 0 | ...     0, 0 is an empty place; at most 3 of 4 are taken
 *     packed   | lo hi | lo hi | lo hi |                     to be read only
 *
 * Questions merge hundreds of small sets, whose memory is rarely in the processor's cache: packed they
 * are half as much of it, and nothing has to be asked of each place.
 */

const TABLE_SLOTS_MIN = 8;
/** Slots of the largest table, for 2,048 hashes. */
const TABLE_SLOTS_MAX = 4096;

/** Tables of TABLE_SLOTS_MAX that are not used any more, with what they held. */
const spareTables: Int32Array<ArrayBuffer>[] = [];
/** As many are kept, 32 KiB each. */
const SPARE_TABLES_MAX = 8;

/** Where hashes are looked at for one that stands twice. */
const seen = new Int32Array(2 * TABLE_SLOTS_MAX);

/** Slots of the smallest table that holds so many hashes. */
export function slotsFor(count: number): number {
  let slots = TABLE_SLOTS_MIN;
  while (count * 4 > slots * 3) slots *= 2;
  return slots;
}

/** An empty table. */
export function takeTable(slots: number): Int32Array<ArrayBuffer> {
  const spare = slots === TABLE_SLOTS_MAX ? spareTables.pop() : undefined;
  return spare?.fill(0) ?? new Int32Array(2 * slots);
}

/** Keeps a table that is not used any more for the next one that needs to be so large. */
export function keepTable(table: Int32Array<ArrayBuffer>): void {
  if (table.length !== 2 * TABLE_SLOTS_MAX || spareTables.length >= SPARE_TABLES_MAX) return;
  spareTables.push(table);
}

/** Puts hashes, all different, into a table that has none of them and room for all. */
export function moveTo(table: Int32Array, pairs: Int32Array): void {
  const mask = table.length - 1;
  for (let from = 0; from < pairs.length; from += 2) {
    const low = pairs[from];
    const high = pairs[from + 1];
    if ((low | high) === 0) continue;
    let slot = (low << 1) & mask;
    while ((table[slot] | table[slot + 1]) !== 0) slot = (slot + 2) & mask;
    table[slot] = low;
    table[slot + 1] = high;
  }
}

/** The hashes of a table, of which there are `count`. */
export function packTable(table: Int32Array, count: number): Int32Array<ArrayBuffer> {
  const packed = new Int32Array(2 * count);
  let at = 0;
  for (let slot = 0; slot < table.length; slot += 2) {
    if ((table[slot] | table[slot + 1]) === 0) continue;
    packed[at++] = table[slot];
    packed[at++] = table[slot + 1];
  }
  return packed;
}

/** Whether none of the hashes, 2,048 at most, is 0, 0 and none stands twice. */
export function areDifferent(hashes: Int32Array): boolean {
  const table = seen.subarray(0, 2 * slotsFor(hashes.length / 2)).fill(0);
  const mask = table.length - 1;
  for (let at = 0; at < hashes.length; at += 2) {
    const low = hashes[at];
    const high = hashes[at + 1];
    if ((low | high) === 0) return false;
    let slot = (low << 1) & mask;
    while ((table[slot] | table[slot + 1]) !== 0) {
      if (table[slot] === low && table[slot + 1] === high) return false;
      slot = (slot + 2) & mask;
    }
    table[slot] = low;
    table[slot + 1] = high;
  }
  return true;
}
