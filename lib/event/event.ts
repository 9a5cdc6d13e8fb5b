/**
 * The canonical event: what every form of input (plain REST, `analytics.v1`, foreign records of
 * the log) means, and the rules that give its category and amount.
 */
import { type EventReasonCode } from "./reasons.ts";

/** What a property may hold. */
export type PropertyValue = string | number | boolean;

/** EVENT_TYPE_USER of `analytics.v1.EventType`. */
export const CATEGORY_USER = 1;
/** EVENT_TYPE_TRANSACTION. */
export const CATEGORY_TRANSACTION = 2;
/** EVENT_TYPE_SYSTEM. */
export const CATEGORY_SYSTEM = 3;
/** EVENT_TYPE_CUSTOM. */
export const CATEGORY_CUSTOM = 4;

/** `EVENT_TYPE_*` name by its number; 0 is EVENT_TYPE_UNSPECIFIED. */
export const CATEGORY_NAMES: readonly string[] = [
  "EVENT_TYPE_UNSPECIFIED",
  "EVENT_TYPE_USER",
  "EVENT_TYPE_TRANSACTION",
  "EVENT_TYPE_SYSTEM",
  "EVENT_TYPE_CUSTOM",
];

/** One event with all that the platform keeps of it. */
export interface CanonicalEvent {
  id: string;
  userId: string;
  /** Given by the client; null = the session is derived from inactivity. */
  sessionId: string | null;
  /** What happened: `page_view`, `purchase`. */
  type: string;
  /** CATEGORY_*, 1 to 4. */
  category: number;
  /** Event time, whole ms since the epoch, at least 1. */
  timestampMs: number;
  source: string | null;
  /** An object without a prototype, so that no key means anything to JavaScript. */
  properties: Record<string, PropertyValue>;
  /** 0 or more; null = none. */
  amount: number | null;
}

/** Why one event is refused. */
export interface Rejection {
  readonly code: EventReasonCode;
  /** Path of the field at fault, such as `user_id` or `properties.color`; "" = the whole event. */
  readonly field: string;
  /** What is wrong and how to mend it. */
  readonly message: string;
  /** The event's id where it has a valid one. */
  readonly id: string | null;
}

const CATEGORY_OF_TYPE = /^(?:event_type_)?(?:(user)|(transaction)|(system)|custom)$/i;

/** The category that a plain event's type stands for: its own name, else CUSTOM. */
export function categoryOfType(type: string): number {
  const match = CATEGORY_OF_TYPE.exec(type);
  if (match === null) return CATEGORY_CUSTOM;
  if (match[1] !== undefined) return CATEGORY_USER;
  if (match[2] !== undefined) return CATEGORY_TRANSACTION;
  return match[3] !== undefined ? CATEGORY_SYSTEM : CATEGORY_CUSTOM;
}

const DECIMAL_AMOUNT = /^\d{1,15}(?:\.\d{1,15})?$/;

/**
 * The amount that the property `amount` stands for: a number of 0 or more, or a plain decimal
 * string (a map<string,string> can send nothing else); null = it stands for none.
 */
export function amountOfProperties(properties: Record<string, PropertyValue>): number | null {
  const value = properties.amount;
  if (typeof value === "number") return value >= 0 ? value : null;
  return typeof value === "string" && DECIMAL_AMOUNT.test(value) ? Number(value) : null;
}

/** Properties from entries: no prototype, nulls dropped, -0 as 0 (JSON text has no -0 for JS). */
export function makeProperties(
  entries: Iterable<readonly [string, PropertyValue | null]>,
): Record<string, PropertyValue> {
  const properties: Record<string, PropertyValue> = Object.create(null);
  for (const [key, value] of entries) {
    if (value !== null) properties[key] = typeof value === "number" ? value + 0 : value;
  }
  return properties;
}

/** Whether a text has more than `charsMax` Unicode code points. */
export function isLongerThan(text: string, charsMax: number): boolean {
  if (text.length <= charsMax) return false;
  let chars = 0;
  for (const _char of text) {
    if (++chars > charsMax) return true;
  }
  return false;
}
