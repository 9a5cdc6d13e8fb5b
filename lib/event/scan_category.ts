/**
 * The category of an event from the bytes of its type, and from those of a category's name.
 * The same rules as categoryOfType and CATEGORY_NAMES of event.ts, held equal by scan_test.ts.
 */
import { CATEGORY_CUSTOM, CATEGORY_NAMES } from "./event.ts";

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** EVENT_TYPE_* by number, and the same without that prefix, as bytes. */
const NAMES = CATEGORY_NAMES.map(asciiBytes);
const PREFIX = asciiBytes("event_type_");
const SHORT_NAMES = CATEGORY_NAMES.map((name) => asciiBytes(name.slice(PREFIX.length)));

/** Longest type that can name a category, bytes. */
const NAMING_BYTES_MAX = Math.max(...NAMES.map((name) => name.length));

/** Category that a type in bytes[start, end) stands for, letters of either case. */
export function categoryOfTypeBytes(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > NAMING_BYTES_MAX) return CATEGORY_CUSTOM;
  const at = equalsIgnoringCase(bytes, start, end, PREFIX) ? start + PREFIX.length : start;
  const nameLength = end - at;
  if (nameLength < 4 || nameLength > 11) return CATEGORY_CUSTOM;
  for (let category = 1; category < SHORT_NAMES.length; category++) {
    const name = SHORT_NAMES[category];
    if (nameLength === name.length && equalsIgnoringCase(bytes, at, end, name)) return category;
  }
  return CATEGORY_CUSTOM;
}

/** Whether bytes[start, end) begin with a name of letters and `_`, ASCII case aside. */
function equalsIgnoringCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: Uint8Array,
): boolean {
  if (end - start < name.length) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[start + index];
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== (name[index] === 0x5f ? 0x5f : name[index] | 0x20)) return false;
  }
  return true;
}

/** Category whose exact name EVENT_TYPE_* is bytes[start, end), or -1. */
export function categoryOfNameBytes(bytes: Uint8Array, start: number, end: number): number {
  for (let category = 1; category < NAMES.length; category++) {
    const name = NAMES[category];
    if (name.length !== end - start) continue;
    let same = 0;
    while (same < name.length && bytes[start + same] === name[same]) same++;
    if (same === name.length) return category;
  }
  return -1;
}
