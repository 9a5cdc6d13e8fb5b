/**
 * The slow path for `analytics.v1.Event` as JSON, bare or as `{"event": ...}` (contract, sections 1
 * and 5): parse, zod, and the turn into the canonical event.
 *
 * The fields of the oneof become properties under their proto names:
 * - fields of nested messages and entries of maps get a dotted name: `user_context.country`,
 *   `metadata.plan`;
 * - a repeated field becomes one property that holds its compact JSON text, whatever its length:
 *   `items` = `[{"item_id":"a",...}]`;
 * - an enum is its name, `status` = `TRANSACTION_STATUS_COMPLETED`;
 * - a string or enum at its default is left out, as proto JSON does; numbers and booleans are
 *   always there with the message that holds them, since proto cannot tell 0 from "not given";
 * - transaction_event.amount is the event's amount and no property.
 * Where `properties` has a key of the same name, the typed field wins.
 */
import {
  amountOfProperties,
  type CanonicalEvent,
  CATEGORY_NAMES,
  makeProperties,
  type PropertyValue,
} from "./event.ts";
import { parseDocument } from "./parse_document.ts";
import { idOf, reject } from "./rejection.ts";
import type { SlowContext, SlowVerdict } from "./slow_verdict.ts";
import { propertiesFault, rejectFuture, rejectIssue } from "./validate_fields.ts";
import { type V1Event, v1Event } from "./validate_v1_schema.ts";

/**
 * The verdict on one `analytics.v1` event. The timestamp is required; an id that is missing or ""
 * is made. Fields of a rejection are named from the event on, wrapped or not.
 */
export function validateV1(bytes: Uint8Array, context: SlowContext): SlowVerdict {
  const parsed = parseDocument(bytes, eventOf);
  if (!parsed.ok) return parsed;
  return validateV1Value(eventOf(parsed.value), context);
}

/** validateV1 of an already parsed event; what no JSON text can hold is not looked for. */
export function validateV1Value(value: unknown, context: SlowContext): SlowVerdict {
  const id = idOf(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return reject("not_an_object", "event", null);
  }
  const result = v1Event.safeParse(value, { reportInput: true });
  if (!result.success) return rejectIssue(result.error, id);
  const event = result.data;
  // 0 means "now" in the plain form only.
  if (event.timestamp === 0) return reject("timestamp_out_of_range", "timestamp", id);
  const future = rejectFuture(event.timestamp, context.receivedAtMs, id);
  if (future !== null) return future;
  const properties = propertiesOf(event);
  const fault = propertiesFault(properties);
  if (fault !== null) return reject(fault.code, "properties", id, fault.message);
  return { ok: true, event: canonicalOf(event, properties, context) };
}

/** The event in a document: the document itself, or what it wraps. */
function eventOf(value: unknown): unknown {
  const isWrapped = typeof value === "object" && value !== null && Object.hasOwn(value, "event");
  return isWrapped ? (value as { event: unknown }).event : value;
}

function canonicalOf(
  event: V1Event,
  properties: Record<string, PropertyValue>,
  context: SlowContext,
): CanonicalEvent {
  return {
    id: event.id || context.makeId(),
    userId: event.user_id,
    sessionId: event.session_id || null,
    type: typeOf(event),
    category: event.event_type,
    timestampMs: event.timestamp,
    source: event.source || null,
    properties,
    amount: event.transaction_event?.amount ?? amountOfProperties(properties),
  };
}

/** What happened, in one word: contract, section 5. */
function typeOf(event: V1Event): string {
  return event.user_event?.action ||
    event.custom_event?.name ||
    lowerCaseAfter("TRANSACTION_TYPE_", event.transaction_event?.type ?? "") ||
    lowerCaseAfter("SYSTEM_EVENT_TYPE_", event.system_event?.type ?? "") ||
    lowerCaseAfter("EVENT_TYPE_", CATEGORY_NAMES[event.event_type]);
}

function lowerCaseAfter(prefix: string, name: string): string {
  return name.slice(prefix.length).toLowerCase();
}

function propertiesOf(event: V1Event): Record<string, PropertyValue> {
  const entries: [string, PropertyValue][] = Object.entries(event.properties ?? {});
  const data = event.user_event ?? event.transaction_event ?? event.system_event ??
    event.custom_event ?? {};
  for (const [name, value] of Object.entries(data)) {
    if (event.transaction_event !== undefined && name === "amount") continue;
    flatten(name, value, entries);
  }
  return makeProperties(entries);
}

/** The messages of the oneof nest two deep at most, so the recursion does too. */
function flatten(name: string, value: unknown, entries: [string, PropertyValue][]): void {
  if (typeof value === "string") {
    if (value !== "") entries.push([name, value]);
  } else if (typeof value === "number" || typeof value === "boolean") {
    entries.push([name, value]);
  } else if (Array.isArray(value)) {
    if (value.length > 0) entries.push([name, JSON.stringify(value)]);
  } else if (value instanceof Map) {
    for (const [key, item] of value) entries.push([`${name}.${key}`, item]);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) flatten(`${name}.${key}`, item, entries);
  }
}
