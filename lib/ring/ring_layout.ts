/**
 * Where everything stands in the shared memory of a ring, and how to make one.
 *
 * One SharedArrayBuffer joins exactly one writing thread and one reading thread. All numbers are in
 * the machine's byte order: both ends live in one process.
 *
 *     byte   0 +-----------+-----------+-----------+--------------------------------+
 *              | magic     | version   | capacity  | never changes after createRing |
 *     byte  64 +-----------+-----------+-----------+--------------------------------+
 *              | tail      | readerSleeps          | the writer's cache line        |
 *     byte 128 +-----------+-----------------------+--------------------------------+
 *              | head      | writerWants           | the reader's cache line        |
 *     byte 192 +-----------+-----------------------+--------------------------------+
 *              | data: `capacity` bytes, a power of two                             |
 *              |                                                                    |
 *              |      head & mask                      tail & mask                  |
 *              |           v                                v                       |
 *              |  free ... [frame][frame][frame][frame].....  free ...              |
 *              +--------------------------------------------------------------------+
 *
 *     frame    +-----------+-----------+----------------------+---------+
 *              | u32 length| u32 kind  | payload, length bytes| 0..7 pad|   a multiple of 8 bytes
 *              +-----------+-----------+----------------------+---------+
 *     marker   +-----------+
 *              | 0xffffffff|  "nothing more before the end of data, go on at byte 0 of data"
 *              +-----------+
 *
 * head and tail count bytes since the ring was made, in 32 bits that wrap around; a position's
 * place in data is `position & (capacity - 1)`, and `(tail - head) | 0` is what waits to be read.
 * Empty is tail = head, full is tail - head = capacity: no byte is given up to tell them apart.
 * A frame never wraps: where it does not fit before the end of data, a marker fills the rest. A
 * frame takes at most half the capacity, so that an empty ring has room for it wherever tail is.
 *
 * The writer fills the frame with plain stores and then publishes it by Atomics.store(tail); the
 * reader's Atomics.load(tail) makes them visible. The same holds for head the other way round.
 *
 * Sleeping. Who finds nothing to do announces it in its flag, looks ONCE MORE, and only then waits
 * on that flag for as long as it still holds what was announced. The other side moves its position
 * first and looks at the flag after; where it is set, it clears the flag and then notifies. All are
 * sequentially consistent, so at least one of the two sees the other (Dekker's argument), and:
 * - announced, then cleared before the wait began: the wait ends at once, the flag has changed;
 * - announced, then cleared while waiting: whoever clears a flag notifies, always after clearing.
 * Hence no wake-up is lost, and while both sides are busy nobody pays for a notify.
 * readerSleeps is 0 or 1. writerWants is 0 or the free bytes worth waking for.
 */

export const HEADER_BYTES = 192;
export const FRAME_HEADER_BYTES = 8;
/** A ring holds at least this many bytes, the smallest that is of any use. */
export const RING_BYTES_MIN = 64;
/** Positions are 32 bits wide, and full must differ from empty: 2^30 bytes at most. */
export const RING_BYTES_MAX = 2 ** 30;

/** Indexes into the header as 32-bit words. */
export const WORD_MAGIC = 0;
export const WORD_VERSION = 1;
export const WORD_CAPACITY = 2;
export const WORD_TAIL = 16;
export const WORD_READER_SLEEPS = 17;
export const WORD_HEAD = 32;
export const WORD_WRITER_WANTS = 33;

/** Stands in the place of a frame's length. */
export const WRAP_MARKER = 0xffffffff;
/** How often a synchronous wait looks again before it sleeps: about a microsecond. */
export const SPINS_BEFORE_SLEEP = 200;

const MAGIC = 0x52544152;
const VERSION = 1;

/** RTA_RING_CORRUPT: the shared memory breaks the layout. RTA_RING_MISUSE: calls out of order. */
export type RingErrorCode = "RTA_RING_CORRUPT" | "RTA_RING_MISUSE";

/** A broken invariant of a ring: the thread that meets one cannot go on with that ring. */
export class RingError extends Error {
  override readonly name = "RingError";

  constructor(readonly code: RingErrorCode, message: string) {
    super(message);
  }
}

/**
 * Makes an empty ring for one writer and one reader.
 *
 * @param capacityBytes a power of two from RING_BYTES_MIN to RING_BYTES_MAX
 * @param startPosition where head and tail begin, a multiple of 8; tests begin just below 2^32
 */
export function createRing(capacityBytes: number, startPosition = 0): SharedArrayBuffer {
  if (!isCapacity(capacityBytes)) {
    throw new RangeError(
      `ring capacity must be a power of two from ${RING_BYTES_MIN} to ${RING_BYTES_MAX} bytes, ` +
        `not ${capacityBytes}`,
    );
  }
  if (!Number.isInteger(startPosition) || startPosition % 8 !== 0) {
    throw new RangeError(`ring start must be a multiple of 8, not ${startPosition}`);
  }
  const ring = new SharedArrayBuffer(HEADER_BYTES + capacityBytes);
  const words = new Int32Array(ring);
  words[WORD_MAGIC] = MAGIC;
  words[WORD_VERSION] = VERSION;
  words[WORD_CAPACITY] = capacityBytes;
  Atomics.store(words, WORD_HEAD, startPosition | 0);
  Atomics.store(words, WORD_TAIL, startPosition | 0);
  return ring;
}

/** The typed views of a ring that both ends work with. */
export interface RingMemory {
  readonly capacity: number;
  /** The header, for Atomics. */
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Data as bytes. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Data as frame header words. */
  readonly frameWords: Uint32Array<SharedArrayBuffer>;
}

/** Views an existing ring. Throws RingError RTA_RING_CORRUPT if the buffer is not one. */
export function openRing(ring: SharedArrayBuffer): RingMemory {
  if (ring.byteLength < HEADER_BYTES) {
    throw new RingError("RTA_RING_CORRUPT", `not a ring: only ${ring.byteLength} bytes`);
  }
  const words = new Int32Array(ring, 0, HEADER_BYTES / 4);
  const capacity = words[WORD_CAPACITY];
  const sound = words[WORD_MAGIC] === MAGIC && words[WORD_VERSION] === VERSION &&
    isCapacity(capacity) && ring.byteLength === HEADER_BYTES + capacity;
  if (!sound) {
    throw new RingError("RTA_RING_CORRUPT", "not a ring: magic, version or capacity is wrong");
  }
  return {
    capacity,
    words,
    bytes: new Uint8Array(ring, HEADER_BYTES, capacity),
    frameWords: new Uint32Array(ring, HEADER_BYTES, capacity / 4),
  };
}

/** Bytes between two positions, checked. Throws RingError RTA_RING_CORRUPT. */
export function usedBetween(head: number, tail: number, capacity: number): number {
  const used = (tail - head) | 0;
  if (used < 0 || used > capacity || (used & 7) !== 0) {
    throw new RingError(
      "RTA_RING_CORRUPT",
      `head ${head >>> 0} and tail ${tail >>> 0} cannot belong to a ring of ${capacity} bytes`,
    );
  }
  return used;
}

/** Largest payload of one frame in bytes. */
export function frameBytesMaxOf(capacity: number): number {
  return capacity / 2 - FRAME_HEADER_BYTES;
}

/** Clears a sleeper's flag, then wakes it: the only order in which no wake-up is lost. */
export function wake(words: Int32Array<SharedArrayBuffer>, flag: number): void {
  if (Atomics.exchange(words, flag, 0) !== 0) Atomics.notify(words, flag);
}

function isCapacity(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= RING_BYTES_MIN && bytes <= RING_BYTES_MAX &&
    (bytes & (bytes - 1)) === 0;
}
