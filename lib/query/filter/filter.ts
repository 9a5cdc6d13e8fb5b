/**
 * Conditions on events, as every question takes them: a tree of and/or groups over comparisons of
 * event fields and properties. `parse_filter.ts` makes it of what a client sends, `match_filter.ts`
 * tells whether an event matches, and the store's adapters turn it into their own language; all of
 * them hold to the meaning written here.
 *
 * Every subject has up to two views of its value in an event:
 *
 *     value in the event   text view                            number view
 *     a string             itself                               its number, if it is one in JSON
 *     a number             as JavaScript writes it: 5, 1e+21    itself
 *     true, false          "true", "false"                      none
 *     missing or null      none                                 none
 *
 * - A text comparand is compared with the text view, a number with the number view: 5 matches the
 *   number 5 and the strings "5" and "5.0", "5" matches the number 5 and the string "5".
 * - `not_in` is the opposite of `in`: an event without the subject matches it.
 * - `contains` and `starts_with` look at strings only, and tell upper from lower case.
 * - `timestamp` and `received_at` are numbers of ms since the epoch, `category` is the number of its
 *   EVENT_TYPE_*, `session_id` is the one given or, where none was, the derived one.
 */

/** Fields of an event that can be named; every other name means a property. */
export const FIELD_NAMES = [
  "id",
  "user_id",
  "session_id",
  "type",
  "category",
  "timestamp",
  "received_at",
  "source",
  "amount",
] as const;

export type FieldName = typeof FIELD_NAMES[number];

/** What is compared. */
export type Subject =
  | { readonly kind: "field"; readonly name: FieldName }
  | { readonly kind: "property"; readonly key: string };

/** What a subject is compared with: with its text view, or with its number view. */
export type Comparand = string | number;

/** One comparison. */
export type Condition =
  | {
    readonly kind: "in";
    readonly subject: Subject;
    /** At least one; any of them. */
    readonly values: readonly Comparand[];
    /** not_in, neq. */
    readonly negated: boolean;
  }
  | {
    readonly kind: "contains" | "starts_with";
    readonly subject: Subject;
    /** Not empty. */
    readonly text: string;
  }
  | {
    readonly kind: "gt" | "gte" | "lt" | "lte";
    readonly subject: Subject;
    readonly number: number;
  }
  | { readonly kind: "exists"; readonly subject: Subject; readonly negated: boolean };

/** Several filters, of which all or any must match. An empty `and` matches everything. */
export interface FilterGroup {
  readonly kind: "and" | "or";
  readonly filters: readonly Filter[];
}

export type Filter = Condition | FilterGroup;

/** A string that is a number in JSON (RFC 8259, section 6). */
export const NUMBER_TEXT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** The number that a text is the text view of; null = of none. */
export function numberWrittenAs(text: string): number | null {
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : null;
}

/** All of them together; null = no condition at all. */
export function allOf(filters: readonly (Filter | null)[]): Filter | null {
  const given = filters.filter((filter) => filter !== null);
  if (given.length < 2) return given[0] ?? null;
  return { kind: "and", filters: given };
}

/** The condition that a type, or an `EVENT_TYPE_*` name which means the category, is one of these. */
export function isOfType(names: readonly string[]): Filter {
  const numbers = names.map((name) => CATEGORY_NUMBERS.get(name));
  const categories = numbers.filter((number) => number !== undefined);
  const types = names.filter((_, index) => numbers[index] === undefined);
  const either: Filter[] = [];
  if (types.length > 0) either.push(fieldIn("type", types));
  if (categories.length > 0) either.push(fieldIn("category", categories));
  return either.length === 1 ? either[0] : { kind: "or", filters: either };
}

/**
 * The types that a filter asks for when it asks for nothing else: null = all of them; undefined = it
 * looks at more than the type.
 */
export function typesOf(filter: Filter | null): readonly string[] | null | undefined {
  if (filter === null) return null;
  if ("filters" in filter) {
    const lists = filter.filters.map(typesOf);
    if (lists.some((list) => list === undefined)) return undefined;
    return filter.kind === "and" ? inEach(lists) : inAny(lists);
  }
  const { subject } = filter;
  const isPlain = filter.kind === "in" && !filter.negated && subject.kind === "field" &&
    subject.name === "type" && filter.values.every((value) => typeof value === "string");
  return isPlain ? [...new Set(filter.values as readonly string[])] : undefined;
}

type TypeLists = readonly (readonly string[] | null | undefined)[];

function inEach(lists: TypeLists): readonly string[] | null {
  return lists.reduce<readonly string[] | null>((types, list) => {
    if (types === null || list == null) return types ?? list ?? null;
    return types.filter((type) => list.includes(type));
  }, null);
}

function inAny(lists: TypeLists): readonly string[] | null {
  if (lists.some((list) => list === null)) return null;
  return [...new Set(lists.flatMap((list) => list ?? []))];
}

/** Comparisons in a filter. */
export function conditionCount(filter: Filter | null): number {
  if (filter === null) return 0;
  if (!("filters" in filter)) return 1;
  return filter.filters.reduce((sum, each) => sum + conditionCount(each), 0);
}

/** Property keys that a filter names. */
export function propertyKeys(filter: Filter | null): Set<string> {
  const keys = new Set<string>();
  const collect = (each: Filter) => {
    if ("filters" in each) each.filters.forEach(collect);
    else if (each.subject.kind === "property") keys.add(each.subject.key);
  };
  if (filter !== null) collect(filter);
  return keys;
}

/** Numbers of analytics.v1.EventType by name. */
export const CATEGORY_NUMBERS: ReadonlyMap<string, number> = new Map([
  ["EVENT_TYPE_USER", 1],
  ["EVENT_TYPE_TRANSACTION", 2],
  ["EVENT_TYPE_SYSTEM", 3],
  ["EVENT_TYPE_CUSTOM", 4],
]);

function fieldIn(name: FieldName, values: readonly Comparand[]): Condition {
  return { kind: "in", subject: { kind: "field", name }, values, negated: false };
}
