/**
 * Where the rows of each user are, roughly: which blocks of 30,720 rows in log order have any. Rows
 * of a user lie close together, in sessions, so a look into the few blocks that have some spares
 * reading the hashes of all rows (measured on 1.2 M rows, a user with 13 of them: 1.5 ms against
 * 3.8 ms of a core, and the more rows there are, the more).
 *
 * Kept in memory, made from the rows, bounded: when it is full, the older half is forgotten, and
 * rows before `fromSeq` have to be looked through.
 *
 *     table    open addressing, 3 words a slot   user low | user high | last entry + 1 (0 = empty)
 *     entries  2 words each                      entry of the user before it + 1 | block
 */

/** Rows of a block, which are those of a row group. */
export const BLOCK_ROWS = 30_720;

const SLOT_WORDS = 3;
const ENTRY_WORDS = 2;
const SLOTS_MIN = 256;
const ENTRIES_MIN = 256;
const LOAD_MAX = 0.6;
const WORD_BYTES = 4;

/** Rows [fromSeq, toSeq). */
export interface SeqRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export class UserBlocks {
  /** Rows before this are not in it. */
  fromSeq = 0;
  /** Neither are rows from this on. */
  toSeq = 0;
  readonly #bytesMax: number;
  #table = new Uint32Array(SLOT_WORDS * SLOTS_MIN);
  #users = 0;
  #entries = new Uint32Array(ENTRY_WORDS * ENTRIES_MIN);
  #count = 0;
  #isForgetting = false;

  /** @param bytesMax bound of its memory; at least a few KiB */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get byteSize(): number {
    return WORD_BYTES * (this.#table.length + this.#entries.length);
  }

  /** Notes rows, whose sequence numbers are those from `toSeq` on. */
  add(userHash: Uint32Array, count: number): void {
    for (let row = 0; row < count; row++) {
      const block = Math.floor(this.toSeq++ / BLOCK_ROWS);
      this.#note(userHash[2 * row], userHash[2 * row + 1], block);
    }
  }

  /**
   * Where rows of a user below `endSeq` can be, ascending, in at most `rangesMax` ranges; beyond
   * that, ranges are joined where the least lies between them.
   */
  rangesOf(low: number, high: number, endSeq: number, rangesMax: number): SeqRange[] {
    const ranges: { fromSeq: number; toSeq: number }[] = [];
    if (this.fromSeq > 0) ranges.push({ fromSeq: 0, toSeq: this.fromSeq });
    const blocks: number[] = [];
    let entry = this.#table[SLOT_WORDS * this.#slotOf(low, high) + 2];
    for (; entry !== 0; entry = this.#entries[ENTRY_WORDS * (entry - 1)]) {
      blocks.push(this.#entries[ENTRY_WORDS * (entry - 1) + 1]);
    }
    for (const block of blocks.reverse()) {
      append(ranges, block * BLOCK_ROWS, Math.min((block + 1) * BLOCK_ROWS, this.toSeq));
    }
    if (endSeq > this.toSeq) append(ranges, this.toSeq, endSeq);
    while (ranges.length > rangesMax) joinClosest(ranges);
    return ranges.filter(({ fromSeq }) => fromSeq < endSeq);
  }

  #note(low: number, high: number, block: number): void {
    let at = SLOT_WORDS * this.#slotOf(low, high);
    const last = this.#table[at + 2];
    if (last !== 0 && this.#entries[ENTRY_WORDS * (last - 1) + 1] === block) return;
    if (ENTRY_WORDS * this.#count === this.#entries.length) {
      this.#growEntries();
      at = SLOT_WORDS * this.#slotOf(low, high);
    }
    const before = this.#table[at + 2];
    this.#entries[ENTRY_WORDS * this.#count] = before;
    this.#entries[ENTRY_WORDS * this.#count + 1] = block;
    this.#table[at] = low;
    this.#table[at + 1] = high;
    this.#table[at + 2] = ++this.#count;
    if (before === 0 && ++this.#users > LOAD_MAX * this.#table.length / SLOT_WORDS) {
      this.#growTable();
    }
  }

  /** The user's slot, or the empty one where it belongs. */
  #slotOf(low: number, high: number): number {
    const slots = this.#table.length / SLOT_WORDS;
    for (let slot = (low ^ high) & (slots - 1);; slot = (slot + 1) & (slots - 1)) {
      const at = SLOT_WORDS * slot;
      if (this.#table[at + 2] === 0) return slot;
      if (this.#table[at] === low && this.#table[at + 1] === high) return slot;
    }
  }

  /** Makes room for so many words more, if need be. */
  #makeRoom(words: number): void {
    const isFull = this.byteSize + WORD_BYTES * words > this.#bytesMax;
    if (isFull && !this.#isForgetting) this.#forgetOlder();
  }

  #growEntries(): void {
    this.#makeRoom(this.#entries.length);
    if (2 * ENTRY_WORDS * this.#count <= this.#entries.length) return;
    const entries = new Uint32Array(2 * this.#entries.length);
    entries.set(this.#entries);
    this.#entries = entries;
  }

  #growTable(): void {
    this.#makeRoom(this.#table.length);
    if (this.#users <= LOAD_MAX * this.#table.length / SLOT_WORDS) return;
    const before = this.#table;
    this.#table = new Uint32Array(2 * before.length);
    for (let at = 0; at < before.length; at += SLOT_WORDS) {
      if (before[at + 2] === 0) continue;
      const to = SLOT_WORDS * this.#slotOf(before[at], before[at + 1]);
      this.#table.set(before.subarray(at, at + SLOT_WORDS), to);
    }
  }

  /** Forgets the older half of the blocks, and users who have none left. */
  #forgetOlder(): void {
    const first = Math.floor(this.fromSeq / BLOCK_ROWS), end = Math.ceil(this.toSeq / BLOCK_ROWS);
    // The last block stays, whatever it takes.
    if (end - first <= 1) return;
    this.#isForgetting = true;
    const keepFrom = Math.min(end - 1, Math.ceil((first + end) / 2));
    const table = this.#table, entries = this.#entries;
    this.#table = new Uint32Array(SLOT_WORDS * SLOTS_MIN);
    this.#entries = new Uint32Array(ENTRY_WORDS * ENTRIES_MIN);
    this.#users = this.#count = 0;
    this.fromSeq = Math.max(this.fromSeq, keepFrom * BLOCK_ROWS);
    for (let at = 0; at < table.length; at += SLOT_WORDS) {
      const kept: number[] = [];
      for (let entry = table[at + 2]; entry !== 0; entry = entries[ENTRY_WORDS * (entry - 1)]) {
        const block = entries[ENTRY_WORDS * (entry - 1) + 1];
        if (block < keepFrom) break;
        kept.push(block);
      }
      for (const block of kept.reverse()) this.#note(table[at], table[at + 1], block);
    }
    this.#isForgetting = false;
  }
}

/** Adds a range that is not before the last one. */
function append(ranges: { fromSeq: number; toSeq: number }[], fromSeq: number, toSeq: number) {
  const last = ranges.at(-1);
  if (last !== undefined && last.toSeq >= fromSeq) last.toSeq = Math.max(last.toSeq, toSeq);
  else ranges.push({ fromSeq, toSeq });
}

/** Joins the two neighbours that the least lies between. */
function joinClosest(ranges: { fromSeq: number; toSeq: number }[]): void {
  const gap = (index: number) => ranges[index].fromSeq - ranges[index - 1].toSeq;
  let closest = 1;
  for (let index = 2; index < ranges.length; index++) {
    if (gap(index) < gap(closest)) closest = index;
  }
  ranges[closest - 1].toSeq = ranges[closest].toSeq;
  ranges.splice(closest, 1);
}
