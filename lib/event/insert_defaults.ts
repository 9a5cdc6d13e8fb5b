/**
 * The medium path: an event that lacks only its id, its timestamp or both is not parsed either; the
 * missing members are put in front of its others, and its bytes copied behind them.
 */
import { ID_CHARS_MAX, TIMESTAMP_SECONDS_BELOW } from "../config/limits.ts";
import type { EventScan } from "./event_scan.ts";

/** `"id":"",` and `"timestamp":"YYYY-MM-DDTHH:MM:SS.sssZ",` around the longest id, bytes. */
export const INSERTED_BYTES_MAX = 8 + ID_CHARS_MAX + 39;

/** An id that JSON text holds as it is: ASCII without controls, `"` and `\`. */
const PLAIN_ID = /^[ !#-[\]-~]+$/;

/** JSON text of a time: a number where that reads as milliseconds, else RFC 3339 in quotes. */
export function timestampText(timestampMs: number): string {
  return timestampMs >= TIMESTAMP_SECONDS_BELOW
    ? String(timestampMs)
    : `"${new Date(timestampMs).toISOString()}"`;
}

/**
 * Copies a SCAN_DEFAULTS event bytes[start, end) into `target` from `at` on, with what it lacks
 * put in right after its `{`. Gives the index after the copy, which scans as SCAN_COMPLETE.
 *
 * @param id taken when the event has none: 1 to ID_CHARS_MAX characters of plain ASCII
 * @param timestampMs taken when the event has none: whole ms since the epoch, at least 1
 * @throws RangeError when the id is not plain or `target` has no room for end - start +
 *   INSERTED_BYTES_MAX bytes
 */
export function insertDefaults(
  bytes: Uint8Array,
  start: number,
  end: number,
  scan: EventScan,
  id: string,
  timestampMs: number,
  target: Uint8Array,
  at: number,
): number {
  let inserted = "";
  if (scan.idStart < 0) {
    if (!PLAIN_ID.test(id) || id.length > ID_CHARS_MAX) throw new RangeError("the id is not plain");
    inserted = `"id":"${id}",`;
  }
  if (Number.isNaN(scan.timestampMs)) inserted += `"timestamp":${timestampText(timestampMs)},`;
  // The object has members, user_id at least, so the comma after the inserted ones is right.
  target[at++] = 0x7b;
  at = writeAscii(inserted, target, at);
  target.set(bytes.subarray(start + 1, end), at);
  return at + end - start - 1;
}

function writeAscii(text: string, target: Uint8Array, at: number): number {
  for (let index = 0; index < text.length; index++) target[at + index] = text.charCodeAt(index);
  return at + text.length;
}
