/**
 * Memory that a partial's large arrays cross threads in.
 *
 * A summary's partial is 64 KiB of sketches. Made anew for every answer, and anew by the message
 * that carries it, they are memory outside the garbage collector's heap, of which it lets only so
 * much gather before it looks through everything: with eight askers a quarter of all processor time
 * went there, in pauses of tens of ms. So shards write into slots of shared memory, which the reader
 * gives back:
 *
 *     shard: take a free slot, write -> message with views of it -> reader: read, releasePartial()
 *
 *     slot    | i32 0 = free, else when it was taken, s | 4 bytes | SLOT_BYTES of content |
 *
 * A slot whose partial nobody read (its question was given up) is free again after LEASE_S. What
 * finds no slot, or is too large for one, travels in memory of its own.
 */
import type { RollupPartial } from "./partial.ts";

/** Gives arrays to be written from end to end: what they hold at first is of no account. */
export interface PartialMemory {
  bytes(length: number): Uint8Array;
}

/** New memory each time. */
export const OWN_MEMORY: PartialMemory = { bytes: (length) => new Uint8Array(length) };

/** Content of a slot, bytes: two dense sketches, or the numbers of 1,700 buckets. */
const SLOT_BYTES = 40 * 1024;
/** Less is not worth a slot, bytes. */
const SLOT_BYTES_MIN = 2 * 1024;
const SLOTS_MAX = 32;
const HEADER_BYTES = 8;
/** Longest a slot is taken, s; a question is given up well before. */
const LEASE_S = 60;

/** The slots of one writer. */
export class SharedSlots implements PartialMemory {
  readonly #slots: SharedArrayBuffer[] = [];
  readonly #now: () => number;
  #next = 0;

  /** @param now any clock that does not go back, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  bytes(length: number): Uint8Array {
    if (length < SLOT_BYTES_MIN || length > SLOT_BYTES) return new Uint8Array(length);
    const nowS = 1 + Math.floor(this.#now() / 1000);
    for (let tries = 0; tries < this.#slots.length; tries++) {
      this.#next = (this.#next + 1) % this.#slots.length;
      const slot = this.#slots[this.#next];
      const header = new Int32Array(slot, 0, 1);
      const takenS = Atomics.load(header, 0);
      if (takenS !== 0 && nowS - takenS <= LEASE_S) continue;
      Atomics.store(header, 0, nowS);
      return new Uint8Array(slot, HEADER_BYTES, length);
    }
    if (this.#slots.length >= SLOTS_MAX) return new Uint8Array(length);
    const slot = new SharedArrayBuffer(HEADER_BYTES + SLOT_BYTES);
    this.#slots.push(slot);
    Atomics.store(new Int32Array(slot, 0, 1), 0, nowS);
    return new Uint8Array(slot, HEADER_BYTES, length);
  }
}

/** Gives back what the partial's arrays lie in; they must not be read any more. */
export function releasePartial(partial: RollupPartial): void {
  const { events, users, sessions, amounts } = partial;
  for (const { buffer } of [events, users.bytes, sessions.bytes, amounts.bytes]) {
    if (buffer instanceof SharedArrayBuffer) Atomics.store(new Int32Array(buffer, 0, 1), 0, 0);
  }
}

/** The partial with its arrays in other memory. */
export function copyPartial(partial: RollupPartial, memory: PartialMemory): RollupPartial {
  const columns = [partial.events, partial.amountCount, partial.amountSum];
  const places = partial.events.length;
  const bytes = memory.bytes(3 * 8 * places);
  const [events, amountCount, amountSum] = columns.map((column, index) => {
    const copy = new Float64Array(bytes.buffer, bytes.byteOffset + index * 8 * places, places);
    copy.set(column);
    return copy;
  });
  const copyOf = (sketches: RollupPartial["users"]) => {
    const copy = memory.bytes(sketches.bytes.length);
    copy.set(sketches.bytes);
    return { ends: sketches.ends, bytes: copy };
  };
  return {
    ...partial,
    events,
    amountCount,
    amountSum,
    users: copyOf(partial.users),
    sessions: copyOf(partial.sessions),
    amounts: copyOf(partial.amounts),
  };
}
