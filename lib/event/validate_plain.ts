/**
 * The slow path for the plain REST event (contract, section 1): parse, zod, defaults.
 *
 * Gives the same verdict as the scanner wherever that has one, and tells what is wrong otherwise.
 */
import { z } from "zod";
import {
  ID_CHARS_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../config/limits.ts";
import { amountOfProperties, categoryOfType, makeProperties } from "./event.ts";
import { parseDocument } from "./parse_document.ts";
import { idOf, reject } from "./rejection.ts";
import type { SlowContext, SlowVerdict } from "./slow_verdict.ts";
import {
  amount,
  category,
  filledText,
  propertiesFault,
  propertyMap,
  rejectFuture,
  rejectIssue,
  textUpTo,
  timestampMs,
} from "./validate_fields.ts";

/** A plain event, also for the OpenAPI document. */
export const plainEvent = z.object({
  id: filledText(ID_CHARS_MAX).optional()
    .describe("The same id is counted once; a UUIDv7 is made if missing"),
  user_id: filledText(USER_ID_CHARS_MAX).describe("Whose event it is"),
  event_type: filledText(TYPE_CHARS_MAX).describe("What happened, such as page_view"),
  timestamp: timestampMs.optional()
    .describe("RFC 3339, or unix seconds or milliseconds; the time of arrival if missing or 0"),
  source: textUpTo(SOURCE_CHARS_MAX).optional().describe("Where it comes from, such as web"),
  session_id: filledText(SESSION_ID_CHARS_MAX).optional().describe("Derived if missing"),
  category: category.optional().describe("The one that event_type spells, else CUSTOM, if missing"),
  amount: amount.optional().describe("What is added up as revenue; the property amount if missing"),
  properties: propertyMap.optional().describe("Texts, numbers and booleans by name"),
}).meta({ id: "PlainEvent", additionalProperties: true });

/**
 * The verdict on one plain event. A top-level null is a missing field, a null property is dropped,
 * unknown top-level keys are ignored; a missing id is made, a missing or 0 timestamp is now.
 */
export function validatePlain(bytes: Uint8Array, context: SlowContext): SlowVerdict {
  const parsed = parseDocument(bytes);
  if (!parsed.ok) return parsed;
  const id = idOf(parsed.value);
  const given = Object.fromEntries(
    Object.entries(parsed.value).filter(([, value]) => value !== null),
  );
  const result = plainEvent.safeParse(given, { reportInput: true });
  if (!result.success) return rejectIssue(result.error, id);
  const event = result.data;
  const timestamp = event.timestamp || context.receivedAtMs;
  const future = rejectFuture(timestamp, context.receivedAtMs, id);
  if (future !== null) return future;
  const properties = event.properties ?? makeProperties([]);
  const fault = propertiesFault(properties);
  if (fault !== null) return reject(fault.code, "properties", id, fault.message);
  return {
    ok: true,
    event: {
      id: event.id ?? context.makeId(),
      userId: event.user_id,
      sessionId: event.session_id ?? null,
      type: event.event_type,
      category: event.category ?? categoryOfType(event.event_type),
      timestampMs: timestamp,
      source: event.source || null,
      properties,
      amount: event.amount ?? amountOfProperties(properties),
    },
  };
}
