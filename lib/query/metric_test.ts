import assert from "node:assert/strict";
import { isOfAmounts, readMetric, WANT_AMOUNTS, WANT_USERS } from "./metric.ts";

Deno.test("readMetric() reads counts, and aggregates of amounts and properties", () => {
  const price = { kind: "property", key: "price" } as const;
  const amount = { kind: "field", name: "amount" } as const;
  const cases: [string, object][] = [
    ["events", { kind: "events", want: 0, value: null }],
    ["events_per_user", { kind: "per_user", want: WANT_USERS, value: null }],
    ["sum:amount", { kind: "sum", want: 0, value: amount }],
    ["avg:price", { kind: "average", want: 0, value: price }],
    ["min:properties.price", { kind: "min", want: WANT_AMOUNTS, value: price }],
    ["p95:price", { kind: "quantile", want: WANT_AMOUNTS, quantile: 0.95, value: price }],
    ["max:a:b", { kind: "max", want: WANT_AMOUNTS, value: { kind: "property", key: "a:b" } }],
    ["sum:properties.amount", { kind: "sum", value: { kind: "property", key: "amount" } }],
  ];
  for (const [name, expected] of cases) {
    const metric = readMetric(name);
    assert(typeof metric === "object", String(metric));
    assert.deepEqual({ ...metric, ...expected }, metric);
    assert.equal(metric.name, name);
  }
});

Deno.test("readMetric() says what is wrong with a name", () => {
  for (const name of ["", "clicks", "sum", "p75:price", "__proto__", "SUM:price", ":price"]) {
    assert.match(readMetric(name) as string, /must be one of events, users, sessions/, name);
  }
  for (const name of ["sum:", "sum:user_id", "p50:timestamp", "max:type", "sum:a\0"]) {
    assert.match(readMetric(name) as string, /must be amount or a property/, name);
  }
});

Deno.test("isOfAmounts() tells what rollups have", () => {
  const answers = ["users", "p95:amount", "sum:price"].map((name) => {
    const metric = readMetric(name);
    assert(typeof metric === "object");
    return isOfAmounts(metric);
  });
  assert.deepEqual(answers, [true, true, false]);
});
