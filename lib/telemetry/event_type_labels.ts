/**
 * Bounded label values for event types: the first METRIC_EVENT_TYPES_MAX types that come by have a
 * label of their own, all later ones share `other`, so that clients cannot grow the metrics.
 *
 * A type is looked up by its bytes in the request's body, without making a string of it: open
 * addressing on a table of slots, keys compared byte by byte. Slot 0 is `other`.
 */
import { METRIC_EVENT_TYPES_MAX } from "../config/limits.ts";

/** The label of every type that has none of its own. */
export const OTHER_TYPES = "other";

/** Slot of `other`. */
export const OTHER_SLOT = 0;

/** A power of two, more than twice METRIC_EVENT_TYPES_MAX, so that probing is short and ends. */
const TABLE_SLOTS = 256;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The types seen so far and their slots; shared by every metric that has an event_type label. */
export class EventTypeLabels {
  /** Label by slot; grows to METRIC_EVENT_TYPES_MAX + 1 entries at most. */
  readonly names: string[] = [OTHER_TYPES];
  readonly #keys: Uint8Array[] = [new Uint8Array(0)];
  readonly #table = new Uint8Array(TABLE_SLOTS);
  readonly #slotOfName = new Map<string, number>([[OTHER_TYPES, OTHER_SLOT]]);

  /** Slot of the type whose UTF-8 text is bytes[start..end). Allocates for a new type only. */
  slotOf(bytes: Uint8Array, start: number, end: number): number {
    let at = hashOf(bytes, start, end) & (TABLE_SLOTS - 1);
    for (let slot = this.#table[at]; slot !== 0; slot = this.#table[at]) {
      if (isSame(this.#keys[slot], bytes, start, end)) return slot;
      at = (at + 1) & (TABLE_SLOTS - 1);
    }
    if (this.names.length > METRIC_EVENT_TYPES_MAX || end <= start) return OTHER_SLOT;
    const name = decoder.decode(bytes.subarray(start, end));
    if (name === OTHER_TYPES) return OTHER_SLOT;
    return this.#add(at, name, bytes.slice(start, end));
  }

  /** Slot of a type that is a string already. */
  slotOfName(name: string): number {
    const slot = this.#slotOfName.get(name);
    if (slot !== undefined) return slot;
    if (this.names.length > METRIC_EVENT_TYPES_MAX) return OTHER_SLOT;
    const key = encoder.encode(name);
    return this.slotOf(key, 0, key.length);
  }

  #add(at: number, name: string, key: Uint8Array): number {
    const slot = this.names.length;
    this.#table[at] = slot;
    this.names.push(name);
    this.#keys.push(key);
    this.#slotOfName.set(name, slot);
    return slot;
  }
}

/** FNV-1a, with its high bits folded into the low ones that choose the place in the table. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

function isSame(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== bytes[start + i]) return false;
  }
  return true;
}
