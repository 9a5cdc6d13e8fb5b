/**
 * Columns of an event as exports and SQL show it, in order: the canonical event (docs/EVENTS.md) and
 * when it was received.
 */
import { FIELD_NAMES } from "./filter/filter.ts";

export const EVENT_COLUMNS = [...FIELD_NAMES, "properties"] as const;

export type EventColumn = typeof EVENT_COLUMNS[number];

/** A column of exported rows: one of the event's, or one property as text; `as` is its name there. */
export type RowField =
  | { readonly kind: "field"; readonly name: EventColumn; readonly as: string }
  | { readonly kind: "property"; readonly key: string; readonly as: string };

/** All columns of an event. */
export const EVENT_FIELDS: readonly RowField[] = EVENT_COLUMNS.map(fieldOf);

/** One of the event's own columns under its own name. */
export function fieldOf(name: EventColumn): RowField {
  return { kind: "field", name, as: name };
}
