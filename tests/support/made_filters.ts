/**
 * Random events and filters that meet often: few names and values, among them those that are easily
 * taken for one another ("5" and 5, "true" and true, missing and empty).
 */
import fc from "fast-check";
import type { PropertyValue } from "../../lib/event/event.ts";
import { FIELD_NAMES, type Filter } from "../../lib/query/filter/filter.ts";
import { parseFilter } from "../../lib/query/filter/parse_filter.ts";

const KEYS = ["page", "n", "a/b~c", 'quo"te', "it's", "", "ü", "missing"];

const TEXTS = [
  "",
  "DE",
  "de",
  "5",
  "5.0",
  "1e3",
  "-0",
  "true",
  "null",
  "ü\u2028😀",
  "it's",
  "DE/x",
  '"DE"',
  "a\\b",
  "1\n2",
];

const NUMBERS = [0, 5, 5.5, -1, 1000, 1e21, 12345678901234567890, 1e-7];

/** What a property may hold. */
export const propertyValues: fc.Arbitrary<PropertyValue> = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.constantFrom(...NUMBERS),
  fc.boolean(),
);

/** Properties of one event; null stands for a JSON null, which is the same as none. */
export const propertySets: fc.Arbitrary<Record<string, PropertyValue | null>> = fc.dictionary(
  fc.constantFrom(...KEYS),
  fc.oneof({ weight: 9, arbitrary: propertyValues }, {
    weight: 1,
    arbitrary: fc.constant(null),
  }),
  { maxKeys: 4 },
);

/** The JSON text of properties, in one of the forms that a client may write. */
export function propertiesText(
  properties: Record<string, PropertyValue | null>,
  escaped: boolean,
): string {
  const text = JSON.stringify(properties);
  if (!escaped) return text;
  return text.replace(/[^\x20-\x7e]/g, (each) => {
    return `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

const names = fc.constantFrom(
  ...KEYS.filter((key) => key !== ""),
  "properties.page",
  "properties.type",
  ...FIELD_NAMES,
  "event_type",
);

const comparands = fc.oneof(
  propertyValues,
  fc.constantFrom("user-1", "event-3", "page_view", "purchase", "EVENT_TYPE_USER", "web"),
);

const conditions = fc.oneof(
  fc.record({
    property: names,
    op: fc.constantFrom("eq", "neq"),
    value: comparands,
  }),
  fc.record({
    property: names,
    op: fc.constantFrom("in", "not_in"),
    value: fc.array(comparands, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    property: names,
    op: fc.constantFrom("contains", "starts_with"),
    value: fc.constantFrom("D", "DE", "5", "t", "'", "ü", "page", "%"),
  }),
  fc.record({
    property: names,
    op: fc.constantFrom("gt", "gte", "lt", "lte"),
    value: fc.constantFrom(...NUMBERS),
  }),
  fc.record({ property: names, op: fc.constantFrom("exists", "not_exists") }),
);

const lists = fc.letrec((tie) => ({
  group: fc.oneof(
    { weight: 3, arbitrary: conditions },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.constantFrom("and", "or"),
        fc.array(tie("group"), { minLength: 1, maxLength: 3 }),
      ).map(([kind, members]) => ({ [kind]: members })),
    },
  ),
})).group;

/** Filters as clients send them (a list in JSON form), with what they were read to. */
export const madeFilters: fc.Arbitrary<{ sent: unknown[]; filter: Filter | null }> = fc
  .array(lists, { maxLength: 3 })
  .map((sent) => ({ sent, read: parseFilter(sent, "filter") }))
  .filter(({ read }) => read.ok)
  .map(({ sent, read }) => ({ sent, filter: read.ok ? read.filter : null }));
