/**
 * The first half of the slow path: from bytes to a parsed JSON value that holds no surprises.
 */
import { EVENT_BYTES_MAX } from "../config/limits.ts";
import { jsonEnd, skipSpace } from "./check_json.ts";
import { idOf, reject } from "./rejection.ts";
import type { Refusal } from "./slow_verdict.ts";
import { decodeUtf8 } from "./text_coding.ts";
import { findTextFault } from "./text_faults.ts";

/** A JSON object, or why there is none. */
export type ParsedDocument =
  | { readonly ok: true; readonly value: Record<string, unknown> }
  | Refusal;

/**
 * Parses one document, white space around it allowed, as an object without duplicate keys,
 * `__proto__`, U+0000, halves of surrogate pairs and numbers beyond a double.
 *
 * `eventOf` finds the event in the document, whose id a rejection names.
 */
export function parseDocument(
  bytes: Uint8Array,
  eventOf: (value: unknown) => unknown = (value) => value,
): ParsedDocument {
  let text: string;
  try {
    text = decodeUtf8(bytes);
  } catch {
    return reject("invalid_utf8", "", null);
  }
  if (valueLength(bytes) > EVENT_BYTES_MAX) return rejectLarge(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return reject("invalid_json", "", null, syntaxMessage(bytes));
  }
  const id = idOf(eventOf(value));
  const fault = findTextFault(text);
  if (fault !== null) return reject(fault.code, fault.field, id);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return reject("not_an_object", "", null);
  }
  return { ok: true, value: value as Record<string, unknown> };
}

/** Bytes without the white space around them. */
function valueLength(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && isSpace(bytes[end - 1])) end--;
  return end - skipSpace(bytes, 0, end);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * Too large, or not JSON at all: told apart without parsing, because megabytes of `[[[[` would
 * become a hundred times as many bytes of arrays.
 */
function rejectLarge(bytes: Uint8Array): ParsedDocument {
  const end = jsonEnd(bytes, 0, bytes.length);
  if (end < 0 || skipSpace(bytes, end, bytes.length) < bytes.length) {
    return reject("invalid_json", "", null, syntaxMessage(bytes));
  }
  return reject(
    "event_too_large",
    "",
    null,
    `an event must not be longer than ${EVENT_BYTES_MAX} bytes of JSON; shorten it`,
  );
}

/** Where the text stops being JSON. */
function syntaxMessage(bytes: Uint8Array): string {
  const end = jsonEnd(bytes, 0, bytes.length);
  const at = end < 0 ? ~end : skipSpace(bytes, end, bytes.length);
  if (at >= bytes.length) return "the JSON text is cut off; send the whole value";
  return `the text is not valid JSON (RFC 8259) at byte ${at}; mend or escape what stands there`;
}
