/**
 * HyperLogLog: how many different hashes were added, in bounded memory, mergeable.
 *
 * Up to SPARSE_MAX different hashes it is the set of them, and its answer is exact. Beyond, it
 * turns into 2^14 registers (hyperloglog_registers.ts) with a standard error of 0.81 %. Which of
 * the two it is depends on the hashes alone, not on the order or grouping they came in, so parts
 * merged give exactly what the whole would.
 *
 * Encoded, all numbers little endian:
 *
 *     +------------+---------+--------+-----------+------------------------------------------+
 *     | u8 version | u8 form | u16 0  | u32 count | sparse: count x (u32 lo, u32 hi)         |
 *     |            |         |        |           | dense:  count = 16384 x u8 register      |
 *     +------------+---------+--------+-----------+------------------------------------------+
 *
 * There are many thousands of these at once, one or two to a rollup cell, most of them with a few
 * users: an empty one holds no table, the first table has 8 places. What was decoded, and what is
 * only to be read, is packed: its hashes without the empty places of a table, until one is added.
 */
import {
  areRegistersSound,
  estimateFromRegisters,
  raiseByHashes,
  raiseRegisters,
  rankOf,
  REGISTER_WORDS,
  registerOf,
  REGISTERS,
} from "./hyperloglog_registers.ts";
import {
  areDifferent,
  keepTable,
  moveTo,
  packTable,
  slotsFor,
  takeTable,
} from "./hyperloglog_hashes.ts";
import { SketchError } from "./sketch_error.ts";

/** As many different hashes are kept and counted exactly. */
export const SPARSE_MAX = 2048;

const VERSION = 1;
const FORM_SPARSE = 0;
const FORM_DENSE = 1;
const HEADER_BYTES = 8;
/** Memory of this object without its arrays, and of a typed array without its content. */
const OBJECT_BYTES = 64;
const ARRAY_BYTES = 120;

/** Where registers are brought to that lie unaligned in encoded bytes. */
const aligned = new Int32Array(REGISTER_WORDS);

/** Registers of released sketches, with what they held. */
const spare: Uint8Array<ArrayBuffer>[] = [];
/** As many are kept. */
const SPARE_MAX = 16;

/** A count of distinct 64-bit hashes; see the module's comment. */
export class HyperLogLog {
  /** Sparse: pairs of lo, hi by open addressing; 0, 0 is an empty place. */
  #table: Int32Array<ArrayBuffer> | null = null;
  /** Sparse: in place of a table, as many pairs as there are hashes; never changed, so shared. */
  #packed: Int32Array<ArrayBuffer> | null = null;
  /** Sparse: how many hashes, the one that is 0, 0 included. */
  #count = 0;
  /** Sparse: the hash 0, 0 was added, which the table cannot hold. */
  #hasZero = false;
  /** Dense: the registers; null as long as this is sparse. */
  #registers: Uint8Array<ArrayBuffer> | null = null;
  /** Dense: the last estimate, or -1 when registers have changed since. */
  #estimate = -1;

  /** True as long as estimate() is exact. */
  get exact(): boolean {
    return this.#registers === null;
  }

  /** Memory in bytes, about. */
  get byteSize(): number {
    if (this.#registers !== null) return OBJECT_BYTES + ARRAY_BYTES + REGISTERS;
    const pairs = this.#pairs;
    return OBJECT_BYTES + (pairs === null ? 0 : ARRAY_BYTES + pairs.byteLength);
  }

  /** Adds one hash, as two unsigned 32-bit words of hash64. */
  add(lo: number, hi: number): void {
    const registers = this.#registers;
    if (registers === null) {
      this.#addSparse(lo, hi);
      return;
    }
    const register = registerOf(hi);
    const rank = rankOf(lo, hi);
    if (registers[register] < rank) {
      registers[register] = rank;
      this.#estimate = -1;
    }
  }

  /** The number of different hashes added, a whole number: exact, or within about 0.81 %. */
  estimate(): number {
    if (this.#registers === null) return this.#count;
    if (this.#estimate < 0) {
      this.#estimate = Math.round(estimateFromRegisters(wordsOf(this.#registers)));
    }
    return this.#estimate;
  }

  /** Adds everything that was added to `other`, which stays as it is. */
  merge(other: HyperLogLog): void {
    if (other.#registers !== null) {
      this.#raise(wordsOf(other.#registers));
      return;
    }
    if (other.#hasZero) this.add(0, 0);
    const pairs = other.#pairs;
    if (pairs !== null) this.#addPairs(pairs);
  }

  /**
   * The same of several. Those with registers come first, so that small sets go straight into them;
   * where there are none, the table is made as large as it may have to be.
   */
  mergeAll(parts: readonly HyperLogLog[]): void {
    let count = this.#count;
    for (const part of parts) {
      if (part.#registers !== null) this.#raise(wordsOf(part.#registers));
      else count += part.#count;
    }
    if (this.#registers === null) this.#makeRoom(Math.min(count, SPARSE_MAX));
    for (const part of parts) if (part.#registers === null) this.merge(part);
  }

  /** Gives up the memory that only adding needs, for a sketch that is kept to be read. */
  pack(): void {
    const table = this.#table;
    if (table === null) return;
    const packed = packTable(table, this.#count - (this.#hasZero ? 1 : 0));
    keepTable(table);
    this.#table = null;
    this.#packed = packed;
  }

  /** A new sketch of everything that was added to any of `parts`. */
  static union(parts: readonly HyperLogLog[]): HyperLogLog {
    const union = new HyperLogLog();
    union.mergeAll(parts);
    return union;
  }

  /** The same of encoded sketches. Throws SketchError. */
  static unionEncoded(parts: readonly Uint8Array[]): HyperLogLog {
    const union = new HyperLogLog();
    let count = 0;
    for (const part of parts) {
      if (part[1] === FORM_DENSE) union.mergeEncoded(part);
      else count += checkEncoded(part);
    }
    if (union.#registers === null) union.#makeRoom(Math.min(count, SPARSE_MAX));
    for (const part of parts) if (part[1] !== FORM_DENSE) union.mergeEncoded(part);
    return union;
  }

  /**
   * Adds everything an encoded sketch holds, without building that sketch.
   * Throws SketchError, and then nothing was added.
   */
  mergeEncoded(bytes: Uint8Array): void {
    const count = checkEncoded(bytes);
    if (bytes[1] === FORM_DENSE) {
      const words = encodedRegisters(bytes);
      checkRegisters(words);
      this.#raise(words);
      return;
    }
    if (count === 0) return;
    if (this.#registers === null && this.#pairs === null) this.#makeRoom(count);
    const hashes = encodedHashes(bytes, count);
    if ((hashes[0] | hashes[1]) === 0) this.add(0, 0);
    this.#addPairs(hashes);
  }

  /** An independent copy. */
  clone(): HyperLogLog {
    const copy = new HyperLogLog();
    copy.#table = this.#table?.slice() ?? null;
    copy.#packed = this.#packed;
    copy.#count = this.#count;
    copy.#hasZero = this.#hasZero;
    copy.#registers = this.#registers === null ? null : copyRegisters(this.#registers);
    copy.#estimate = this.#estimate;
    return copy;
  }

  /**
   * Gives its memory to the next sketch that needs some; this one is empty from then on. For
   * sketches that live as long as one answer: left to the garbage collector they are so much memory
   * outside its heap that it has to look through all of it again and again.
   */
  release(): void {
    if (this.#registers !== null && spare.length < SPARE_MAX) spare.push(this.#registers);
    if (this.#table !== null) keepTable(this.#table);
    this.#registers = null;
    this.#table = null;
    this.#packed = null;
    this.#count = 0;
    this.#hasZero = false;
  }

  /** How many bytes encode() gives: 8 and 8 for each hash while exact, else 16,392. */
  get encodedLength(): number {
    return HEADER_BYTES + (this.#registers === null ? this.#count * 8 : REGISTERS);
  }

  /** The bytes to store. */
  encode(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.encodedLength);
    this.encodeInto(bytes, 0);
    return bytes;
  }

  /** Writes what encode() gives to `bytes` from `start` on. */
  encodeInto(bytes: Uint8Array, start: number): void {
    const registers = this.#registers;
    bytes[start] = VERSION;
    bytes[start + 1] = registers === null ? FORM_SPARSE : FORM_DENSE;
    bytes[start + 2] = 0;
    bytes[start + 3] = 0;
    writeWord(bytes, start + 4, registers === null ? this.#count : REGISTERS);
    if (registers !== null) {
      bytes.set(registers, start + HEADER_BYTES);
      return;
    }
    let at = start + HEADER_BYTES;
    if (this.#hasZero) {
      // The hash 0, 0 stands first where it was added.
      bytes.fill(0, at, at + 8);
      at += 8;
    }
    const pairs = this.#pairs;
    for (let place = 0; pairs !== null && place < pairs.length; place += 2) {
      const lo = pairs[place];
      const hi = pairs[place + 1];
      if ((lo | hi) === 0) continue;
      writeWord(bytes, at, lo);
      writeWord(bytes, at + 4, hi);
      at += 8;
    }
  }

  /** The sketch that encode() wrote. Throws SketchError on any other bytes. */
  static decode(bytes: Uint8Array): HyperLogLog {
    const sketch = new HyperLogLog();
    if (bytes[1] === FORM_DENSE) {
      checkEncoded(bytes);
      const registers = copyRegisters(bytes.subarray(HEADER_BYTES));
      checkRegisters(wordsOf(registers));
      sketch.#registers = registers;
      return sketch;
    }
    const count = checkEncoded(bytes);
    if (count === 0) return sketch;
    const hashes = encodedHashes(bytes, count);
    sketch.#count = count;
    sketch.#hasZero = (hashes[0] | hashes[1]) === 0;
    const packed = hashes.slice(sketch.#hasZero ? 2 : 0);
    if (!areDifferent(packed)) throw new SketchError("HyperLogLog: a hash stands twice");
    if (packed.length > 0) sketch.#packed = packed;
    return sketch;
  }

  /** The hashes but 0, 0, with or without empty places. */
  get #pairs(): Int32Array<ArrayBuffer> | null {
    return this.#table ?? this.#packed;
  }

  #addSparse(lo: number, hi: number): void {
    if ((lo | hi) === 0) {
      if (this.#hasZero) return;
      this.#hasZero = true;
      this.#counted();
      return;
    }
    const table = this.#table ?? this.#open();
    const mask = table.length - 1;
    // The table holds signed words, which the runtime handles faster: compare as such.
    const low = lo | 0;
    const high = hi | 0;
    let slot = (low << 1) & mask;
    for (;;) {
      const slotLow = table[slot];
      const slotHigh = table[slot + 1];
      if (slotLow === low && slotHigh === high) return;
      if ((slotLow | slotHigh) === 0) break;
      slot = (slot + 2) & mask;
    }
    table[slot] = low;
    table[slot + 1] = high;
    this.#counted();
  }

  /** Adds hashes, pairs of lo, hi; 0, 0 is none. As add() does, but for many at once. */
  #addPairs(pairs: Int32Array): void {
    let from = 0;
    while (this.#registers === null && from < pairs.length) {
      const table = this.#table ?? this.#open();
      const mask = table.length - 1;
      const enough = Math.min(SPARSE_MAX, Math.floor(table.length * 3 / 8)) + 1;
      let count = this.#count;
      for (; from < pairs.length && count < enough; from += 2) {
        const low = pairs[from];
        const high = pairs[from + 1];
        if ((low | high) === 0) continue;
        let slot = (low << 1) & mask;
        while ((table[slot] | table[slot + 1]) !== 0) {
          if (table[slot] === low && table[slot + 1] === high) break;
          slot = (slot + 2) & mask;
        }
        if ((table[slot] | table[slot + 1]) !== 0) continue;
        table[slot] = low;
        table[slot + 1] = high;
        count++;
      }
      this.#count = count;
      if (count === enough) this.#growOrTurnDense();
    }
    if (this.#registers === null || from >= pairs.length) return;
    raiseByHashes(this.#registers, pairs, from);
    this.#estimate = -1;
  }

  /** One more hash: turns dense above SPARSE_MAX, keeps at least a quarter of the table empty. */
  #counted(): void {
    this.#count++;
    this.#growOrTurnDense();
  }

  #growOrTurnDense(): void {
    if (this.#count > SPARSE_MAX) this.#turnDense();
    else if (this.#table !== null && this.#count * 8 > this.#table.length * 3) {
      this.#resize(this.#table.length);
    }
  }

  /** Makes the table that there is none of. */
  #open(): Int32Array<ArrayBuffer> {
    return this.#resize(slotsFor(this.#count));
  }

  /** Has a table that so many hashes fit in without growing. */
  #makeRoom(count: number): void {
    if (count === 0) return;
    const slots = slotsFor(count);
    if (this.#table === null || this.#table.length < 2 * slots) this.#resize(slots);
  }

  /** Moves the hashes to a table of another size. */
  #resize(slots: number): Int32Array<ArrayBuffer> {
    const old = this.#pairs;
    const table = takeTable(slots);
    if (old !== null) moveTo(table, old);
    this.#table = table;
    this.#packed = null;
    return table;
  }

  #turnDense(): Uint8Array<ArrayBuffer> {
    const pairs = this.#pairs;
    const registers = spare.pop()?.fill(0) ?? new Uint8Array(REGISTERS);
    if (this.#hasZero) registers[registerOf(0)] = rankOf(0, 0);
    if (pairs !== null) raiseByHashes(registers, pairs, 0);
    if (this.#table !== null) keepTable(this.#table);
    this.#registers = registers;
    this.#table = null;
    this.#packed = null;
    this.#estimate = -1;
    return registers;
  }

  #raise(words: Int32Array): void {
    if (this.#registers === null && this.#count === 0) {
      const registers = spare.pop() ?? new Uint8Array(REGISTERS);
      wordsOf(registers).set(words);
      this.#registers = registers;
      this.#table = null;
    } else raiseRegisters(wordsOf(this.#registers ?? this.#turnDense()), words);
    this.#estimate = -1;
  }
}

function copyRegisters(registers: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = spare.pop();
  if (copy === undefined) return new Uint8Array(registers);
  copy.set(registers);
  return copy;
}

function wordsOf(registers: Uint8Array<ArrayBuffer>): Int32Array {
  return new Int32Array(registers.buffer, registers.byteOffset, REGISTER_WORDS);
}

/** Little endian; a DataView would cost more than it writes, with many sketches of a few hashes. */
function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

/** The count of encoded bytes whose frame is sound. Throws SketchError. */
function checkEncoded(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || (bytes[2] | bytes[3]) !== 0) {
    throw new SketchError("HyperLogLog: not an encoded sketch of version 1");
  }
  const count = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES).getUint32(4, true);
  const sound = bytes[1] === FORM_SPARSE
    ? count <= SPARSE_MAX && bytes.length === HEADER_BYTES + count * 8
    : bytes[1] === FORM_DENSE && count === REGISTERS && bytes.length === HEADER_BYTES + REGISTERS;
  if (!sound) {
    throw new SketchError(`HyperLogLog: ${bytes.length} bytes do not fit a count of ${count}`);
  }
  return count;
}

/** Throws SketchError. */
function checkRegisters(words: Int32Array): void {
  if (!areRegistersSound(words)) throw new SketchError("HyperLogLog: a register is too high");
}

/**
 * The hashes of checked sparse bytes, pairs of lo, hi, in place where they lie aligned. (Every
 * platform that Deno runs on is little endian, as the encoding is.)
 */
function encodedHashes(bytes: Uint8Array, count: number): Int32Array {
  const offset = bytes.byteOffset + HEADER_BYTES;
  if (offset % 4 === 0) return new Int32Array(bytes.buffer, offset, 2 * count);
  return new Int32Array(bytes.slice(HEADER_BYTES).buffer);
}

/** The registers of checked dense bytes as words, in place where they lie aligned. */
function encodedRegisters(bytes: Uint8Array): Int32Array {
  const offset = bytes.byteOffset + HEADER_BYTES;
  if (offset % 4 === 0) return new Int32Array(bytes.buffer, offset, REGISTER_WORDS);
  new Uint8Array(aligned.buffer).set(bytes.subarray(HEADER_BYTES));
  return aligned;
}
