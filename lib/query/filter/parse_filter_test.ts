import assert from "node:assert/strict";
import fc from "fast-check";
import { FILTER_CONDITIONS_MAX, FILTER_TEXT_CHARS_MAX } from "../../config/limits.ts";
import { madeFilters } from "../../../tests/support/made_filters.ts";
import type { Filter } from "./filter.ts";
import { FILTER_OPS, parseFilter, parseFilterMap, parseFilterText } from "./parse_filter.ts";

function read(sent: unknown): Filter | null {
  const parsed = parseFilter(sent, "filter");
  assert(parsed.ok, JSON.stringify(parsed));
  return parsed.filter;
}

/** Where and why it is refused. */
function refusal(sent: unknown): [place: string, detail: string] {
  const parsed = parseFilter(sent, "filter");
  assert(!parsed.ok, `${JSON.stringify(sent)} was taken`);
  return [parsed.refusal.parameter, parsed.refusal.detail];
}

const country = { kind: "property", key: "country" } as const;
const isGerman = { property: "country", op: "eq", value: "DE" };

Deno.test("parseFilter() reads a list as all of its members", () => {
  const one = { kind: "in", subject: country, values: ["DE"], negated: false };
  assert.deepEqual(read([isGerman]), one);
  assert.deepEqual(read([]), null);
  assert.deepEqual(read(isGerman), one);
  const other = { property: "n", op: "gte", value: 5 };
  const two = { kind: "gte", subject: { kind: "property", key: "n" }, number: 5 };
  assert.deepEqual(read([isGerman, other]), { kind: "and", filters: [one, two] });
  const nested = [isGerman, { or: [other, { and: [isGerman, other] }] }];
  const both = { kind: "and", filters: [one, two] };
  const either = { kind: "or", filters: [two, both] };
  assert.deepEqual(read(nested), { kind: "and", filters: [one, either] });
});

Deno.test("parseFilter() tells fields from properties", () => {
  const subjectOf = (property: string) => {
    const filter = read([{ property, op: "exists" }]) as Extract<Filter, { kind: "exists" }>;
    return filter.subject;
  };
  assert.deepEqual(subjectOf("source"), { kind: "field", name: "source" });
  assert.deepEqual(subjectOf("event_type"), { kind: "field", name: "type" });
  assert.deepEqual(subjectOf("properties.source"), { kind: "property", key: "source" });
  assert.deepEqual(subjectOf("properties."), { kind: "property", key: "properties." });
  assert.deepEqual(subjectOf("Source"), { kind: "property", key: "Source" });
});

Deno.test("parseFilter() takes an EVENT_TYPE_* name of a type for the category", () => {
  const type = { kind: "field", name: "type" } as const;
  const category = { kind: "field", name: "category" } as const;
  const ofType = (op: string, value: unknown) => read([{ property: "type", op, value }]);
  assert.deepEqual(ofType("eq", "EVENT_TYPE_USER"), {
    kind: "in",
    subject: category,
    values: [1],
    negated: false,
  });
  assert.deepEqual(ofType("not_in", ["a", "EVENT_TYPE_SYSTEM"]), {
    kind: "and",
    filters: [
      { kind: "in", subject: type, values: ["a"], negated: true },
      { kind: "in", subject: category, values: [3], negated: true },
    ],
  });
});

Deno.test("parseFilter() reads times, amounts and categories by what the field holds", () => {
  const comparand = (property: string, value: unknown) =>
    (read([{ property, op: "eq", value }]) as Extract<Filter, { kind: "in" }>).values[0];
  assert.equal(comparand("timestamp", "2026-01-31T00:00:00Z"), Date.UTC(2026, 0, 31));
  assert.equal(comparand("received_at", 1_769_817_600), 1_769_817_600_000);
  assert.equal(comparand("amount", "5.0"), 5);
  assert.equal(comparand("category", "EVENT_TYPE_CUSTOM"), 4);
  assert.equal(comparand("n", "5.0"), "5.0");
  assert.equal(comparand("n", true), "true");
  assert.equal(Object.is(comparand("n", -0), 0), true);
});

Deno.test("parseFilter() names the place and what would do when it refuses", () => {
  const condition = (change: object) => [{ ...isGerman, ...change }];
  const cases: [sent: unknown, place: string, detail: RegExp][] = [
    [5, "filter", /must be a filter, such as/],
    [[5], "filter[0]", /must be a filter/],
    [condition({ op: "is" }), "filter[0].op", /one of eq, neq, in,.* not_exists/],
    [condition({ op: undefined }), "filter[0].op", /one of/],
    [condition({ property: undefined }), "filter[0].property", /name a property, or one of/],
    [condition({ property: "" }), "filter[0].property", /name a property/],
    [condition({ property: "a\0" }), "filter[0].property", /name a property/],
    [condition({ vlaue: 5 }), "filter[0].vlaue", /property, op and value only/],
    [condition({ value: ["DE"] }), "filter[0].value", /use in or not_in/],
    [condition({ value: undefined }), "filter[0].value", /must be a text/],
    [condition({ value: {} }), "filter[0].value", /must be a text/],
    [condition({ value: "\ud800" }), "filter[0].value", /surrogate/],
    [condition({ value: "a\0b" }), "filter[0].value", /U\+0000/],
    [condition({ value: "x".repeat(FILTER_TEXT_CHARS_MAX + 1) }), "filter[0].value", /1024/],
    [condition({ op: "in" }), "filter[0].value", /list of 1 to 100/],
    [condition({ op: "in", value: [] }), "filter[0].value", /list of 1 to 100/],
    [condition({ op: "in", value: ["a", null] }), "filter[0].value[1]", /must be a text/],
    [condition({ op: "gt" }), "filter[0].value", /must be a number/],
    [condition({ op: "contains", value: 5 }), "filter[0].value", /takes a text/],
    [condition({ op: "contains", value: "" }), "filter[0].value", /not an empty/],
    [condition({ op: "starts_with", value: "\0" }), "filter[0].value", /U\+0000/],
    [condition({ op: "exists" }), "filter[0].value", /takes no value/],
    [condition({ property: "amount", value: "much" }), "filter[0].value", /amount is a number/],
    [condition({ property: "amount", op: "contains" }), "filter[0].op", /amount is no text/],
    [condition({ property: "timestamp" }), "filter[0].value", /RFC 3339/],
    [condition({ property: "category" }), "filter[0].value", /EVENT_TYPE_USER/],
    [condition({ property: "category", op: "gt" }), "filter[0].op", /no order/],
    [[{ or: [] }], "filter[0].or", /at least one/],
    [[{ or: [isGerman], and: [isGerman] }], "filter[0]", /only one key/],
    [[{ or: [isGerman, { and: [5] }] }], "filter[0].or[1].and[0]", /must be a filter/],
    [[{ or: [{ and: [{ or: [isGerman] }] }] }], "filter[0].or[0].and[0].or", /3 deep/],
  ];
  for (const [sent, place, detail] of cases) {
    const [at, why] = refusal(sent);
    assert.equal(at, place, JSON.stringify(sent));
    assert.match(why, detail);
  }
});

Deno.test("parseFilter() takes as many conditions as the limit says, and no more", () => {
  const many = Array.from({ length: FILTER_CONDITIONS_MAX }, () => isGerman);
  read(many);
  assert.match(refusal([...many, isGerman])[1], /at most 50 conditions/);
  assert.equal(refusal([...many.slice(1), { or: [isGerman, isGerman] }])[0], "filter[49].or[1]");
});

Deno.test("parseFilter() never throws, whatever it is sent", () => {
  const ops = fc.constantFrom(...FILTER_OPS, "is");
  const condition = fc.record({ property: fc.anything(), op: ops, value: fc.anything() }, {
    requiredKeys: [],
  });
  const sent = fc.oneof(fc.anything(), fc.array(condition), fc.record({ or: fc.array(condition) }));
  fc.assert(fc.property(sent, (value) => {
    const parsed = parseFilter(value, "filter");
    assert(parsed.ok || parsed.refusal.parameter.startsWith("filter"));
  }));
});

Deno.test("parseFilterText() reads what parseFilter() does, and refuses what is no JSON", () => {
  fc.assert(fc.property(madeFilters, ({ sent, filter }) => {
    const parsed = parseFilterText(JSON.stringify(sent), "filter");
    assert.deepEqual(parsed, { ok: true, filter });
  }));
  const parsed = parseFilterText("country=DE", "steps[0].filter");
  assert(!parsed.ok);
  assert.equal(parsed.refusal.parameter, "steps[0].filter");
  assert.match(parsed.refusal.detail, /must be JSON/);
});

Deno.test("parseFilterMap() means that all texts are equal", () => {
  const parsed = parseFilterMap({ country: "DE", "properties.n": 5 }, "filters");
  assert.deepEqual(parsed, {
    ok: true,
    filter: {
      kind: "and",
      filters: [
        { kind: "in", subject: country, values: ["DE"], negated: false },
        { kind: "in", subject: { kind: "property", key: "n" }, values: ["5"], negated: false },
      ],
    },
  });
  assert.deepEqual(parseFilterMap({}, "filters"), { ok: true, filter: null });
  for (const bad of [[], "x", null, { a: null }, { a: {} }, { "": "x" }, { amount: "much" }]) {
    const refused = parseFilterMap(bad, "filters");
    assert(!refused.ok && refused.refusal.parameter.startsWith("filters"), JSON.stringify(bad));
  }
});
