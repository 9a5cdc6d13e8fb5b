/**
 * The writing end of a ring (layout and sleeping rules: ring_layout.ts).
 *
 * A full ring is back-pressure: tryReserve and tryWrite answer "not now", nothing grows. Only one
 * thread may write to a ring, through one RingWriter at a time; a later RingWriter on the same ring
 * goes on where the former one published last.
 */
import {
  FRAME_HEADER_BYTES,
  frameBytesMaxOf,
  openRing,
  RingError,
  type RingMemory,
  SPINS_BEFORE_SLEEP,
  usedBetween,
  wake,
  WORD_HEAD,
  WORD_READER_SLEEPS,
  WORD_TAIL,
  WORD_WRITER_WANTS,
  WRAP_MARKER,
} from "./ring_layout.ts";

/** Writes frames; see the module's comment. */
export class RingWriter {
  /** Largest payload a frame of this ring can have, in bytes. */
  readonly frameBytesMax: number;
  /** Bytes of data in the ring, frame headers and padding included. */
  readonly capacity: number;
  readonly #memory: RingMemory;
  /** Only this end moves it, so the shared word need not be read back. */
  #tail: number;
  /** The reader's position when last looked at: it can only have moved on since. */
  #headSeen: number;
  /** Where in data the reserved frame stands; -1 when none is reserved. */
  #reservedAt = -1;
  #reservedLength = 0;
  #reservedKind = 0;
  #interrupts = 0;

  /** Throws RingError RTA_RING_CORRUPT if the buffer is not a ring. */
  constructor(ring: SharedArrayBuffer) {
    this.#memory = openRing(ring);
    this.capacity = this.#memory.capacity;
    this.frameBytesMax = frameBytesMaxOf(this.capacity);
    this.#tail = Atomics.load(this.#memory.words, WORD_TAIL);
    this.#headSeen = Atomics.load(this.#memory.words, WORD_HEAD);
    usedBetween(this.#headSeen, this.#tail, this.capacity);
  }

  /** Free bytes of data now, of which each frame takes 8 and its payload rounded up to 8. */
  get freeBytes(): number {
    this.#lookAtHead();
    return this.capacity - usedBetween(this.#headSeen, this.#tail, this.capacity);
  }

  /**
   * Room for a payload of exactly `length` bytes, to be filled in place and then committed; null if
   * the ring is too full now. What the room holds before is arbitrary. A reservation that is not
   * committed is forgotten by the next one.
   *
   * @param kind what the frame is, 0 .. 2^32 - 1; the ring does not interpret it
   * @throws RangeError if such a frame can never fit: length over frameBytesMax, or not a length
   */
  tryReserve(kind: number, length: number): Uint8Array<SharedArrayBuffer> | null {
    const at = this.#reserve(kind, length);
    if (at < 0) return null;
    const start = at + FRAME_HEADER_BYTES;
    return this.#memory.bytes.subarray(start, start + length);
  }

  /** Publishes the reserved frame and wakes the reader if it sleeps. */
  commit(): void {
    if (this.#reservedAt < 0) {
      throw new RingError("RTA_RING_MISUSE", "commit without a reserved frame");
    }
    const { words, frameWords } = this.#memory;
    const offset = this.#tail & (this.capacity - 1);
    const at = this.#reservedAt;
    let size = frameSize(this.#reservedLength);
    if (at !== offset) {
      frameWords[offset >>> 2] = WRAP_MARKER;
      size += this.capacity - offset;
    }
    frameWords[at >>> 2] = this.#reservedLength;
    frameWords[(at >>> 2) + 1] = this.#reservedKind;
    this.#reservedAt = -1;
    this.#tail = (this.#tail + size) | 0;
    Atomics.store(words, WORD_TAIL, this.#tail);
    if (Atomics.load(words, WORD_READER_SLEEPS) !== 0) wake(words, WORD_READER_SLEEPS);
  }

  /** Copies one frame in and publishes it; false if the ring is too full now. */
  tryWrite(kind: number, payload: Uint8Array): boolean {
    const at = this.#reserve(kind, payload.length);
    if (at < 0) return false;
    this.#memory.bytes.set(payload, at + FRAME_HEADER_BYTES);
    this.commit();
    return true;
  }

  /**
   * Resolves once a payload of `length` bytes fits, or interrupt() was called. A writer that had to
   * sleep is woken when a quarter of the ring is free, so that it does not wake for every frame.
   * A pending wait alone does not keep the thread alive: its event loop needs something besides.
   */
  async waitWritable(length: number): Promise<void> {
    const interrupts = this.#interrupts;
    while (!this.#fits(length) && interrupts === this.#interrupts) {
      const wanted = this.#announce(length);
      if (this.#fits(length)) break;
      const sleep = Atomics.waitAsync(this.#memory.words, WORD_WRITER_WANTS, wanted);
      if (sleep.async) await sleep.value;
    }
  }

  /**
   * Blocks the thread until a payload of `length` bytes fits: true; or timeoutMs went by: false.
   * For worker threads only; Infinity waits for ever.
   */
  waitWritableSync(length: number, timeoutMs: number): boolean {
    for (let spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
      if (this.#fits(length)) return true;
    }
    for (;;) {
      const wanted = this.#announce(length);
      if (this.#fits(length)) return true;
      const woken = Atomics.wait(this.#memory.words, WORD_WRITER_WANTS, wanted, timeoutMs);
      if (woken === "timed-out") return this.#fits(length);
    }
  }

  /** Ends this end's pending waitWritable() calls, room or not: for shutting down. */
  interrupt(): void {
    this.#interrupts++;
    wake(this.#memory.words, WORD_WRITER_WANTS);
  }

  /** Place in data of a frame's header, or -1 if it does not fit now. */
  #reserve(kind: number, length: number): number {
    if (!this.#fits(length)) return -1;
    const offset = this.#tail & (this.capacity - 1);
    this.#reservedAt = frameSize(length) > this.capacity - offset ? 0 : offset;
    this.#reservedLength = length;
    this.#reservedKind = kind;
    return this.#reservedAt;
  }

  #fits(length: number): boolean {
    const needed = this.#neededBytes(length);
    if (this.capacity - ((this.#tail - this.#headSeen) | 0) >= needed) return true;
    this.#lookAtHead();
    return this.capacity - usedBetween(this.#headSeen, this.#tail, this.capacity) >= needed;
  }

  /** Bytes a frame would take here and now, the marker's rest before the end included. */
  #neededBytes(length: number): number {
    if (!(length >= 0 && length <= this.frameBytesMax) || !Number.isInteger(length)) {
      throw new RangeError(
        `a frame of ${length} bytes never fits: at most ${this.frameBytesMax} in this ring`,
      );
    }
    const size = frameSize(length);
    const toEnd = this.capacity - (this.#tail & (this.capacity - 1));
    return size > toEnd ? size + toEnd : size;
  }

  #lookAtHead(): void {
    this.#headSeen = Atomics.load(this.#memory.words, WORD_HEAD);
  }

  /** Says what this end waits for: the least that any of its pending waits wants. */
  #announce(length: number): number {
    const { words } = this.#memory;
    const before = Atomics.load(words, WORD_WRITER_WANTS);
    let wanted = Math.max(this.#neededBytes(length), this.capacity / 4);
    if (before !== 0 && before < wanted) wanted = before;
    Atomics.store(words, WORD_WRITER_WANTS, wanted);
    return wanted;
  }
}

/** Bytes of a frame: header, payload, padding to 8. */
function frameSize(length: number): number {
  return FRAME_HEADER_BYTES + ((length + 7) & ~7);
}
