/**
 * The reading end of a ring (layout and sleeping rules: ring_layout.ts).
 *
 * peek() shows the oldest frame where it lies, without a copy; release() gives its bytes back to
 * the writer. A frame not released is there again for the next RingReader of the same ring: what a
 * reader died over is not lost. Only one thread may read a ring, through one RingReader at a time.
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

/** Reads frames in the order they were committed; see the module's comment. */
export class RingReader {
  /** Bytes of data in the ring, frame headers and padding included. */
  readonly capacity: number;
  /**
   * All data of the ring. The peeked payload is bytes[start .. start + length): reading it through
   * these three spares the view object of each frame.
   */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #memory: RingMemory;
  /** Only this end moves it, so the shared word need not be read back. */
  #head: number;
  /** The writer's position when last looked at: it can only have moved on since. */
  #tailSeen: number;
  /** Bytes that release() gives back: the peeked frame and a marker before it; 0 = none peeked. */
  #peeked = 0;
  #start = 0;
  #length = 0;
  #kind = 0;
  #view: Uint8Array<SharedArrayBuffer> | null = null;
  #interrupts = 0;

  /** Throws RingError RTA_RING_CORRUPT if the buffer is not a ring. */
  constructor(ring: SharedArrayBuffer) {
    this.#memory = openRing(ring);
    this.capacity = this.#memory.capacity;
    this.bytes = this.#memory.bytes;
    this.#head = Atomics.load(this.#memory.words, WORD_HEAD);
    this.#tailSeen = Atomics.load(this.#memory.words, WORD_TAIL);
    usedBetween(this.#head, this.#tailSeen, this.capacity);
  }

  /** Bytes that wait to be released, frame headers, padding and the peeked frame included. */
  get usedBytes(): number {
    this.#tailSeen = Atomics.load(this.#memory.words, WORD_TAIL);
    return usedBetween(this.#head, this.#tailSeen, this.capacity);
  }

  /**
   * True if a frame is there: kind, length, start and view then tell about it until release().
   * Peeking again shows the same frame. Throws RingError RTA_RING_CORRUPT on a broken ring.
   */
  peek(): boolean {
    if (this.#peeked !== 0) return true;
    if (this.#head === this.#tailSeen && this.usedBytes === 0) return false;
    const mask = this.capacity - 1;
    let offset = this.#head & mask;
    let skipped = 0;
    let length = this.#memory.frameWords[offset >>> 2];
    if (length === WRAP_MARKER) {
      skipped = this.capacity - offset;
      offset = 0;
      length = this.#memory.frameWords[0];
    }
    const size = FRAME_HEADER_BYTES + ((length + 7) & ~7);
    const used = usedBetween(this.#head, this.#tailSeen, this.capacity);
    if (
      length > frameBytesMaxOf(this.capacity) || skipped + size > used ||
      offset + size > this.capacity
    ) {
      throw new RingError(
        "RTA_RING_CORRUPT",
        `a frame of ${length} bytes cannot stand at ${offset} with ${used} bytes waiting`,
      );
    }
    this.#peeked = skipped + size;
    this.#start = offset + FRAME_HEADER_BYTES;
    this.#length = length;
    this.#kind = this.#memory.frameWords[(offset >>> 2) + 1];
    this.#view = null;
    return true;
  }

  /** What the writer called the peeked frame, 0 .. 2^32 - 1. */
  get kind(): number {
    this.#assertPeeked();
    return this.#kind;
  }

  /** Bytes of the peeked payload. */
  get length(): number {
    this.#assertPeeked();
    return this.#length;
  }

  /** Where the peeked payload begins in `bytes`. */
  get start(): number {
    this.#assertPeeked();
    return this.#start;
  }

  /** The peeked payload in place: valid until release(), then overwritten at any time. */
  get view(): Uint8Array<SharedArrayBuffer> {
    this.#assertPeeked();
    this.#view ??= this.bytes.subarray(this.#start, this.#start + this.#length);
    return this.#view;
  }

  /** Gives the peeked frame's bytes back, and wakes the writer if it sleeps and now has room. */
  release(): void {
    this.#assertPeeked();
    const { words } = this.#memory;
    this.#head = (this.#head + this.#peeked) | 0;
    this.#peeked = 0;
    this.#view = null;
    Atomics.store(words, WORD_HEAD, this.#head);
    const wanted = Atomics.load(words, WORD_WRITER_WANTS);
    if (wanted !== 0 && this.capacity - this.usedBytes >= wanted) wake(words, WORD_WRITER_WANTS);
  }

  /**
   * Resolves once a frame can be peeked, or interrupt() was called. A pending wait alone does not
   * keep the thread alive: its event loop needs a server, a message listener or a timer besides.
   */
  async waitReadable(): Promise<void> {
    const interrupts = this.#interrupts;
    while (!this.peek() && interrupts === this.#interrupts) {
      Atomics.store(this.#memory.words, WORD_READER_SLEEPS, 1);
      if (this.peek()) break;
      const sleep = Atomics.waitAsync(this.#memory.words, WORD_READER_SLEEPS, 1);
      if (sleep.async) await sleep.value;
    }
  }

  /**
   * Blocks the thread until a frame can be peeked: true; or timeoutMs went by: false.
   * For worker threads only; Infinity waits for ever.
   */
  waitReadableSync(timeoutMs: number): boolean {
    for (let spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
      if (this.peek()) return true;
    }
    for (;;) {
      Atomics.store(this.#memory.words, WORD_READER_SLEEPS, 1);
      if (this.peek()) return true;
      const woken = Atomics.wait(this.#memory.words, WORD_READER_SLEEPS, 1, timeoutMs);
      if (woken === "timed-out") return this.peek();
    }
  }

  /** Ends this end's pending waitReadable() calls, frame or not: for shutting down. */
  interrupt(): void {
    this.#interrupts++;
    wake(this.#memory.words, WORD_READER_SLEEPS);
  }

  #assertPeeked(): void {
    if (this.#peeked === 0) {
      throw new RingError("RTA_RING_MISUSE", "no frame is peeked");
    }
  }
}
