/**
 * Remembers the event ids of the last window, so that a second copy is counted and not stored.
 *
 * An open-addressing table of 64-bit id hashes with the second each was received; 12 bytes a slot,
 * no object per id. Time is the time of ingest that the log recorded, never the clock, so replaying
 * the log gives the same verdicts. With the table at its memory cap the oldest half is forgotten
 * early: counted in `evicted`, because from then on the window is shorter than configured.
 *
 *     ids      hash low u32, hash high u32 per slot: looking up touches one cache line
 *     seconds  received second u32 per slot; 0 = the slot is empty
 */

const SLOT_BYTES = 12;
const SLOTS_MIN = 1024;
/** Share of slots in use at which the table is cleaned or grown. */
const LOAD_MAX = 0.6;
/** Steps of the histogram that finds the oldest half. */
const HISTOGRAM_STEPS = 256;

export class DedupIndex {
  #ids = new Uint32Array(2 * SLOTS_MIN);
  #seconds = new Uint32Array(SLOTS_MIN);
  #mask = SLOTS_MIN - 1;
  #used = 0;
  #newestSecond = 0;
  /** Ids forgotten before their window was over, because of the memory cap. */
  evicted = 0;

  /**
   * @param windowSeconds how long an id is remembered, in seconds of ingest time
   * @param memoryBytesMax bound of the table's memory
   */
  constructor(readonly windowSeconds: number, readonly memoryBytesMax: number) {}

  /** Ids held, expired ones that were not yet cleaned away included. */
  get size(): number {
    return this.#used;
  }

  get byteSize(): number {
    return (this.#mask + 1) * SLOT_BYTES;
  }

  /** Notes the id and tells whether it is new within the window. */
  add(lo: number, hi: number, receivedAtMs: number): boolean {
    const second = Math.max(1, Math.floor(receivedAtMs / 1000));
    if (second > this.#newestSecond) this.#newestSecond = second;
    const ids = this.#ids;
    // An id of 0, 0 would look like an empty slot.
    const low = (lo | hi) === 0 ? 1 : lo;
    let at = (low ^ Math.imul(hi, 0x9e3779b1)) & this.#mask;
    for (;;) {
      const slotLow = ids[2 * at];
      const slotHigh = ids[2 * at + 1];
      if (slotLow === low && slotHigh === hi) {
        const seen = this.#seconds[at];
        if (second - seen <= this.windowSeconds) return false;
        this.#seconds[at] = second;
        return true;
      }
      if ((slotLow | slotHigh) === 0) break;
      at = (at + 1) & this.#mask;
    }
    ids[2 * at] = low;
    ids[2 * at + 1] = hi;
    this.#seconds[at] = second;
    this.#used++;
    if (this.#used > (this.#mask + 1) * LOAD_MAX) this.#makeRoom();
    return true;
  }

  /** Drops what has expired; if little had, doubles, or at the cap forgets the oldest half. */
  #makeRoom(): void {
    const slots = this.#mask + 1;
    let keepFrom = this.#newestSecond - this.windowSeconds;
    const kept = this.#countSince(keepFrom);
    let size = slots;
    if (kept > slots * LOAD_MAX / 2) {
      if (slots * 2 * SLOT_BYTES <= this.memoryBytesMax) size = slots * 2;
      else {
        keepFrom = this.#medianSecond(keepFrom) + 1;
        this.evicted += kept - this.#countSince(keepFrom);
      }
    }
    this.#rebuild(size, keepFrom);
  }

  #countSince(fromSecond: number): number {
    let count = 0;
    for (const second of this.#seconds) if (second >= fromSecond && second > 0) count++;
    return count;
  }

  /** The second by which about half of the ids since `fromSecond` had been received. */
  #medianSecond(fromSecond: number): number {
    let oldest = this.#newestSecond;
    for (const second of this.#seconds) {
      if (second >= fromSecond && second > 0 && second < oldest) oldest = second;
    }
    const width = Math.max(1, Math.ceil((this.#newestSecond - oldest + 1) / HISTOGRAM_STEPS));
    const steps = new Uint32Array(HISTOGRAM_STEPS + 1);
    let total = 0;
    for (const second of this.#seconds) {
      if (second >= oldest && second > 0) {
        steps[Math.floor((second - oldest) / width)]++;
        total++;
      }
    }
    let below = 0;
    let step = 0;
    while (below < total / 2) below += steps[step++];
    return oldest + step * width - 1;
  }

  #rebuild(slots: number, keepFrom: number): void {
    const ids = this.#ids;
    const seconds = this.#seconds;
    const nextIds = new Uint32Array(2 * slots);
    const nextSeconds = new Uint32Array(slots);
    const mask = slots - 1;
    this.#used = 0;
    for (let i = 0; i < seconds.length; i++) {
      if (seconds[i] === 0 || seconds[i] < keepFrom) continue;
      const lo = ids[2 * i];
      const hi = ids[2 * i + 1];
      let at = (lo ^ Math.imul(hi, 0x9e3779b1)) & mask;
      while (nextSeconds[at] !== 0) at = (at + 1) & mask;
      nextIds[2 * at] = lo;
      nextIds[2 * at + 1] = hi;
      nextSeconds[at] = seconds[i];
      this.#used++;
    }
    this.#ids = nextIds;
    this.#seconds = nextSeconds;
    this.#mask = mask;
  }
}
