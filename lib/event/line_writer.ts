/**
 * Writes JSON text as bytes, in place: what is constant from bytes that were made once, texts as
 * they are where JSON need not escape them.
 */
import { PLAIN_BYTE } from "./check_json.ts";

/** Below this the digits of a number are taken from it as an integer of 32 bits. */
const HALF = 10_000_000;

/** One line at a time; past the end of the target nothing is written, and `hasRoom` says so. */
export class LineWriter {
  target: Uint8Array = new Uint8Array(0);
  /** Where the next byte goes. */
  at = 0;
  /** Whether all texts so far are ASCII: others may be malformed UTF-8. */
  isAscii = true;

  /** Begins a line in `target` at `at`. */
  begin(target: Uint8Array, at: number): void {
    this.target = target;
    this.at = at;
    this.isAscii = true;
  }

  /** Whether all that was written found room, and there is some left. */
  get hasRoom(): boolean {
    return this.at < this.target.length;
  }

  /** Writes bytes as they are. */
  bytes(bytes: Uint8Array): void {
    const target = this.target;
    let at = this.at;
    for (let i = 0; i < bytes.length; i++) target[at++] = bytes[i];
    this.at = at;
  }

  /** The same of a text that is ASCII. */
  ascii(text: string): void {
    const target = this.target;
    let at = this.at;
    for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
    this.at = at;
  }

  /** source[start, end) as it is; false where JSON must escape a byte of it, or there is no room. */
  text(source: Uint8Array, start: number, end: number): boolean {
    const target = this.target;
    let at = this.at;
    if (at + end - start > target.length) return false;
    let bits = 0;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (PLAIN_BYTE[byte] !== 1 && byte < 0x80) return false;
      target[at++] = byte;
      bits |= byte;
    }
    this.at = at;
    if (bits >= 0x80) this.isAscii = false;
    return true;
  }

  /** A whole number from 10^7 up to 10^16 in decimal. */
  wholeNumber(value: number): void {
    const high = Math.floor(value / HALF);
    this.at = this.#digits(high, digitsOf(high));
    this.at = this.#digits(value - high * HALF, 7);
  }

  /** `count` digits of a number below 2^31. */
  #digits(value: number, count: number): number {
    const target = this.target;
    const end = this.at + count;
    for (let at = end - 1; at >= this.at; at--) {
      const rest = value / 10 | 0;
      target[at] = 0x30 + value - 10 * rest;
      value = rest;
    }
    return end;
  }
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits++;
  return digits;
}
