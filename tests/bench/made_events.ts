/**
 * The load of all cases: events of EventGenerator, about 200 bytes each, 20 types, 100,000 users
 * by Zipf's law. For sending, lines are made once and get a new id and time before each use.
 */
import { EventGenerator, type GeneratorOptions } from "../../lib/import/event_generator.ts";
import { GENERATED_LINE_BYTES_MAX } from "../../lib/config/limits.ts";

export const USERS = 100_000;
export const TYPES = 20;
const idDigits = 10;
const timeDigits = 13;
const ZERO = 0x30;

/** A generator of the load that all cases share. */
export function madeLoad(
  options: Pick<GeneratorOptions, "events" | "seed" | "startMs" | "endMs" | "sessionIds">,
): EventGenerator {
  return new EventGenerator({ users: USERS, types: TYPES, ...options });
}

/** `events` lines of the load, around `nowMs`. */
export function madeLines(events: number, seed: number, nowMs: number): Uint8Array {
  const startMs = nowMs - 60_000;
  const generator = madeLoad({ events, seed, startMs, endMs: nowMs });
  const bytes = new Uint8Array((events + 1) * GENERATED_LINE_BYTES_MAX);
  return bytes.slice(0, generator.fill(bytes).bytes);
}

/** Where lines lie in a buffer, each with its newline. */
export function lineStarts(bytes: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at = bytes.indexOf(0x0a, at) + 1) starts.push(at);
  return starts;
}

/** Events inside the bytes of a request, whose ids and times can be written anew. */
export class RenewableEvents {
  readonly bytes: Uint8Array;
  /** How many events there are. */
  readonly events: number;
  readonly #idEnds: Int32Array;
  readonly #timeEnds: Int32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const idHead = new TextEncoder().encode(`{"id":"`);
    const timeHead = new TextEncoder().encode(`"timestamp":`);
    const idEnds: number[] = [];
    const timeEnds: number[] = [];
    for (let at = find(bytes, idHead, 0); at >= 0; at = find(bytes, idHead, at)) {
      idEnds.push(at = bytes.indexOf(0x22, at));
      timeEnds.push(at = find(bytes, timeHead, at) + timeDigits);
    }
    this.events = idEnds.length;
    this.#idEnds = Int32Array.from(idEnds);
    this.#timeEnds = Int32Array.from(timeEnds);
  }

  /** Numbers the ids from `serial` on, and gives all events the time `nowMs`. */
  renew(serial: number, nowMs: number): void {
    for (let event = 0; event < this.events; event++) {
      writeDigits(this.bytes, this.#idEnds[event], serial + event, idDigits);
      writeDigits(this.bytes, this.#timeEnds[event], nowMs, timeDigits);
    }
  }
}

/** After the next occurrence of `needle` from `from` on; -1 = there is none. */
function find(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(needle[0], from); at >= 0; at = bytes.indexOf(needle[0], at + 1)) {
    let length = 1;
    while (length < needle.length && bytes[at + length] === needle[length]) length++;
    if (length === needle.length) return at + length;
  }
  return -1;
}

function writeDigits(bytes: Uint8Array, end: number, value: number, digits: number): void {
  for (let at = end - 1; at >= end - digits; at--) {
    const rest = Math.floor(value / 10);
    bytes[at] = ZERO + value - rest * 10;
    value = rest;
  }
}
