/**
 * Gives 64-bit hashes small numbers, 0, 1, 2, ... in the order they first come: open addressing with
 * linear probing over typed arrays, at most half full, without an object per entry.
 *
 * A slot is found by the high word, so that hashes which share low bits (a slice of all users) are
 * spread as well as others.
 */

const SLOTS_FIRST = 1_024;

export class DenseIds {
  /** Id + 1 by slot, 0 = free. */
  #slots = new Int32Array(SLOTS_FIRST);
  #low = new Int32Array(SLOTS_FIRST / 2);
  #high = new Int32Array(SLOTS_FIRST / 2);
  #count = 0;

  /** How many different hashes there are. */
  get count(): number {
    return this.#count;
  }

  /** The number of a hash, given as its two words. */
  idOf(low: number, high: number): number {
    low |= 0;
    high |= 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = high & mask;
    for (;;) {
      const id = slots[slot] - 1;
      if (id < 0) break;
      if (this.#low[id] === low && this.#high[id] === high) return id;
      slot = (slot + 1) & mask;
    }
    const id = this.#count++;
    slots[slot] = id + 1;
    this.#low[id] = low;
    this.#high[id] = high;
    if (this.#count === this.#low.length) this.#grow();
    return id;
  }

  /** Whether a hash has a number. */
  has(low: number, high: number): boolean {
    low |= 0;
    high |= 0;
    const mask = this.#slots.length - 1;
    for (let slot = high & mask;; slot = (slot + 1) & mask) {
      const id = this.#slots[slot] - 1;
      if (id < 0) return false;
      if (this.#low[id] === low && this.#high[id] === high) return true;
    }
  }

  /** The numbers of the hashes [from, end) of `pairs`, into `ids` from `to` on. */
  idsOf(pairs: Uint32Array, from: number, end: number, ids: Int32Array, to: number): void {
    for (let at = from; at < end;) {
      // As long as the tables stay the same objects, they are looked up once.
      const slots = this.#slots;
      const lows = this.#low;
      const highs = this.#high;
      const mask = slots.length - 1;
      for (; at < end; at++) {
        const low = pairs[2 * at] | 0;
        const high = pairs[2 * at + 1] | 0;
        let slot = high & mask;
        let id = slots[slot] - 1;
        while (id >= 0 && (lows[id] !== low || highs[id] !== high)) {
          slot = (slot + 1) & mask;
          id = slots[slot] - 1;
        }
        ids[to + at - from] = id >= 0 ? id : this.idOf(low, high);
        if (this.#slots === slots) continue;
        at++;
        break;
      }
    }
  }

  lowOf(id: number): number {
    return this.#low[id] >>> 0;
  }

  highOf(id: number): number {
    return this.#high[id] >>> 0;
  }

  /** All hashes by id, uint64 pairs, low word first. */
  pairs(): Uint32Array {
    const pairs = new Uint32Array(2 * this.#count);
    for (let id = 0; id < this.#count; id++) {
      pairs[2 * id] = this.#low[id];
      pairs[2 * id + 1] = this.#high[id];
    }
    return pairs;
  }

  #grow(): void {
    const low = new Int32Array(2 * this.#low.length);
    const high = new Int32Array(low.length);
    low.set(this.#low);
    high.set(this.#high);
    const slots = new Int32Array(2 * low.length);
    const mask = slots.length - 1;
    for (let id = 0; id < this.#count; id++) {
      let slot = high[id] & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#low = low;
    this.#high = high;
    this.#slots = slots;
  }
}
