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
 *     slot:  user hash u32 x 2 | session hash u32 x 2 | last event ms f64 | received second u32
 */

const SLOT_BYTES = 28;
const SLOTS_MIN = 256;
const LOAD_MAX = 0.6;
/** How long a silent user is remembered, in ms of ingest time, on top of the gap. */
const MEMORY_MS = 3_600_000;
/** Tells the hash of a late slot from that of a session that begins at the same time. */
const LATE_SALT = 0x5bd1e995;

export class SessionIndex {
  #userLo = new Uint32Array(SLOTS_MIN);
  #userHi = new Uint32Array(SLOTS_MIN);
  #sessionLo = new Uint32Array(SLOTS_MIN);
  #sessionHi = new Uint32Array(SLOTS_MIN);
  #lastMs = new Float64Array(SLOTS_MIN);
  #second = new Uint32Array(SLOTS_MIN);
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
    const second = Math.max(1, Math.floor(receivedAtMs / 1000));
    if (second > this.#newestSecond) this.#newestSecond = second;
    const at = this.#slotOf(userLo, userHi);
    const known = this.#second[at] !== 0 && second - this.#second[at] <= this.#memorySeconds;
    if (known && timestampMs < this.#lastMs[at] - this.gapMs) {
      mixSession(userLo, userHi, Math.floor(timestampMs / this.gapMs), LATE_SALT, out);
      this.#second[at] = Math.max(second, this.#second[at]);
      return;
    }
    if (known && timestampMs <= this.#lastMs[at] + this.gapMs) {
      out[0] = this.#sessionLo[at];
      out[1] = this.#sessionHi[at];
      if (timestampMs > this.#lastMs[at]) this.#lastMs[at] = timestampMs;
      this.#second[at] = Math.max(second, this.#second[at]);
      return;
    }
    mixSession(userLo, userHi, timestampMs, 0, out);
    this.#put(at, userLo, userHi, out[0], out[1], timestampMs, second);
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
    const second = Math.max(1, Math.floor(lastReceivedAtMs / 1000));
    if (second > this.#newestSecond) this.#newestSecond = second;
    const at = this.#slotOf(userLo, userHi);
    this.#put(at, userLo, userHi, sessionLo, sessionHi, lastTimestampMs, second);
  }

  #slotOf(userLo: number, userHi: number): number {
    let at = (userLo ^ Math.imul(userHi, 0x9e3779b1)) & this.#mask;
    while (
      this.#second[at] !== 0 && (this.#userLo[at] !== userLo || this.#userHi[at] !== userHi)
    ) at = (at + 1) & this.#mask;
    return at;
  }

  #put(
    at: number,
    userLo: number,
    userHi: number,
    sessionLo: number,
    sessionHi: number,
    lastMs: number,
    second: number,
  ): void {
    const fresh = this.#second[at] === 0;
    this.#userLo[at] = userLo;
    this.#userHi[at] = userHi;
    this.#sessionLo[at] = sessionLo;
    this.#sessionHi[at] = sessionHi;
    this.#lastMs[at] = lastMs;
    this.#second[at] = second;
    if (fresh && ++this.#used > (this.#mask + 1) * LOAD_MAX) this.#makeRoom();
  }

  /** Forgets users silent for long; if few were, doubles, or at the cap forgets the older half. */
  #makeRoom(): void {
    const slots = this.#mask + 1;
    let keepFrom = this.#newestSecond - this.#memorySeconds;
    const seconds = this.#second.filter((second) => second > 0 && second >= keepFrom);
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

  #rebuild(slots: number, keepFrom: number): void {
    const userLo = this.#userLo, userHi = this.#userHi;
    const sessionLo = this.#sessionLo, sessionHi = this.#sessionHi;
    const lastMs = this.#lastMs, second = this.#second;
    this.#userLo = new Uint32Array(slots);
    this.#userHi = new Uint32Array(slots);
    this.#sessionLo = new Uint32Array(slots);
    this.#sessionHi = new Uint32Array(slots);
    this.#lastMs = new Float64Array(slots);
    this.#second = new Uint32Array(slots);
    this.#mask = slots - 1;
    this.#used = 0;
    for (let i = 0; i < second.length; i++) {
      if (second[i] === 0 || second[i] < keepFrom) continue;
      const at = this.#slotOf(userLo[i], userHi[i]);
      this.#userLo[at] = userLo[i];
      this.#userHi[at] = userHi[i];
      this.#sessionLo[at] = sessionLo[i];
      this.#sessionHi[at] = sessionHi[i];
      this.#lastMs[at] = lastMs[i];
      this.#second[at] = second[i];
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
