/**
 * JSON syntax over UTF-8 bytes: is this one valid JSON value, and where does it end?
 *
 * Accepts exactly what a fatal UTF-8 decoder followed by JSON.parse accepts (RFC 8259, RFC 3629),
 * without building anything: iterative, so that depth cannot overflow the stack, and without
 * allocation but for the nesting bits, which grow to 1 bit per level of the deepest value seen.
 *
 * Positions are returned as numbers >= 0; a fault at position p is returned as `~p` (negative).
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LOWER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

function classOf(bytesText: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let at = 0; at < bytesText.length; at++) table[bytesText.charCodeAt(at)] = 1;
  return table;
}

/** 1 for bytes that stand for themselves in a string: ASCII but controls, `"` and `\`. */
export const PLAIN_BYTE = new Uint8Array(256).map((_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0
);
/** 1 for space, tab, line feed and carriage return. */
const SPACE_BYTE = classOf(" \t\n\r");
/** 1 for what may follow a backslash, but `u`. */
export const ESCAPE_BYTE = classOf('"\\/bfnrt');
const HEX_BYTE = classOf("0123456789abcdefABCDEF");

/** Index of the first byte from `at` that is not JSON white space. */
export function skipSpace(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit && SPACE_BYTE[bytes[at]] === 1) at++;
  return at;
}

/**
 * Index after the multi-byte UTF-8 character at `at`, or -1 where it is malformed (RFC 3629:
 * overlong forms, surrogates, beyond U+10FFFF, cut off by the limit).
 */
export function utf8End(bytes: Uint8Array, at: number, limit: number): number {
  const lead = bytes[at];
  if (lead < 0xe0) {
    return lead >= 0xc2 && at + 1 < limit && (bytes[at + 1] & 0xc0) === 0x80 ? at + 2 : -1;
  }
  if (at + 2 >= limit || (bytes[at + 2] & 0xc0) !== 0x80) return -1;
  const second = bytes[at + 1];
  if (lead < 0xf0) {
    const low = lead === 0xe0 ? 0xa0 : 0x80;
    const high = lead === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high ? at + 3 : -1;
  }
  if (lead > 0xf4 || at + 3 >= limit || (bytes[at + 3] & 0xc0) !== 0x80) return -1;
  const low = lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high ? at + 4 : -1;
}

/** Whether four hexadecimal digits stand at `at`. */
export function isHex4(bytes: Uint8Array, at: number, limit: number): boolean {
  return at + 4 <= limit &&
    (HEX_BYTE[bytes[at]] & HEX_BYTE[bytes[at + 1]] & HEX_BYTE[bytes[at + 2]] &
        HEX_BYTE[bytes[at + 3]]) === 1;
}

/** From after the opening quote: index of the closing quote, or ~fault. */
export function stringEnd(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit) {
    const byte = bytes[at];
    if (PLAIN_BYTE[byte] === 1) {
      at++;
    } else if (byte === QUOTE) {
      return at;
    } else if (byte >= 0x80) {
      const next = utf8End(bytes, at, limit);
      if (next < 0) return ~at;
      at = next;
    } else if (byte === BACKSLASH && at + 1 < limit) {
      if (ESCAPE_BYTE[bytes[at + 1]] === 1) at += 2;
      else if (bytes[at + 1] === LOWER_U && isHex4(bytes, at + 2, limit)) at += 6;
      else return ~at;
    } else {
      return ~at;
    }
  }
  return ~limit;
}

function digitsEnd(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit && bytes[at] >= ZERO && bytes[at] <= 0x39) at++;
  return at;
}

/** From the sign or first digit: index after the number, or ~fault. */
export function numberEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at < limit && bytes[at] === MINUS) at++;
  let end = digitsEnd(bytes, at, limit);
  if (end === at || (bytes[at] === ZERO && end > at + 1)) return ~at;
  if (end < limit && bytes[end] === DOT) {
    at = end + 1;
    end = digitsEnd(bytes, at, limit);
    if (end === at) return ~at;
  }
  if (end < limit && (bytes[end] | 0x20) === 0x65) {
    at = end + 1;
    if (at < limit && (bytes[at] === 0x2b || bytes[at] === MINUS)) at++;
    end = digitsEnd(bytes, at, limit);
    if (end === at) return ~at;
  }
  return end;
}

/** Index after `true`, `false` or `null` at `at`, or ~fault. */
export function literalEnd(bytes: Uint8Array, at: number, limit: number): number {
  const word = bytes[at] === 0x74 ? TRUE : bytes[at] === 0x66 ? FALSE : NULL;
  if (at + word.length > limit) return ~at;
  for (let index = 0; index < word.length; index++) {
    if (bytes[at + index] !== word[index]) return ~at;
  }
  return at + word.length;
}

const TRUE = Uint8Array.of(0x74, 0x72, 0x75, 0x65);
const FALSE = Uint8Array.of(0x66, 0x61, 0x6c, 0x73, 0x65);
const NULL = Uint8Array.of(0x6e, 0x75, 0x6c, 0x6c);

/** From where a key must begin, white space allowed: index of its value, or ~fault. */
function keyEnd(bytes: Uint8Array, at: number, limit: number): number {
  at = skipSpace(bytes, at, limit);
  if (at >= limit || bytes[at] !== QUOTE) return ~at;
  at = stringEnd(bytes, at + 1, limit);
  if (at < 0) return at;
  at = skipSpace(bytes, at + 1, limit);
  return at < limit && bytes[at] === COLON ? skipSpace(bytes, at + 1, limit) : ~at;
}

/** One bit per open level: 1 = object, 0 = array. Kept from call to call. */
let nesting = new Uint32Array(32);

function enter(depth: number, isObject: boolean): void {
  const word = depth >>> 5;
  if (word === nesting.length) {
    const grown = new Uint32Array(word * 2);
    grown.set(nesting);
    nesting = grown;
  }
  const bit = 1 << (depth & 31);
  nesting[word] = isObject ? nesting[word] | bit : nesting[word] & ~bit;
}

/** From after a value at `depth` > 0: after the `,` or closing bracket that follows, or ~fault. */
function separatorEnd(bytes: Uint8Array, at: number, limit: number, isObject: boolean): number {
  at = skipSpace(bytes, at, limit);
  if (at >= limit) return ~at;
  const byte = bytes[at];
  if (byte !== COMMA && byte !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return ~at;
  return at + 1;
}

/** Index after the JSON value that begins at or after `at`, white space allowed; or ~fault. */
export function jsonEnd(bytes: Uint8Array, at: number, limit: number): number {
  let depth = 0;
  at = skipSpace(bytes, at, limit);
  for (;;) {
    // A value begins at `at`; an opened array or object loops back here for its first value.
    if (at >= limit) return ~limit;
    const byte = bytes[at];
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      const isObject = byte === OPEN_OBJECT;
      at = skipSpace(bytes, at + 1, limit);
      if (at >= limit || bytes[at] !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        enter(depth++, isObject);
        if (isObject) at = keyEnd(bytes, at, limit);
        if (at < 0) return at;
        continue;
      }
      at++;
    } else {
      at = scalarEnd(bytes, at, limit);
      if (at < 0) return at;
    }
    // A value has ended: close what ends with it, up to the next value or the outermost end.
    for (;;) {
      if (depth === 0) return at;
      const isObject = (nesting[(depth - 1) >>> 5] >>> ((depth - 1) & 31) & 1) === 1;
      at = separatorEnd(bytes, at, limit, isObject);
      if (at < 0) return at;
      if (bytes[at - 1] === COMMA) {
        at = isObject ? keyEnd(bytes, at, limit) : skipSpace(bytes, at, limit);
        if (at < 0) return at;
        break;
      }
      depth--;
    }
  }
}

function scalarEnd(bytes: Uint8Array, at: number, limit: number): number {
  const byte = bytes[at];
  if (byte === QUOTE) {
    const end = stringEnd(bytes, at + 1, limit);
    return end < 0 ? end : end + 1;
  }
  if (byte === MINUS || (byte >= ZERO && byte <= 0x39)) return numberEnd(bytes, at, limit);
  return literalEnd(bytes, at, limit);
}

/** Index after the one JSON value from `start` (leading white space allowed), or -1. */
export function checkJson(bytes: Uint8Array, start: number, limit: number): number {
  return Math.max(jsonEnd(bytes, start, limit), -1);
}
