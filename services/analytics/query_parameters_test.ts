import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { QueryParameters } from "./query_parameters.ts";

const NAMES = ["time_range.start", "event_types", "metric", "granularity", "limit", "flag"];

const parse = (query: string) => new QueryParameters(new URLSearchParams(query), NAMES);

/** The field of the refusal that `read` throws. */
function refusedField(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    assert(error instanceof ProblemError, String(error));
    assert.equal(error.code, "invalid_parameter");
    return error.options.field;
  }
  return undefined;
}

Deno.test("time() takes RFC 3339, seconds and milliseconds", () => {
  const cases: [string, string][] = [
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31t12:00:00.1239z", "2026-01-31T12:00:00.123Z"],
    ["2026-01-31T12:00:00%2B02:00", "2026-01-31T10:00:00.000Z"],
    ["2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"],
    ["2026-01-31T12:00:00-05:30", "2026-01-31T17:30:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["1767225600", "2026-01-01T00:00:00.000Z"],
    ["1767225600.25", "2026-01-01T00:00:00.250Z"],
    ["1767225600001", "2026-01-01T00:00:00.001Z"],
    ["0", "1970-01-01T00:00:00.000Z"],
  ];
  for (const [text, iso] of cases) {
    const epochMs = parse(`time_range.start=${text}`).time("time_range.start");
    assert.equal(new Date(epochMs!).toISOString(), iso, text);
  }
});

Deno.test("time() names the parameter when the value is not a time", () => {
  const bad = [
    "yesterday",
    "2026-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00%2B24:00",
    "1969-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "-1",
    "1e9",
    "9999999999999999",
    "NaN",
  ];
  for (const text of bad) {
    const read = () => parse(`time_range.start=${text}`).time("time_range.start");
    assert.equal(refusedField(read), "time_range.start", text);
  }
});

Deno.test("QueryParameters takes lowerCamel names and leaves out empty values", () => {
  assert.equal(parse("timeRange.start=5").time("time_range.start"), 5_000);
  assert.equal(parse("time_range.start=").time("time_range.start"), null);
  assert.equal(parse("metric=").text("metric"), null);
  assert.equal(parse("").text("metric"), null);
});

Deno.test("QueryParameters refuses by name when a parameter is unknown or filters", () => {
  assert.equal(refusedField(() => parse("metrik=events")), "metrik");
  assert.equal(refusedField(() => parse("Metric=events")), "Metric");
  assert.equal(refusedField(() => parse("__proto__=1")), "__proto__");
  for (const name of ["filters", "filters[country]", "filters.country"]) {
    assert.equal(refusedField(() => parse(`${encodeURIComponent(name)}=DE`)), "filters");
  }
  assert.equal(refusedField(() => parse(`${"x".repeat(1_000)}=1`)), "x".repeat(64));
});

Deno.test("text() refuses when a single parameter is sent twice", () => {
  assert.equal(refusedField(() => parse("metric=a&metric=b").text("metric")), "metric");
  assert.equal(parse("metric=&metric=b").text("metric"), "b");
});

Deno.test("list() joins repeated parameters and comma lists", () => {
  assert.deepEqual(
    parse("event_types=a,b&eventTypes=c&event_types=,%20d,").list("event_types"),
    ["a", "b", "c", "d"],
  );
  assert.deepEqual(parse("").list("event_types"), []);
});

Deno.test("granularity() takes words, proto names and proto numbers", () => {
  const read = (text: string) => parse(`granularity=${text}`).granularity("granularity");
  for (const text of ["hour", "HOUR", "TIME_GRANULARITY_HOUR", "2"]) {
    assert.equal(read(text), "hour");
  }
  for (const text of ["", "0", "TIME_GRANULARITY_UNSPECIFIED"]) assert.equal(read(text), null);
  assert.equal(read("month"), "month");
  for (const text of ["6", "-1", "1h", "TIME_GRANULARITY_YEAR", "TIME_GRANULARITY_2"]) {
    assert.equal(refusedField(() => read(text)), "granularity", text);
  }
});

Deno.test("integer() holds its bounds, flag() takes only booleans", () => {
  const integer = (text: string) => parse(`limit=${text}`).integer("limit", 1, 1_000);
  assert.deepEqual([integer("1"), integer("1000"), integer("")], [1, 1_000, null]);
  for (const text of ["0", "1001", "1.5", "ten", "-1", "99999999999999999999"]) {
    assert.equal(refusedField(() => integer(text)), "limit", text);
  }
  const flag = (text: string) => parse(`flag=${text}`).flag("flag");
  assert.deepEqual([flag("true"), flag("1"), flag("false"), flag("")], [true, true, false, false]);
  assert.equal(refusedField(() => flag("yes")), "flag");
});
