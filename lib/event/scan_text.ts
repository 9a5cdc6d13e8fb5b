/**
 * Strings, words and blanks as the scanner's fast pass reads them. Every function returns an index,
 * or -1 for "odd: leave it to the slow path", which need not mean that anything is wrong.
 */
import { ESCAPE_BYTE, isHex4, literalEnd, PLAIN_BYTE, utf8End } from "./check_json.ts";

const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LOWER_F = 0x66;
const LOWER_T = 0x74;
const LOWER_U = 0x75;

/** First index from `at` that is neither space nor tab: a line of NDJSON has no other blanks. */
export function blankEnd(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

/** From after a key's closing quote: index of the value, or -1. */
export function colonEnd(bytes: Uint8Array, at: number, limit: number): number {
  at = blankEnd(bytes, at, limit);
  if (at >= limit || bytes[at] !== COLON) return -1;
  at = blankEnd(bytes, at + 1, limit);
  return at < limit ? at : -1;
}

/** From after the opening quote: index of the closing one, or -1 (escapes are odd here). */
export function plainTextEnd(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit) {
    const byte = bytes[at];
    if (PLAIN_BYTE[byte] === 1) {
      at++;
    } else if (byte >= 0x80) {
      at = utf8End(bytes, at, limit);
      if (at < 0) return -1;
    } else {
      return byte === QUOTE ? at : -1;
    }
  }
  return -1;
}

/** Like plainTextEnd, with escapes allowed, but for NUL and halves of surrogate pairs. */
export function textEnd(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit) {
    const byte = bytes[at];
    if (PLAIN_BYTE[byte] === 1) {
      at++;
    } else if (byte === QUOTE) {
      return at;
    } else {
      at = byte >= 0x80
        ? utf8End(bytes, at, limit)
        : byte === BACKSLASH
        ? escapeEnd(bytes, at + 1, limit)
        : -1;
      if (at < 0) return -1;
    }
  }
  return -1;
}

/** From after a backslash. */
function escapeEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at >= limit) return -1;
  if (ESCAPE_BYTE[bytes[at]] === 1) return at + 1;
  if (bytes[at] !== LOWER_U || !isHex4(bytes, at + 1, limit)) return -1;
  const unit = hex4(bytes, at + 1);
  if (unit === 0) return -1;
  if ((unit & 0xf800) !== 0xd800) return at + 5;
  // A surrogate: only a high one (D800 to DBFF) with an escaped low one right after it is whole.
  if (unit >= 0xdc00 || at + 11 > limit || !isHex4(bytes, at + 7, limit)) return -1;
  if (bytes[at + 5] !== BACKSLASH || bytes[at + 6] !== LOWER_U) return -1;
  return (hex4(bytes, at + 7) & 0xfc00) === 0xdc00 ? at + 11 : -1;
}

function hex4(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let index = at; index < at + 4; index++) {
    const byte = bytes[index];
    unit = unit << 4 | (byte <= 0x39 ? byte & 15 : (byte & 15) + 9);
  }
  return unit;
}

/** Index after `true` or `false`, or -1. */
export function booleanEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (bytes[at] !== LOWER_T && bytes[at] !== LOWER_F) return -1;
  return Math.max(literalEnd(bytes, at, limit), -1);
}

const PROTO = Uint8Array.from("__proto__", (char) => char.charCodeAt(0));

/** Whether the key bytes[start, end) is `__proto__`. */
export function isProtoKey(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== PROTO.length || bytes[start] !== PROTO[0]) return false;
  for (let index = 1; index < PROTO.length; index++) {
    if (bytes[start + index] !== PROTO[index]) return false;
  }
  return true;
}

/** Whether well-formed UTF-8 in bytes[start, end) has more than `charsMax` code points. */
export function hasMoreChars(
  bytes: Uint8Array,
  start: number,
  end: number,
  charsMax: number,
): boolean {
  if (end - start <= charsMax) return false;
  let chars = 0;
  for (let at = start; at < end; at++) {
    if ((bytes[at] & 0xc0) !== 0x80) chars++;
  }
  return chars > charsMax;
}
