/**
 * Events of `analytics.v1` that came as protobuf, judged: the fast path writes the line from the
 * wire and has it scanned as any other line; whatever is unusual is decoded by the library and
 * judged as its JSON form is.
 */

import { EVENT_BYTES_MAX } from "../../lib/config/limits.ts";
import { hadMalformedText } from "../../lib/event/malformed_text.ts";
import { idOf, reject } from "../../lib/event/rejection.ts";
import { findTextFault } from "../../lib/event/text_faults.ts";
import { type SlowContext, type SlowVerdict, validateV1Value } from "../../lib/event/validate.ts";
import { msOf, type SecondsAndNanos } from "../../lib/grpc/well_known.ts";

/** A request and where the events in it lie: [start, end) of each, in pairs. */
export interface ProtoPart {
  readonly bytes: Uint8Array;
  readonly events: readonly number[];
}

/** Decodes `analytics.v1.Event`; throws when the bytes are none. */
export type DecodeEvent = (bytes: Uint8Array) => object;

/** The verdict of the slow path on a message. */
export function judgeProtoEvent(
  message: Uint8Array,
  decode: DecodeEvent,
  context: SlowContext,
): SlowVerdict {
  let event: object;
  try {
    event = decode(message);
  } catch {
    return reject("invalid_message", "", null);
  }
  const value = jsonForm(event);
  const text = JSON.stringify(value);
  if (hadMalformedText(message, text)) return reject("invalid_utf8", "", null);
  if (message.length > EVENT_BYTES_MAX) return reject("event_too_large", "", idOf(value));
  const fault = findTextFault(text);
  if (fault !== null) return reject(fault.code, fault.field, idOf(value));
  return validateV1Value(value, context);
}

/** A message in the form that the schemas of its JSON read. */
function jsonForm(event: object): object {
  const { timestamp } = event as { timestamp: SecondsAndNanos | null };
  const ms = msOf(timestamp);
  // As a text: a number would be taken for seconds where it is small.
  return { ...event, timestamp: ms === null ? null : timeText(ms) };
}

/** RFC 3339; a time that it can't write is no time. */
function timeText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
