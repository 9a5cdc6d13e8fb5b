import assert from "node:assert/strict";
import type { PropertyValue } from "../../event/event.ts";
import { allOf, type Filter, isOfType, propertyKeys, typesOf } from "./filter.ts";
import { type EventView, matchesFilter } from "./match_filter.ts";
import { parseFilter } from "./parse_filter.ts";

const EVENT: EventView = {
  id: "e-1",
  userId: "ada",
  sessionId: "s-1",
  type: "purchase",
  category: 2,
  timestampMs: Date.UTC(2026, 0, 31),
  receivedAtMs: Date.UTC(2026, 1, 1),
  source: null,
  amount: 19.9,
  properties: {},
};

function filterOf(property: string, op: string, value?: unknown): Filter | null {
  const parsed = parseFilter([{ property, op, ...(value === undefined ? {} : { value }) }], "f");
  assert(parsed.ok, JSON.stringify(parsed));
  return parsed.filter;
}

/** Whether an event whose property `p` has this value matches. */
function matches(value: PropertyValue | undefined, op: string, comparand?: unknown): boolean {
  const properties: EventView["properties"] = value === undefined ? {} : { p: value };
  return matchesFilter(filterOf("p", op, comparand), { ...EVENT, properties });
}

Deno.test("matchesFilter() compares texts with the text view, numbers with the number view", () => {
  const equal: [PropertyValue, unknown][] = [
    ["DE", "DE"],
    [5, 5],
    [5, "5"],
    ["5", 5],
    ["5.0", 5],
    ["1e3", 1000],
    [true, "true"],
    ["true", true],
    [1e21, "1e+21"],
    ["", ""],
  ];
  for (const [value, comparand] of equal) assert(matches(value, "eq", comparand), `${value}`);
  const different: [PropertyValue | undefined, unknown][] = [
    ["DE", "de"],
    ["5.0", "5"],
    [5, "5.0"],
    [true, 1],
    ["0x5", 5],
    ["1e999", 1],
    [undefined, ""],
  ];
  for (const [value, comparand] of different) assert(!matches(value, "eq", comparand), `${value}`);
});

Deno.test("matchesFilter() takes neq, not_in and not_exists as opposites", () => {
  for (const value of ["DE", 5, true, undefined]) {
    for (const comparand of ["DE", 5, "true"]) {
      assert.notEqual(matches(value, "eq", comparand), matches(value, "neq", comparand));
      const list = [comparand, "x"];
      assert.notEqual(matches(value, "in", list), matches(value, "not_in", list));
    }
    assert.equal(matches(value, "exists"), value !== undefined);
    assert.notEqual(matches(value, "exists"), matches(value, "not_exists"));
  }
});

Deno.test("matchesFilter() orders numbers, and texts that are numbers", () => {
  assert(matches(5, "gt", 4.9) && !matches(5, "gt", 5) && matches(5, "gte", 5));
  assert(matches("-3", "lt", 0) && matches("5.0", "lte", 5) && !matches("5.0", "lt", 5));
  for (const op of ["gt", "gte", "lt", "lte"]) {
    assert(!matches("abc", op, 0) && !matches(undefined, op, 0) && !matches(true, op, 0));
  }
});

Deno.test("matchesFilter() looks for parts of strings only", () => {
  assert(matches("/pricing", "contains", "ric") && matches("/pricing", "starts_with", "/p"));
  assert(!matches("/pricing", "starts_with", "ric") && !matches("/Pricing", "contains", "pric"));
  assert(!matches(515, "contains", "1") && !matches(true, "starts_with", "t"));
  assert(!matches(undefined, "contains", "x"));
});

Deno.test("matchesFilter() sees the fields of the event", () => {
  const cases: [string, string, unknown, boolean][] = [
    ["type", "eq", "purchase", true],
    ["event_type", "eq", "EVENT_TYPE_TRANSACTION", true],
    ["category", "in", ["EVENT_TYPE_USER", "EVENT_TYPE_SYSTEM"], false],
    ["user_id", "starts_with", "a", true],
    ["timestamp", "gte", "2026-01-31T00:00:00Z", true],
    ["received_at", "lt", "2026-02-01T00:00:00Z", false],
    ["amount", "gt", 19, true],
    ["amount", "eq", "19.90", true],
    ["source", "neq", "web", true],
    ["properties.type", "exists", undefined, false],
  ];
  for (const [property, op, value, expected] of cases) {
    const filter = filterOf(property, op, value);
    assert.equal(matchesFilter(filter, EVENT), expected, `${property} ${op} ${value}`);
  }
});

Deno.test("matchesFilter() joins groups", () => {
  const yes = isOfType(["purchase"]);
  const no = isOfType(["view"]);
  assert(matchesFilter(null, EVENT));
  assert(matchesFilter({ kind: "and", filters: [] }, EVENT));
  assert(!matchesFilter({ kind: "or", filters: [] }, EVENT));
  assert(matchesFilter({ kind: "or", filters: [no, yes] }, EVENT));
  assert(!matchesFilter(allOf([yes, null, no]), EVENT));
  assert(matchesFilter(isOfType(["view", "EVENT_TYPE_TRANSACTION"]), EVENT));
});

Deno.test("propertyKeys() names each property once", () => {
  const parsed = parseFilter([
    { property: "a", op: "exists" },
    {
      or: [{ property: "properties.type", op: "eq", value: "x" }, { property: "a", op: "exists" }],
    },
    { property: "type", op: "eq", value: "x" },
  ], "f");
  assert(parsed.ok);
  assert.deepEqual([...propertyKeys(parsed.filter)], ["a", "type"]);
});

Deno.test("typesOf() tells the types of a filter that asks for nothing else", () => {
  const either = (...filters: Filter[]): Filter => ({ kind: "or", filters });
  assert.equal(typesOf(null), null);
  assert.deepEqual(typesOf(isOfType(["a", "b", "a"])), ["a", "b"]);
  assert.deepEqual(typesOf(allOf([isOfType(["a", "b"]), isOfType(["b", "c"])])), ["b"]);
  assert.deepEqual(typesOf(allOf([isOfType(["a"]), isOfType(["c"])])), []);
  assert.deepEqual(typesOf(either(isOfType(["a"]), isOfType(["b"]))), ["a", "b"]);
  assert.equal(typesOf({ kind: "and", filters: [] }), null);
  assert.equal(typesOf(either(isOfType(["a"]), { kind: "and", filters: [] })), null);
  assert.deepEqual(typesOf({ kind: "or", filters: [] }), []);
  for (
    const other of [
      isOfType(["EVENT_TYPE_USER"]),
      isOfType(["a", "EVENT_TYPE_USER"]),
      filterOf("type", "neq", "a"),
      filterOf("country", "eq", "a"),
      filterOf("type", "starts_with", "a"),
    ]
  ) {
    assert.equal(typesOf(other), undefined, JSON.stringify(other));
    assert.equal(typesOf(allOf([isOfType(["a"]), other])), undefined);
  }
});
