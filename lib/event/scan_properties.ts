/**
 * The `properties` object, as the scanner's fast pass reads it.
 */
import { PROPERTIES_BYTES_MAX, PROPERTIES_MAX } from "../config/limits.ts";
import type { EventScan } from "./event_scan.ts";
import { KeySet } from "./key_set.ts";
import { decimalStringValue, numberValue, oddNumberEnd, simpleNumberEnd } from "./scan_number.ts";
import { blankEnd, booleanEnd, colonEnd, isProtoKey, plainTextEnd, textEnd } from "./scan_text.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const CLOSE_OBJECT = 0x7d;
const LOWER_A = 0x61;
const LOWER_U = 0x75;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;

/**
 * Most bytes by which all numbers of one event grow when JavaScript prints them again: 1e20, four
 * bytes, has 21 digits then.
 */
const GROWTH_BYTES_MAX = PROPERTIES_MAX * 20;

const propertyKeys = new KeySet(PROPERTIES_MAX);

/** A string, a finite number or a boolean at `at`: index after it, or -1. */
export function scalarEnd(bytes: Uint8Array, at: number, limit: number): number {
  const byte = bytes[at];
  if (byte === QUOTE) {
    const end = textEnd(bytes, at + 1, limit);
    return end < 0 ? -1 : end + 1;
  }
  if (byte > NINE) return booleanEnd(bytes, at, limit);
  const end = simpleNumberEnd(bytes, at, limit);
  return end < 0 ? oddNumberEnd(bytes, at, limit) : end;
}

/** From the `{`: index after the `}`, or -1. Notes the place and what the key `amount` says. */
export function propertiesEnd(
  bytes: Uint8Array,
  at: number,
  limit: number,
  out: EventScan,
): number {
  const start = at;
  propertyKeys.clear();
  at = blankEnd(bytes, at + 1, limit);
  if (at >= limit) return -1;
  if (bytes[at] !== CLOSE_OBJECT) {
    at--;
    do {
      at = blankEnd(bytes, at + 1, limit);
      if (at >= limit || bytes[at] !== QUOTE) return -1;
      const keyStart = at + 1;
      const keyEnd = plainTextEnd(bytes, keyStart, limit);
      if (keyEnd < 0 || isProtoKey(bytes, keyStart, keyEnd)) return -1;
      if (!propertyKeys.add(bytes, keyStart, keyEnd)) return -1;
      const valueStart = colonEnd(bytes, keyEnd + 1, limit);
      if (valueStart < 0) return -1;
      at = scalarEnd(bytes, valueStart, limit);
      if (at < 0) return -1;
      if (isAmountKey(bytes, keyStart, keyEnd) && !noteAmount(bytes, valueStart, at, out)) {
        return -1;
      }
      at = blankEnd(bytes, at, limit);
      if (at >= limit) return -1;
    } while (bytes[at] === COMMA);
    if (bytes[at] !== CLOSE_OBJECT) return -1;
  }
  // The limit is on the text as written again, which only numbers can make longer than this one.
  const room = PROPERTIES_BYTES_MAX - (at + 1 - start);
  if (room < GROWTH_BYTES_MAX && room < numberGrowth(bytes, start, at)) return -1;
  out.propertiesStart = start;
  out.propertiesEnd = at + 1;
  return at + 1;
}

function isAmountKey(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 6 && bytes[start] === LOWER_A && bytes[start + 1] === 0x6d &&
    bytes[start + 2] === 0x6f && bytes[start + 3] === 0x75 && bytes[start + 4] === 0x6e &&
    bytes[start + 5] === 0x74;
}

/** Takes the amount from that property, unless the event itself has one; false = cannot tell. */
function noteAmount(bytes: Uint8Array, start: number, end: number, out: EventScan): boolean {
  if (!Number.isNaN(out.amount) || bytes[start] > NINE) return true;
  if (bytes[start] !== QUOTE) {
    const value = numberValue(bytes, start, end);
    if (value >= 0) out.amount = value + 0; // -0 becomes 0
    return true;
  }
  for (let at = start + 1; at < end; at++) {
    // The first escape settles it: it stands for a character of a decimal, or there is no amount.
    if (bytes[at] === BACKSLASH) return !isDecimalEscape(bytes, at);
  }
  out.amount = decimalStringValue(bytes, start + 1, end - 1);
  return true;
}

/** Whether the valid escape at `at` stands for a digit or a point: \u0030 to \u0039, \u002e. */
function isDecimalEscape(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 1] !== LOWER_U || bytes[at + 2] !== ZERO || bytes[at + 3] !== ZERO) return false;
  if (bytes[at + 4] === 0x33) return bytes[at + 5] >= ZERO && bytes[at + 5] <= NINE;
  return bytes[at + 4] === 0x32 && (bytes[at + 5] | 0x20) === 0x65;
}

/** How much longer valid properties may get by numbers that JavaScript prints longer, bytes. */
function numberGrowth(bytes: Uint8Array, at: number, end: number): number {
  let growth = 0;
  while (at < end) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = textEnd(bytes, at + 1, end) + 1;
    } else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      const after = scalarEnd(bytes, at, end + 1);
      growth += Math.max(String(numberValue(bytes, at, after)).length - (after - at), 0);
      at = after;
    } else {
      at++;
    }
  }
  return growth;
}
