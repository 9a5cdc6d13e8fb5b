import assert from "node:assert/strict";
import fc from "fast-check";
import { type MappingOptions, resolveMapping } from "./column_mapping.ts";
import { ImportError } from "./import_error.ts";

const header = ["event_id", "user", "event_type", "ts", "url"];
const map = ["user_id=user,timestamp=ts"];

function eventOf(options: MappingOptions, columns: string[], record: string[]): unknown {
  return JSON.parse(resolveMapping(options, columns).eventOf(record));
}

function assertRefused(options: MappingOptions, columns: string[], message: RegExp): void {
  assert.throws(
    () => resolveMapping(options, columns),
    (error) =>
      error instanceof ImportError && error.code === "RTA_IMPORT_MAPPING" &&
      message.test(error.message),
  );
}

Deno.test("resolveMapping() maps what is named, what has a field's name, and the rest", () => {
  const record = ["e1", "ada", "click", "1710325274", "/home"];
  assert.deepEqual(eventOf({ map }, header, record), {
    user_id: "ada",
    event_type: "click",
    timestamp: 1710325274,
    properties: { event_id: "e1", url: "/home" },
  });
});

Deno.test("resolveMapping() leaves other columns out when only mapped ones are wanted", () => {
  const options = { map: [...map, "properties.page=url"], onlyMapped: true };
  const mapping = resolveMapping(options, header);
  assert.deepEqual(mapping.description, [
    "user_id=user",
    "event_type=event_type",
    "timestamp=ts",
    "properties.page=url",
  ]);
});

Deno.test("resolveMapping() takes columns as properties when --property names them", () => {
  const options = { map, property: ["url"], onlyMapped: true };
  const record = ["e1", "ada", "click", "1710325274", "/home"];
  const event = eventOf(options, header, record) as { properties: unknown };
  assert.deepEqual(event.properties, { url: "/home" });
});

Deno.test("resolveMapping() puts fixed values in every event when --set names them", () => {
  const options = { set: ["event_type=visit", "properties.shop=north"] };
  assert.deepEqual(eventOf(options, ["user_id"], ["ada"]), {
    user_id: "ada",
    event_type: "visit",
    properties: { shop: "north" },
  });
});

Deno.test("resolveMapping() takes a column named properties.x as the property x", () => {
  const columns = ["user_id", "event_type", "properties.x", ""];
  const event = eventOf({}, columns, ["ada", "click", "1", "lost"]) as { properties: unknown };
  assert.deepEqual(event.properties, { x: "1" });
});

Deno.test("resolveMapping() gives the id apart when a column has it", () => {
  const mapping = resolveMapping({ map: [...map, "id=event_id"] }, header);
  assert.equal(mapping.idOf(["e1", "ada", "click", "1", "/"]), "e1");
  assert.equal(mapping.idOf(["", "ada", "click", "1", "/"]), null);
  assert.equal("id" in JSON.parse(mapping.eventOf(["e1", "ada", "click", "1", "/"])), false);
});

Deno.test("eventOf() leaves empty cells out", () => {
  const mapping = resolveMapping({ map }, header);
  assert.equal(mapping.eventOf(["", "", "", "", ""]), "{}");
  assert.equal(mapping.eventOf(["", "", "", "", "/"]), '{"properties":{"url":"/"}}');
});

Deno.test("eventOf() gives JSON of the cells when they hold anything", () => {
  const mapping = resolveMapping({}, ["user_id", "event_type", 'a"b', "source"]);
  fc.assert(fc.property(
    fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 4, maxLength: 4 }),
    (record) => {
      const [user_id, event_type, property, source] = record;
      assert.deepEqual(
        JSON.parse(mapping.eventOf(record)),
        { user_id, event_type, source, properties: { 'a"b': property } },
      );
    },
  ));
});

Deno.test("resolveMapping() throws when the mapping does not fit", () => {
  assertRefused({ map: ["user_id=nobody"] }, header, /no column nobody.*event_id, user/);
  assertRefused({ map: ["userid=user"] }, header, /knows no userid/);
  assertRefused({ map: ["properties.=user"] }, header, /knows no properties\./);
  assertRefused({ map: ["user_id"] }, header, /TARGET=COLUMN/);
  assertRefused({ map: ["user_id=user", "user_id=url"] }, header, /mapped twice/);
  assertRefused({}, header, /no column gives user_id/);
  assertRefused({ map: ["user_id=user"] }, ["user", "x"], /no column gives event_type/);
  assertRefused({}, ["user_id", "event_type", "x", "x"], /two columns named x/);
});
