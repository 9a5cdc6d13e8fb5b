/**
 * Derives sessions for events that bring no session id: a session ends after a gap of inactivity.
 *
 * Per user it holds the session of the latest event time. An event within the gap of that time, on
 * either side, joins it; one further on begins the next; one further back is late, and late events
 * of a user share a session per slot of one gap's length, so that their order does not matter.
 * The state is a function of the stored rows (the row with the user's latest event time names the
 * session), which is how it comes back after a restart. A user not heard of for `MEMORY_MS` of
 * ingest time is forgotten, by the same rule before and after a restart.
 *
 * A slot is 32 bytes, half a cache line:
 *
 *     u32 0 user low | 1 user high | 2 session low | 3 session high
 *     f64 4-5 last event time, ms | u32 6 received second (0 = empty) | 7 unused
 */

const SLOT_WORDS = 8;
const SLOT_BYTES = 4 * SLOT_WORDS;
const SESSION = 2;
const SECOND = 6;
const SLOTS_MIN = 256;
const LOAD_MAX = 0.6;
/** How long a silent user is remembered, in ms of ingest time, on top of the gap. */
const MEMORY_MS = 3_600_000;
/** Tells the hash of a late slot from that of a session that begins at the same time. */
const LATE_SALT = 0x5bd1e995;

export class SessionIndex {
  #words = new Uint32Array(SLOT_WORDS * SLOTS_MIN);
  /** The same memory; the last event time of slot i is at 4 * i + 2. */
  #times = new Float64Array(this.#words.buffer);
  #mask = SLOTS_MIN - 1;
  #used = 0;
  #newestSecond = 0;
  readonly #memorySeconds: number;
  /** Users forgotten early because of the memory cap. */
  evicted = 0;

  /**
   * @param gapMs inactivity that ends a session, ms
   * @param memoryBytesMax bound of the table's memory
   */
  constructor(readonly gapMs: number, readonly memoryBytesMax: number) {
    this.#memorySeconds = sessionMemoryMs(gapMs) / 1000;
  }

  get size(): number {
    return this.#used;
  }

  get byteSize(): number {
    return (this.#mask + 1) * SLOT_BYTES;
  }

  /** Writes the session of the event into `out` as [low, high] and remembers it. */
  assign(
    userLo: number,
    userHi: number,
    timestampMs: number,
    receivedAtMs: number,
    out: Uint32Array,
  ): void {
    const second = this.#secondOf(receivedAtMs);
    const words = this.#words;
    const slot = this.#slotOf(userLo, userHi);
    const at = slot * SLOT_WORDS;
    const heard = words[at + SECOND];
    const known = heard !== 0 && second - heard <= this.#memorySeconds;
    const lastMs = this.#times[4 * slot + 2];
    if (known && timestampMs <= lastMs + this.gapMs) {
      if (second > heard) words[at + SECOND] = second;
      if (timestampMs < lastMs - this.gapMs) {
        mixSession(userLo, userHi, Math.floor(timestampMs / this.gapMs), LATE_SALT, out);
        return;
      }
      out[0] = words[at + SESSION];
      out[1] = words[at + SESSION + 1];
      if (timestampMs > lastMs) this.#times[4 * slot + 2] = timestampMs;
      return;
    }
    mixSession(userLo, userHi, timestampMs, 0, out);
    this.#put(slot, userLo, userHi, out[0], out[1], timestampMs, second);
  }

  /** Puts back what the rows say of a user, after a restart. */
  restore(
    userLo: number,
    userHi: number,
    sessionLo: number,
    sessionHi: number,
    lastTimestampMs: number,
    lastReceivedAtMs: number,
  ): void {
    const second = this.#secondOf(lastReceivedAtMs);
    const slot = this.#slotOf(userLo, userHi);
    this.#put(slot, userLo, userHi, sessionLo, sessionHi, lastTimestampMs, second);
  }

  #secondOf(receivedAtMs: number): number {
    const second = Math.max(1, Math.floor(receivedAtMs / 1000));
    if (second > this.#newestSecond) this.#newestSecond = second;
    return second;
  }

  /** The user's slot, or the empty one where it belongs. */
  #slotOf(userLo: number, userHi: number): number {
    const words = this.#words;
    let slot = (userLo ^ Math.imul(userHi, 0x9e3779b1)) & this.#mask;
    for (;;) {
      const at = slot * SLOT_WORDS;
      if (words[at] === userLo && words[at + 1] === userHi) return slot;
      if (words[at + SECOND] === 0) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #put(
    slot: number,
    userLo: number,
    userHi: number,
    sessionLo: number,
    sessionHi: number,
    lastMs: number,
    second: number,
  ): void {
    const at = slot * SLOT_WORDS;
    const words = this.#words;
    const fresh = words[at + SECOND] === 0;
    words[at] = userLo;
    words[at + 1] = userHi;
    words[at + SESSION] = sessionLo;
    words[at + SESSION + 1] = sessionHi;
    this.#times[4 * slot + 2] = lastMs;
    words[at + SECOND] = second;
    if (fresh && ++this.#used > (this.#mask + 1) * LOAD_MAX) this.#makeRoom();
  }

  /** Forgets users silent for long; if few were, doubles, or at the cap forgets the older half. */
  #makeRoom(): void {
    const slots = this.#mask + 1;
    let keepFrom = this.#newestSecond - this.#memorySeconds;
    const seconds = this.#secondsSince(keepFrom);
    let size = slots;
    if (seconds.length > slots * LOAD_MAX / 2) {
      if (slots * 2 * SLOT_BYTES <= this.memoryBytesMax) size = slots * 2;
      else {
        seconds.sort();
        keepFrom = seconds[seconds.length >> 1] + 1;
        this.evicted += seconds.filter((second) => second < keepFrom).length;
      }
    }
    this.#rebuild(size, keepFrom);
  }

  #secondsSince(fromSecond: number): Uint32Array {
    const seconds = new Uint32Array(this.#used);
    let count = 0;
    for (let at = SECOND; at < this.#words.length; at += SLOT_WORDS) {
      const second = this.#words[at];
      if (second > 0 && second >= fromSecond) seconds[count++] = second;
    }
    return seconds.subarray(0, count);
  }

  #rebuild(slots: number, keepFrom: number): void {
    const before = this.#words;
    this.#words = new Uint32Array(SLOT_WORDS * slots);
    this.#times = new Float64Array(this.#words.buffer);
    this.#mask = slots - 1;
    this.#used = 0;
    for (let at = 0; at < before.length; at += SLOT_WORDS) {
      const second = before[at + SECOND];
      if (second === 0 || second < keepFrom) continue;
      const slot = this.#slotOf(before[at], before[at + 1]);
      this.#words.set(before.subarray(at, at + SLOT_WORDS), slot * SLOT_WORDS);
      this.#used++;
    }
  }
}

/** How far back, in ms of ingest time, the state of sessions reaches. */
export function sessionMemoryMs(gapMs: number): number {
  return MEMORY_MS + gapMs;
}

/** A 64-bit session hash from the user and the session's beginning (murmur3's finalizer). */
function mixSession(
  userLo: number,
  userHi: number,
  place: number,
  salt: number,
  out: Uint32Array,
): void {
  const low = place >>> 0;
  const high = (place / 0x1_0000_0000) >>> 0;
  out[0] = finalize(Math.imul(userLo ^ low, 0x85ebca6b) ^ userHi ^ salt ^ high);
  out[1] = finalize(Math.imul(userHi ^ low, 0xc2b2ae35) ^ userLo ^ Math.imul(salt, 3) ^ ~high);
}

function finalize(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
