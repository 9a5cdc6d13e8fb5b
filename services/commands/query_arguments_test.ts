import assert from "node:assert/strict";
import {
  durationArgument,
  filterArgument,
  type SentCondition,
  stepArgument,
  timeArgument,
} from "./query_arguments.ts";
import { parseFilter } from "../../lib/query/filter/parse_filter.ts";
import { QueryError } from "./query_client.ts";

const NOW_MS = Date.parse("2026-01-08T12:00:00.000Z");

Deno.test("timeArgument() counts back from now and passes instants on", () => {
  const cases = [
    ["-7d", "2026-01-01T12:00:00.000Z"],
    ["-90m", "2026-01-08T10:30:00.000Z"],
    ["-1w", "2026-01-01T12:00:00.000Z"],
    ["now", "2026-01-08T12:00:00.000Z"],
    ["2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00+01:00"],
    ["1767225600", "1767225600"],
  ];
  for (const [text, expected] of cases) {
    assert.equal(timeArgument(text, "--from", NOW_MS), expected);
  }
  for (const text of ["", "7d", "-7y", "yesterday", "--7d"]) {
    assert.throws(() => timeArgument(text, "--from", NOW_MS), QueryError, text);
  }
});

Deno.test("durationArgument() gives seconds", () => {
  assert.deepEqual(["90", "30m", "24h", "14d"].map((text) => durationArgument(text, "--window")), [
    "90s",
    "1800s",
    "86400s",
    "1209600s",
  ]);
  assert.throws(() => durationArgument("1.5h", "--window"), QueryError);
});

Deno.test("filterArgument() reads every form of the shorthand", () => {
  const cases: [string, SentCondition][] = [
    ["country=DE", { property: "country", op: "eq", value: "DE" }],
    ["plan!=free", { property: "plan", op: "neq", value: "free" }],
    ["country=DE|FR", { property: "country", op: "in", value: ["DE", "FR"] }],
    ["n!=1|2", { property: "n", op: "not_in", value: [1, 2] }],
    ["amount>=100", { property: "amount", op: "gte", value: 100 }],
    ["amount<1.5", { property: "amount", op: "lt", value: 1.5 }],
    ["page^=/shop", { property: "page", op: "starts_with", value: "/shop" }],
    ["page~a=b", { property: "page", op: "contains", value: "a=b" }],
    ["url=a?x=1", { property: "url", op: "eq", value: "a?x=1" }],
    ['zip="10115"', { property: "zip", op: "eq", value: "10115" }],
    ['list="a|b"', { property: "list", op: "eq", value: "a|b" }],
    ["zip=010", { property: "zip", op: "eq", value: "010" }],
    ["empty=", { property: "empty", op: "eq", value: "" }],
    ["coupon", { property: "coupon", op: "exists" }],
    ["!coupon", { property: "coupon", op: "not_exists" }],
  ];
  for (const [text, expected] of cases) {
    const condition = filterArgument(text);
    assert.deepEqual(condition, expected, text);
    assert.ok(parseFilter([condition], "filter").ok, text);
  }
  assert.throws(() => filterArgument(""), QueryError);
});

Deno.test("stepArgument() reads a type and its conditions", () => {
  assert.deepEqual(stepArgument("signup"), { event_type: "signup" });
  assert.deepEqual(stepArgument("buy:plan=pro,amount>=9"), {
    event_type: "buy",
    filter: [
      { property: "plan", op: "eq", value: "pro" },
      { property: "amount", op: "gte", value: 9 },
    ],
  });
  assert.throws(() => stepArgument(":plan=pro"), QueryError);
});
