/**
 * Making the Rejection of one event.
 */
import { ECHO_CHARS_MAX, ID_CHARS_MAX } from "../config/limits.ts";
import { isLongerThan } from "./event.ts";
import type { Refusal } from "./slow_verdict.ts";
import { EVENT_REASONS, type EventReasonCode } from "./reasons.ts";

/** A rejection; without a message of its own it gets the reason's general one. */
export function reject(
  code: EventReasonCode,
  field: string,
  id: string | null,
  message: string = EVENT_REASONS[code].message,
): Refusal {
  return { ok: false, rejection: { code, field: shortened(field), message, id } };
}

/** A rejection whose message is the field's name and what is to be said of it. */
export function rejectField(
  code: EventReasonCode,
  field: string,
  id: string | null,
  predicate: string,
): Refusal {
  return reject(code, field, id, `${shortened(field)} ${predicate}`);
}

function shortened(field: string): string {
  const cut = field.length <= ECHO_CHARS_MAX ? field : `${field.slice(0, ECHO_CHARS_MAX)}…`;
  // The key at fault may be the very one that holds half a surrogate pair.
  return cut.toWellFormed();
}

/** The id of a refused event, where it has one that an answer can name. */
export function idOf(event: unknown): string | null {
  if (typeof event !== "object" || event === null || !("id" in event)) return null;
  const id = event.id;
  if (typeof id !== "string" || id === "" || isLongerThan(id, ID_CHARS_MAX)) return null;
  return id.isWellFormed() && !id.includes("\0") ? id : null;
}
