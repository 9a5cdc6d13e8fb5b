/**
 * Finds the user of a canonical line, which is the key of its Kafka record. The lines were checked
 * before, so this only has to tell strings, objects and the rest apart, and stops at the first hit.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;
const NAME = new TextEncoder().encode("user_id");

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A range of bytes; one object, used again for every line. */
export class UserKey {
  /** The line itself, or the key alone where it had to be unescaped. */
  source: Uint8Array = new Uint8Array(0);
  /** -1 = the line names no user. */
  start = -1;
  end = -1;
}

/** Notes in `key` where the top-level user_id of the JSON object `bytes[start, end)` lies. */
export function findUserKey(bytes: Uint8Array, start: number, end: number, key: UserKey): void {
  key.source = bytes;
  key.start = key.end = -1;
  let at = skipSpace(bytes, start);
  if (at >= end || bytes[at] !== OPEN_BRACE) return;
  at = skipSpace(bytes, at + 1);
  while (at < end && bytes[at] === QUOTE) {
    const nameStart = at + 1;
    const nameEnd = stringEnd(bytes, nameStart, end);
    // The colon, with white space around it.
    at = skipSpace(bytes, skipSpace(bytes, nameEnd + 1) + 1);
    if (isName(bytes, nameStart, nameEnd)) {
      if (at < end && bytes[at] === QUOTE) {
        noteUser(bytes, at + 1, stringEnd(bytes, at + 1, end), key);
      }
      return;
    }
    at = skipSpace(bytes, skipValue(bytes, at, end));
    if (bytes[at] !== COMMA) return;
    at = skipSpace(bytes, at + 1);
  }
}

function isName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== NAME.length) return false;
  for (let i = 0; i < NAME.length; i++) if (bytes[start + i] !== NAME[i]) return false;
  return true;
}

function noteUser(bytes: Uint8Array, start: number, end: number, key: UserKey): void {
  let escape = start;
  while (escape < end && bytes[escape] !== BACKSLASH) escape++;
  if (escape === end) {
    key.start = start;
    key.end = end;
    return;
  }
  const user = unescaped(decoder.decode(bytes.subarray(start - 1, end + 1)));
  if (user === null) return;
  key.source = encoder.encode(user);
  key.start = 0;
  key.end = key.source.length;
}

function unescaped(text: string): string | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the line is no JSON, and has no user
  }
}

function skipSpace(bytes: Uint8Array, at: number): number {
  while (bytes[at] <= SPACE) at++;
  return at;
}

/** The place of the closing quote; `end` when there is none. */
function stringEnd(bytes: Uint8Array, at: number, end: number): number {
  for (; at < end && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
  return Math.min(at, end);
}

/** The place after the value at `at`. */
function skipValue(bytes: Uint8Array, at: number, end: number): number {
  let depth = 0;
  for (; at < end; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = stringEnd(bytes, at + 1, end);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth--;
    } else if (byte === COMMA && depth === 0) return at;
  }
  return end;
}
