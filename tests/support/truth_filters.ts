/**
 * Random filters in the JSON form of the API for the truth suite, and whether an event matches one,
 * by the meaning of lib/query/filter/filter.ts, written a second time in the plainest way.
 */
import fc from "fast-check";
import type { PropertyValue } from "../../lib/event/event.ts";
import { TRUTH_PROPERTIES, TRUTH_TYPES, TRUTH_USERS, type TruthEvent } from "./truth_events.ts";

/** A condition or a group, as it is sent. */
export type SentFilter =
  | { readonly property: string; readonly op: string; readonly value?: unknown }
  | { readonly and: readonly SentFilter[] }
  | { readonly or: readonly SentFilter[] };

const PROPERTY_NAMES = [...Object.keys(TRUTH_PROPERTIES), "missing", "properties.type"];
const TEXT_FIELDS = ["type", "event_type", "user_id", "source", "id"];
const NUMBERS = [0, 5, 5.5, -1, 1000, 25.25];

const comparands = fc.constantFrom<PropertyValue>(
  ...Object.values(TRUTH_PROPERTIES).flat(),
  ...TRUTH_TYPES,
  ...TRUTH_USERS,
  "EVENT_TYPE_USER",
  "web",
  "true",
);

const names = fc.constantFrom(...PROPERTY_NAMES, ...TEXT_FIELDS);

/** A name and a value that some events have under it; now and then any other one. */
const named: fc.Arbitrary<readonly [name: string, value: PropertyValue]> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...Object.entries(TRUTH_PROPERTIES).flatMap(([name, values]) =>
        values.map((value) => [name, value] as const)
      ),
      ...TRUTH_TYPES.map((type) => ["type", type] as const),
      ["event_type", "EVENT_TYPE_USER"] as const,
      ...TRUTH_USERS.slice(0, 3).map((user) => ["user_id", user] as const),
      ["source", "web"] as const,
    ),
  },
  { weight: 1, arbitrary: fc.tuple(names, comparands) },
);

const conditions: fc.Arbitrary<SentFilter> = fc.oneof(
  fc.tuple(named, fc.constantFrom("eq", "neq"))
    .map(([[property, value], op]) => ({ property, op, value })),
  fc.tuple(named, fc.constantFrom("in", "not_in"), fc.array(comparands, { maxLength: 2 }))
    .map(([[property, value], op, others]) => ({ property, op, value: [value, ...others] })),
  fc.record({
    property: names,
    op: fc.constantFrom("contains", "starts_with"),
    value: fc.constantFrom("a", "an", "D", "5", "%", "'", "ann-1"),
  }),
  fc.record({
    property: fc.constantFrom("n", "amount", "country"),
    op: fc.constantFrom("gt", "gte", "lt", "lte"),
    value: fc.constantFrom(...NUMBERS),
  }),
  fc.record({
    property: fc.constantFrom(...PROPERTY_NAMES, "source", "amount"),
    op: fc.constantFrom("exists", "not_exists"),
  }),
);

const members = fc.array(conditions, { minLength: 1, maxLength: 3 });
const groups: fc.Arbitrary<SentFilter> = fc.oneof(
  fc.record({ and: members }),
  fc.record({ or: members }),
);

/** Filters of a question; most have none. */
export const truthFilters: fc.Arbitrary<readonly SentFilter[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  {
    weight: 2,
    arbitrary: fc.array(fc.oneof({ weight: 3, arbitrary: conditions }, groups), {
      minLength: 1,
      maxLength: 2,
    }),
  },
);

/** Whether the event matches all of them. */
export function matchesAll(filters: readonly SentFilter[], event: TruthEvent): boolean {
  return filters.every((filter) => matches(filter, event));
}

/** Whether an event is of a type, or of the category that an EVENT_TYPE_* name means. */
export function isOfTypeNamed(name: string, event: TruthEvent): boolean {
  const category = CATEGORIES.indexOf(name);
  return category > 0 ? event.category === category : event.type === name;
}

const CATEGORIES = [
  "",
  "EVENT_TYPE_USER",
  "EVENT_TYPE_TRANSACTION",
  "EVENT_TYPE_SYSTEM",
  "EVENT_TYPE_CUSTOM",
];

function matches(filter: SentFilter, event: TruthEvent): boolean {
  if ("and" in filter) return filter.and.every((each) => matches(each, event));
  if ("or" in filter) return filter.or.some((each) => matches(each, event));
  const { property, op, value } = filter;
  const found = valueNamed(property, event);
  const isOne = (each: unknown) =>
    property === "type" || property === "event_type"
      ? isOfTypeNamed(String(each), event)
      : isEqual(each, found);
  switch (op) {
    case "eq":
      return isOne(value);
    case "neq":
      return !isOne(value);
    case "in":
      return (value as unknown[]).some(isOne);
    case "not_in":
      return !(value as unknown[]).some(isOne);
    case "contains":
      return typeof found === "string" && found.includes(String(value));
    case "starts_with":
      return typeof found === "string" && found.startsWith(String(value));
    case "exists":
      return found !== undefined;
    case "not_exists":
      return found === undefined;
  }
  const number = numberOf(found);
  if (number === undefined) return false;
  const bound = value as number;
  if (op === "gt") return number > bound;
  if (op === "gte") return number >= bound;
  return op === "lt" ? number < bound : number <= bound;
}

/** What an event has under a name; undefined = nothing. */
export function valueNamed(name: string, event: TruthEvent): PropertyValue | undefined {
  switch (name) {
    case "type":
    case "event_type":
      return event.type;
    case "user_id":
      return event.userId;
    case "id":
      return event.id;
    case "source":
      return event.source ?? undefined;
    case "amount":
      return event.amount ?? undefined;
  }
  return event.properties[name.replace(/^properties\./, "")];
}

/** A value as a number, where it is one or a text that is one in JSON. */
export function numberOf(value: PropertyValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^-?\d/.test(value)) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function isEqual(comparand: unknown, found: PropertyValue | undefined): boolean {
  if (found === undefined) return false;
  return typeof comparand === "number"
    ? numberOf(found) === comparand
    : String(found) === String(comparand);
}
