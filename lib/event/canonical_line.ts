/**
 * The canonical event and its line in the log, both ways.
 */
import {
  amountOfProperties,
  type CanonicalEvent,
  CATEGORY_NAMES,
  categoryOfType,
  makeProperties,
  type PropertyValue,
} from "./event.ts";
import type { EventScan } from "./event_scan.ts";
import { timestampText } from "./insert_defaults.ts";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

/**
 * The event as one line of UTF-8 JSON without the newline: a plain REST event that lacks nothing,
 * so it can be read by whatever reads those. `category` and `amount` are written only where the
 * type and the properties do not already say the same.
 *
 * The line scans as SCAN_COMPLETE with the same fields, unless a text holds something that JSON
 * must escape in a place where the scanner takes no escapes (`"`, `\` or a control character in
 * id, user_id, event_type, source, session_id or a property's key): then it scans as SCAN_SLOW and
 * validatePlain gives the same event.
 */
export function writeCanonicalLine(event: CanonicalEvent): Uint8Array<ArrayBuffer> {
  let line = `{"id":${JSON.stringify(event.id)},"user_id":${JSON.stringify(event.userId)}` +
    `,"event_type":${JSON.stringify(event.type)},"timestamp":${timestampText(event.timestampMs)}`;
  if (event.source !== null) line += `,"source":${JSON.stringify(event.source)}`;
  if (event.sessionId !== null) line += `,"session_id":${JSON.stringify(event.sessionId)}`;
  if (event.category !== categoryOfType(event.type)) {
    line += `,"category":"${CATEGORY_NAMES[event.category]}"`;
  }
  if (event.amount !== null && event.amount !== amountOfProperties(event.properties)) {
    line += `,"amount":${event.amount}`;
  }
  const properties = JSON.stringify(event.properties);
  if (properties !== "{}") line += `,"properties":${properties}`;
  return encodeUtf8(`${line}}`);
}

/**
 * The event that a SCAN_COMPLETE scan of `bytes` found. For tests and cold reads; what a
 * SCAN_DEFAULTS event lacks comes out as "" and NaN.
 */
export function eventFromScan(bytes: Uint8Array, scan: EventScan): CanonicalEvent {
  const text = (start: number, end: number): string => decodeUtf8(bytes.subarray(start, end));
  const optional = (start: number, end: number): string | null =>
    start < 0 ? null : text(start, end);
  const properties: Record<string, PropertyValue> = scan.propertiesStart < 0
    ? {}
    : JSON.parse(text(scan.propertiesStart, scan.propertiesEnd));
  return {
    id: optional(scan.idStart, scan.idEnd) ?? "",
    userId: text(scan.userStart, scan.userEnd),
    sessionId: optional(scan.sessionStart, scan.sessionEnd),
    type: text(scan.typeStart, scan.typeEnd),
    category: scan.category,
    timestampMs: scan.timestampMs,
    source: optional(scan.sourceStart, scan.sourceEnd),
    properties: makeProperties(Object.entries(properties)),
    amount: Number.isNaN(scan.amount) ? null : scan.amount,
  };
}
