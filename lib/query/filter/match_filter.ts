/** Whether an event matches a filter: the meaning of filter.ts in plain code, for one event. */

import type { PropertyValue } from "../../event/event.ts";
import {
  type Comparand,
  type Condition,
  type FieldName,
  type Filter,
  NUMBER_TEXT,
  type Subject,
} from "./filter.ts";

/** What a filter can see of an event. */
export interface EventView {
  readonly id: string;
  readonly userId: string;
  /** As given, or derived. */
  readonly sessionId: string;
  readonly type: string;
  /** CATEGORY_*, 1 to 4. */
  readonly category: number;
  /** Ms since the epoch, as is `receivedAtMs`. */
  readonly timestampMs: number;
  readonly receivedAtMs: number;
  readonly source: string | null;
  readonly amount: number | null;
  /** Without nulls; an object without a prototype, or one whose own keys alone count. */
  readonly properties: Readonly<Record<string, PropertyValue>>;
  /** One of them, where that costs less than having them all; null = there is none. */
  propertyOf?(key: string): PropertyValue | null;
}

/** Whether the event matches; every event matches null. */
export function matchesFilter(filter: Filter | null, event: EventView): boolean {
  if (filter === null) return true;
  if ("filters" in filter) {
    const { kind, filters } = filter;
    const matches = (each: Filter) => matchesFilter(each, event);
    return kind === "and" ? filters.every(matches) : filters.some(matches);
  }
  return matchesValue(filter, valueOf(filter.subject, event));
}

/** Whether a subject of this value matches; null = it is missing. */
export function matchesValue(condition: Condition, value: PropertyValue | null): boolean {
  switch (condition.kind) {
    case "in":
      return condition.values.some((each) => isEqual(each, value)) !== condition.negated;
    case "contains":
      return typeof value === "string" && value.includes(condition.text);
    case "starts_with":
      return typeof value === "string" && value.startsWith(condition.text);
    case "exists":
      return (value !== null) !== condition.negated;
    default: {
      const number = numberView(value);
      if (number === null) return false;
      if (condition.kind === "gt") return number > condition.number;
      if (condition.kind === "gte") return number >= condition.number;
      return condition.kind === "lt" ? number < condition.number : number <= condition.number;
    }
  }
}

/** What an event has of a subject; null = nothing. */
export function valueOf(subject: Subject, event: EventView): PropertyValue | null {
  if (subject.kind === "field") return FIELD_VALUES[subject.name](event);
  if (event.propertyOf !== undefined) return event.propertyOf(subject.key);
  const { properties } = event;
  return Object.hasOwn(properties, subject.key) ? properties[subject.key] : null;
}

/** The number view of a value; null = it has none. */
export function numberView(value: PropertyValue | null): number | null {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !NUMBER_TEXT.test(value)) return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** The text view of a value; null = it has none. */
export function textView(value: PropertyValue | null): string | null {
  return value === null ? null : String(value);
}

const FIELD_VALUES: Readonly<Record<FieldName, (event: EventView) => PropertyValue | null>> = {
  id: (event) => event.id,
  user_id: (event) => event.userId,
  session_id: (event) => event.sessionId,
  type: (event) => event.type,
  category: (event) => event.category,
  timestamp: (event) => event.timestampMs,
  received_at: (event) => event.receivedAtMs,
  source: (event) => event.source,
  amount: (event) => event.amount,
};

function isEqual(comparand: Comparand, value: PropertyValue | null): boolean {
  return typeof comparand === "number"
    ? numberView(value) === comparand
    : textView(value) === comparand;
}
