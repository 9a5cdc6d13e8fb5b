/**
 * Filters as clients send them, read strictly: a checked Filter comes out, or a refusal that names
 * the place and what would be valid. Two forms:
 *
 *     the contract's map      {"country": "DE", "plan": "pro"}         all must be equal, as texts
 *     the list, JSON          [{"property": "country", "op": "eq", "value": "DE"},
 *                              {"or": [{"property": "amount", "op": "gte", "value": 100},
 *                                      {"property": "coupon", "op": "exists"}]}]
 *
 * A list means all of its members; groups may be nested FILTER_DEPTH_MAX deep, the list counted.
 * A name is that of an event field (filter.ts) or else of a property; `properties.NAME` always means
 * the property.
 */

import {
  ECHO_CHARS_MAX,
  FILTER_CONDITIONS_MAX,
  FILTER_DEPTH_MAX,
  FILTER_TEXT_CHARS_MAX,
  FILTER_VALUES_MAX,
} from "../../config/limits.ts";
import { timestampOfNumber, timestampOfText } from "../../event/timestamp.ts";
import {
  allOf,
  CATEGORY_NUMBERS,
  type Comparand,
  type Condition,
  FIELD_NAMES,
  type FieldName,
  type Filter,
  isOfType,
  NUMBER_TEXT,
  type Subject,
} from "./filter.ts";

/** Why a filter can't be used: the place in the request, such as `filter[1].or[0].value`. */
export interface FilterRefusal {
  readonly parameter: string;
  readonly detail: string;
}

/** A checked filter, null = no condition; or what is wrong. */
export type ParsedFilter =
  | { readonly ok: true; readonly filter: Filter | null }
  | { readonly ok: false; readonly refusal: FilterRefusal };

export const FILTER_OPS = [
  "eq",
  "neq",
  "in",
  "not_in",
  "contains",
  "starts_with",
  "gt",
  "gte",
  "lt",
  "lte",
  "exists",
  "not_exists",
] as const;

type FilterOp = typeof FILTER_OPS[number];

const OPS: ReadonlySet<string> = new Set(FILTER_OPS);
const CONDITION_KEYS: ReadonlySet<string> = new Set(["property", "op", "value"]);
const TIME_FIELDS: ReadonlySet<string> = new Set(["timestamp", "received_at"]);
/** Fields whose values are numbers in every event. */
const NUMBER_FIELDS: ReadonlySet<string> = new Set([...TIME_FIELDS, "category", "amount"]);
const TEXT_FORM =
  `of at most ${FILTER_TEXT_CHARS_MAX} characters, none of them U+0000 or half of ` +
  "a surrogate pair";
const PROPERTY_PREFIX = "properties.";
const TIME_FORM = "an RFC 3339 date-time such as 2026-01-31T00:00:00Z, or unix seconds or " +
  "milliseconds";

/** A filter from JSON text, as a query parameter or GetFunnelAnalysisRequest.filter has it. */
export function parseFilterText(text: string, place: string): ParsedFilter {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refusal(place, "a filter must be JSON, such as " + EXAMPLE);
  }
  return parseFilter(value, place);
}

/** A filter from a JSON value. `place`: its name in the request, for messages. */
export function parseFilter(value: unknown, place: string): ParsedFilter {
  return reading(() => new FilterReader().read(value, place));
}

/** The contract's map<string,string>: every subject equal to its text. */
export function parseFilterMap(map: unknown, place: string): ParsedFilter {
  return reading(() => {
    if (!isObject(map)) throw new Refused(place, 'must be an object such as {"country": "DE"}');
    const reader = new FilterReader();
    return allOf(
      Object.entries(map).map(([property, value]) => {
        const at = `${place}.${shown(property)}`;
        if (typeof value === "object") throw new Refused(at, "must be a text");
        const parts = { property, op: "eq", value: String(value) };
        return reader.condition(parts, at, { value: at, property: at });
      }),
    );
  });
}

/** The subject that a name means; null = no event could have it. */
export function readSubject(name: unknown): Subject | null {
  return isText(name) && name !== "" ? subjectNamed(name) : null;
}

/** The subject that a name means: an event field, else the property. */
export function subjectNamed(name: string): Subject {
  if (name.startsWith(PROPERTY_PREFIX) && name.length > PROPERTY_PREFIX.length) {
    return { kind: "property", key: name.slice(PROPERTY_PREFIX.length) };
  }
  if (name === "event_type") return { kind: "field", name: "type" };
  return (FIELD_NAMES as readonly string[]).includes(name)
    ? { kind: "field", name: name as FieldName }
    : { kind: "property", key: name };
}

const EXAMPLE = '[{"property": "country", "op": "eq", "value": "DE"}]';

class Refused extends Error {
  constructor(readonly place: string, readonly detail: string) {
    super(detail);
  }
}

/** Where the parts of a condition stand in the request. */
interface Places {
  readonly property: string;
  readonly value: string;
}

class FilterReader {
  #conditions = 0;

  /** A list, a group or a condition. */
  read(value: unknown, place: string, depth = 1): Filter | null {
    if (Array.isArray(value)) {
      if (depth === 1 && value.length === 0) return null;
      return this.#group("and", value, place, depth);
    }
    if (!isObject(value)) throw new Refused(place, `must be a filter, such as ${EXAMPLE}`);
    const kind = "and" in value ? "and" : "or" in value ? "or" : null;
    if (kind === null) return this.#plainCondition(value, place);
    if (Object.keys(value).length > 1) {
      throw new Refused(place, `a group has only one key, "and" or "or"`);
    }
    return this.#group(kind, value[kind], `${place}.${kind}`, depth);
  }

  #group(kind: "and" | "or", members: unknown, place: string, depth: number): Filter {
    if (depth > FILTER_DEPTH_MAX) {
      throw new Refused(place, `groups may be nested at most ${FILTER_DEPTH_MAX} deep`);
    }
    if (!Array.isArray(members) || members.length === 0) {
      throw new Refused(place, "must be a list with at least one filter");
    }
    const filters = members.map((each, index) => {
      return this.read(each, `${place}[${index}]`, depth + 1)!;
    });
    return filters.length === 1 ? filters[0] : { kind, filters };
  }

  #plainCondition(value: Record<string, unknown>, place: string): Filter {
    const unknown = Object.keys(value).find((key) => !CONDITION_KEYS.has(key));
    if (unknown !== undefined) {
      throw new Refused(`${place}.${shown(unknown)}`, "a filter has property, op and value only");
    }
    return this.condition(value, place, {
      property: `${place}.property`,
      value: `${place}.value`,
    });
  }

  /** One comparison: `{property, op, value}`. */
  condition(parts: Record<string, unknown>, place: string, places: Places): Filter {
    if (++this.#conditions > FILTER_CONDITIONS_MAX) {
      throw new Refused(place, `a filter has at most ${FILTER_CONDITIONS_MAX} conditions`);
    }
    const subject = namedSubject(parts.property, places.property);
    const { op, value } = parts;
    if (typeof op !== "string" || !OPS.has(op)) {
      throw new Refused(`${place}.op`, `must be one of ${FILTER_OPS.join(", ")}`);
    }
    return readCondition(subject, op as FilterOp, value, place, places.value);
  }
}

function namedSubject(name: unknown, place: string): Subject {
  const subject = readSubject(name);
  if (subject !== null) return subject;
  throw new Refused(
    place,
    `must name a property, or one of the event's fields ${FIELD_NAMES.join(", ")}`,
  );
}

function readCondition(
  subject: Subject,
  op: FilterOp,
  value: unknown,
  place: string,
  valuePlace: string,
): Filter {
  const field = subject.kind === "field" ? subject.name : null;
  switch (op) {
    case "exists":
    case "not_exists":
      if (value !== undefined) throw new Refused(valuePlace, `${op} takes no value`);
      return { kind: "exists", subject, negated: op === "not_exists" };
    case "eq":
    case "neq":
      if (Array.isArray(value)) {
        throw new Refused(valuePlace, `${op} takes one value; for a list use in or not_in`);
      }
      return isAnyOf(subject, [readComparand(field, value, valuePlace)], op === "neq");
    case "in":
    case "not_in":
      return isAnyOf(subject, readComparands(field, value, op, valuePlace), op === "not_in");
    case "contains":
    case "starts_with":
      if (field !== null && NUMBER_FIELDS.has(field)) {
        throw new Refused(`${place}.op`, `${field} is no text; use eq, in, gt, gte, lt or lte`);
      }
      return { kind: op, subject, text: readText(value, op, valuePlace) };
    default:
      return { kind: op, subject, number: readNumber(field, op, value, place, valuePlace) };
  }
}

/** `type` may be named together with categories, which then are asked for beside it. */
function isAnyOf(subject: Subject, values: readonly Comparand[], negated: boolean): Filter {
  if (subject.kind !== "field" || subject.name !== "type") {
    return { kind: "in", subject, values, negated };
  }
  const either = isOfType(values.map(String));
  if (!negated) return either;
  const parts = ("filters" in either ? either.filters : [either]) as readonly Condition[];
  return allOf(parts.map((part) => ({ ...part, negated: true }) as Condition))!;
}

function readComparands(
  field: FieldName | null,
  value: unknown,
  op: string,
  place: string,
): Comparand[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > FILTER_VALUES_MAX) {
    throw new Refused(place, `${op} takes a list of 1 to ${FILTER_VALUES_MAX} values`);
  }
  return value.map((each, index) => readComparand(field, each, `${place}[${index}]`));
}

function readComparand(field: FieldName | null, value: unknown, place: string): Comparand {
  if (field !== null && TIME_FIELDS.has(field)) return readTime(value, place);
  if (field === "category") return readCategory(value, place);
  if (field === "amount") return readAmount(value, place);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return value + 0;
  if (isText(value)) return value;
  throw new Refused(place, `must be a text ${TEXT_FORM}, a number, true or false`);
}

function readText(value: unknown, op: string, place: string): string {
  if (isText(value) && value !== "") return value;
  throw new Refused(place, `${op} takes a text ${TEXT_FORM}, not an empty one`);
}

function readNumber(
  field: FieldName | null,
  op: string,
  value: unknown,
  place: string,
  valuePlace: string,
): number {
  if (field === "category") {
    throw new Refused(`${place}.op`, "category has no order; use eq, neq, in or not_in");
  }
  if (field !== null && TIME_FIELDS.has(field)) return readTime(value, valuePlace);
  if (typeof value === "number" && Number.isFinite(value)) return value + 0;
  throw new Refused(valuePlace, `${op} compares numbers: the value must be a number`);
}

function readTime(value: unknown, place: string): number {
  const epochMs = typeof value === "number"
    ? timestampOfNumber(value)
    : typeof value === "string"
    ? timestampOfText(value)
    : NaN;
  if (epochMs >= 0 && Number.isSafeInteger(epochMs)) return epochMs;
  throw new Refused(place, `must be ${TIME_FORM}`);
}

/** An amount is always a number, so a text stands for the number that it is in JSON. */
function readAmount(value: unknown, place: string): number {
  const number = typeof value === "string" && NUMBER_TEXT.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number + 0;
  throw new Refused(place, "amount is a number: the value must be one");
}

function readCategory(value: unknown, place: string): number {
  const number = typeof value === "string" ? CATEGORY_NUMBERS.get(value) : value;
  if (typeof number === "number" && [...CATEGORY_NUMBERS.values()].includes(number)) return number;
  throw new Refused(place, `must be one of ${[...CATEGORY_NUMBERS.keys()].join(", ")}`);
}

function reading(read: () => Filter | null): ParsedFilter {
  try {
    return { ok: true, filter: read() };
  } catch (error) {
    if (error instanceof Refused) return refusal(error.place, error.detail);
    throw error;
  }
}

function refusal(parameter: string, detail: string): ParsedFilter {
  return { ok: false, refusal: { parameter, detail } };
}

/** A text that an event could hold: what events are refused for is in none of them. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= FILTER_TEXT_CHARS_MAX &&
    value.isWellFormed() && !value.includes("\0");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A key of the caller's, short enough to be repeated. */
function shown(key: string): string {
  return [...key].slice(0, ECHO_CHARS_MAX).join("");
}
