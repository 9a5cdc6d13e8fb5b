/**
 * The scanner: one pass over the bytes of an event that checks it and notes where its fields lie.
 *
 * The hot path of ingest and of the shards. A complete valid event is never parsed: its bytes go
 * into the log as they are. The pass below knows only what such events look like, and gives up at
 * the first byte that is odd in any way (an escape in a key, a null, a newline between tokens, a
 * rule broken); then checkJson tells whether it is JSON at all, and the slow path (validate.ts)
 * has the last word. So COMPLETE and DEFAULTS are promises, SLOW promises nothing; scan_test.ts
 * holds both paths equal. Nothing is allocated, but for a number that has an exponent.
 */
import {
  EVENT_BYTES_MAX,
  FUTURE_MS_MAX,
  ID_CHARS_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../config/limits.ts";
import { jsonEnd, skipSpace } from "./check_json.ts";
import { EventScan, SCAN_COMPLETE, SCAN_DEFAULTS, SCAN_INVALID, SCAN_SLOW } from "./event_scan.ts";
import { INSERTED_BYTES_MAX } from "./insert_defaults.ts";
import { KeySet } from "./key_set.ts";
import { categoryOfNameBytes, categoryOfTypeBytes } from "./scan_category.ts";
import {
  numberValue,
  simpleNumberEnd,
  timestampOfDigits,
  timestampOfUtcText,
} from "./scan_number.ts";
import { propertiesEnd, scalarEnd } from "./scan_properties.ts";
import { blankEnd, colonEnd, hasMoreChars, isProtoKey, plainTextEnd } from "./scan_text.ts";

export { checkJson } from "./check_json.ts";
export { EventScan, SCAN_COMPLETE, SCAN_DEFAULTS, SCAN_INVALID, SCAN_SLOW } from "./event_scan.ts";
export { insertDefaults, INSERTED_BYTES_MAX } from "./insert_defaults.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const NINE = 0x39;
const LOWER_O = 0x6f;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Unknown top-level keys the fast pass puts up with. */
const UNKNOWN_KEYS_MAX = 16;

const FIELD_UNKNOWN = 0;
const FIELD_ID = 1;
const FIELD_USER = 2;
const FIELD_TYPE = 3;
const FIELD_TIMESTAMP = 4;
const FIELD_SOURCE = 5;
const FIELD_SESSION = 6;
const FIELD_PROPERTIES = 7;
const FIELD_AMOUNT = 8;
const FIELD_CATEGORY = 9;

const REQUIRED = (1 << FIELD_USER) | (1 << FIELD_TYPE);

const unknownKeys = new KeySet(UNKNOWN_KEYS_MAX);

/**
 * Scans ONE JSON value from `start`, leading white space allowed, no further than `limit`.
 *
 * @returns SCAN_COMPLETE or SCAN_DEFAULTS with the fields in `out`; SCAN_SLOW with out.end after
 *   the value; SCAN_INVALID with out.end at the fault.
 */
export function scanEvent(
  bytes: Uint8Array,
  start: number,
  limit: number,
  receivedAtMs: number,
  out: EventScan,
): number {
  const verdict = scanFast(bytes, start, limit, receivedAtMs, out);
  return verdict === SCAN_SLOW ? scanSyntax(bytes, start, limit, out) : verdict;
}

/** The second pass, for what the first gave up on: SCAN_SLOW or SCAN_INVALID. */
export function scanSyntax(
  bytes: Uint8Array,
  start: number,
  limit: number,
  out: EventScan,
): number {
  const end = jsonEnd(bytes, start, limit);
  out.start = skipSpace(bytes, start, limit);
  out.end = end < 0 ? ~end : end;
  return end < 0 ? SCAN_INVALID : SCAN_SLOW;
}

/**
 * The first pass alone: SCAN_COMPLETE, SCAN_DEFAULTS, or SCAN_SLOW when it gave up, with `out`
 * then undefined. Inside the value it never goes past a newline, which makes it safe to run over
 * NDJSON with the end of all lines as the limit.
 */
export function scanFast(
  bytes: Uint8Array,
  start: number,
  limit: number,
  receivedAtMs: number,
  out: EventScan,
): number {
  out.reset();
  unknownKeys.clear();
  let at = skipSpace(bytes, start, limit);
  if (at >= limit || bytes[at] !== OPEN_OBJECT) return SCAN_SLOW;
  out.start = at;
  let seen = 0;
  do {
    at = blankEnd(bytes, at + 1, limit);
    if (at >= limit || bytes[at] !== QUOTE) return SCAN_SLOW;
    const field = fieldAt(bytes, at + 1, limit);
    const keyEnd = field === FIELD_UNKNOWN
      ? unknownKeyEnd(bytes, at + 1, limit)
      : at + 1 + KEY_BYTES[field];
    if (keyEnd < 0 || (field !== FIELD_UNKNOWN && (seen & (1 << field)) !== 0)) return SCAN_SLOW;
    seen |= 1 << field;
    at = colonEnd(bytes, keyEnd + 1, limit);
    if (at < 0) return SCAN_SLOW;
    at = fieldEnd(field, bytes, at, limit, out);
    if (at < 0) return SCAN_SLOW;
    at = blankEnd(bytes, at, limit);
    if (at >= limit) return SCAN_SLOW;
  } while (bytes[at] === COMMA);
  if (bytes[at] !== CLOSE_OBJECT) return SCAN_SLOW;
  out.end = at + 1;
  return judge(bytes, seen, receivedAtMs, out);
}

/** Field by the first byte of its key; `s` begins two of them. */
const FIELD_OF_BYTE = new Uint8Array(256);
/** Key of each field. */
const KEYS = [
  "",
  "id",
  "user_id",
  "event_type",
  "timestamp",
  "source",
  "session_id",
  "properties",
  "amount",
  "category",
].map((key, field) => {
  const bytes = Uint8Array.from(key, (char) => char.charCodeAt(0));
  if (field !== FIELD_UNKNOWN) FIELD_OF_BYTE[bytes[0]] = field;
  return bytes;
});

/** Length of each field's key. */
const KEY_BYTES = Int32Array.from(KEYS, (key) => key.length);

/** Which known key begins at `at`, its closing quote included. */
function fieldAt(bytes: Uint8Array, at: number, limit: number): number {
  let field = FIELD_OF_BYTE[bytes[at]];
  if (field === FIELD_SESSION && bytes[at + 1] === LOWER_O) field = FIELD_SOURCE;
  const length = KEY_BYTES[field];
  if (at + length >= limit || bytes[at + length] !== QUOTE) return FIELD_UNKNOWN;
  const key = KEYS[field];
  for (let index = 1; index < length; index++) {
    if (bytes[at + index] !== key[index]) return FIELD_UNKNOWN;
  }
  return field;
}

/** From the first byte of a key that is none of ours: its closing quote, or -1. */
function unknownKeyEnd(bytes: Uint8Array, at: number, limit: number): number {
  const end = plainTextEnd(bytes, at, limit);
  return end < 0 || isProtoKey(bytes, at, end) || !unknownKeys.add(bytes, at, end) ? -1 : end;
}

/** From the value of a field: index after it, or -1. Notes the field in `out`. */
function fieldEnd(
  field: number,
  bytes: Uint8Array,
  at: number,
  limit: number,
  out: EventScan,
): number {
  if (field === FIELD_PROPERTIES) {
    return bytes[at] === OPEN_OBJECT ? propertiesEnd(bytes, at, limit, out) : -1;
  }
  if (field === FIELD_UNKNOWN) return scalarEnd(bytes, at, limit);
  if (bytes[at] !== QUOTE) {
    if (field === FIELD_TIMESTAMP) return timestampEnd(bytes, at, limit, out);
    return field === FIELD_AMOUNT ? amountEnd(bytes, at, limit, out) : -1;
  }
  const start = at + 1;
  const end = plainTextEnd(bytes, start, limit);
  if (end < 0) return -1;
  switch (field) {
    case FIELD_ID:
      out.idStart = start;
      out.idEnd = end;
      break;
    case FIELD_USER:
      out.userStart = start;
      out.userEnd = end;
      break;
    case FIELD_TYPE:
      out.typeStart = start;
      out.typeEnd = end;
      break;
    case FIELD_TIMESTAMP:
      out.timestampMs = timestampOfUtcText(bytes, start, end);
      break;
    case FIELD_SOURCE:
      out.sourceStart = start;
      out.sourceEnd = end;
      break;
    case FIELD_SESSION:
      out.sessionStart = start;
      out.sessionEnd = end;
      break;
    case FIELD_CATEGORY:
      out.category = categoryOfNameBytes(bytes, start, end);
      return out.category < 0 ? -1 : end + 1;
    default:
      return -1;
  }
  return end + 1;
}

function timestampEnd(bytes: Uint8Array, at: number, limit: number, out: EventScan): number {
  const end = simpleNumberEnd(bytes, at, limit);
  if (end < 0) return -1;
  out.timestampMs = timestampOfDigits(bytes, at, end);
  return end;
}

function amountEnd(bytes: Uint8Array, at: number, limit: number, out: EventScan): number {
  if (bytes[at] > NINE) return -1;
  const end = scalarEnd(bytes, at, limit);
  if (end < 0) return -1;
  const value = numberValue(bytes, at, end);
  if (!(value >= 0)) return -1;
  out.amount = value + 0; // -0 becomes 0
  return end;
}

/** The rules that need the whole event: SCAN_COMPLETE, SCAN_DEFAULTS or SCAN_SLOW. */
function judge(bytes: Uint8Array, seen: number, receivedAtMs: number, out: EventScan): number {
  if ((seen & REQUIRED) !== REQUIRED) return SCAN_SLOW;
  if (!isTextOk(bytes, out.userStart, out.userEnd, USER_ID_CHARS_MAX)) return SCAN_SLOW;
  if (!isTextOk(bytes, out.typeStart, out.typeEnd, TYPE_CHARS_MAX)) return SCAN_SLOW;
  const hasId = (seen & (1 << FIELD_ID)) !== 0;
  if (hasId && !isTextOk(bytes, out.idStart, out.idEnd, ID_CHARS_MAX)) return SCAN_SLOW;
  if (
    out.sessionStart >= 0 &&
    !isTextOk(bytes, out.sessionStart, out.sessionEnd, SESSION_ID_CHARS_MAX)
  ) return SCAN_SLOW;
  if (out.sourceStart >= 0) {
    if (hasMoreChars(bytes, out.sourceStart, out.sourceEnd, SOURCE_CHARS_MAX)) return SCAN_SLOW;
    // An empty source is none.
    if (out.sourceStart === out.sourceEnd) out.sourceStart = out.sourceEnd = -1;
  }
  const hasTimestamp = (seen & (1 << FIELD_TIMESTAMP)) !== 0;
  if (hasTimestamp && !(out.timestampMs > 0 && out.timestampMs <= receivedAtMs + FUTURE_MS_MAX)) {
    return SCAN_SLOW;
  }
  if (out.category === 0) {
    out.category = categoryOfTypeBytes(bytes, out.typeStart, out.typeEnd);
  }
  const length = out.end - out.start;
  if (hasId && hasTimestamp) return length <= EVENT_BYTES_MAX ? SCAN_COMPLETE : SCAN_SLOW;
  return length + INSERTED_BYTES_MAX <= EVENT_BYTES_MAX ? SCAN_DEFAULTS : SCAN_SLOW;
}

function isTextOk(bytes: Uint8Array, start: number, end: number, charsMax: number): boolean {
  return end > start && !hasMoreChars(bytes, start, end, charsMax);
}
