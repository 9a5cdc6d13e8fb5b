import { strict as assert } from "node:assert";
import fc from "fast-check";
import { timestampOfNumber, timestampOfText } from "./timestamp.ts";

Deno.test("timestampOfText() reads every form of RFC 3339 when the time exists", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000Z"],
    ["2023-11-14t22:13:20z", "2023-11-14T22:13:20.000Z"],
    ["2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.500Z"],
    ["2023-11-14T22:13:20.123999999999Z", "2023-11-14T22:13:20.123Z"],
    ["2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20.000Z"],
    ["2023-11-14T16:43:20.25-05:30", "2023-11-14T22:13:20.250Z"],
    ["2024-01-01T00:30:00+23:59", "2023-12-31T00:31:00.000Z"],
    ["2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000Z"],
    ["0075-01-01T00:00:00Z", "0075-01-01T00:00:00.000Z"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"],
  ];
  for (const [text, expected] of cases) {
    assert.equal(new Date(timestampOfText(text)).toISOString(), expected, text);
  }
});

Deno.test("timestampOfText() gives NaN when the text names no instant", () => {
  for (
    const text of [
      "",
      "now",
      "1700000000",
      "2023-11-14",
      "2023-11-14T22:13Z",
      "2023-11-14T22:13:20",
      "2023-11-14 22:13:20Z",
      "2023-11-14T22:13:20.Z",
      "2023-11-14T22:13:20+0100",
      "2023-11-14T22:13:20+24:00",
      "2023-11-14T22:13:20+01:60",
      "2023-00-14T22:13:20Z",
      "2023-13-14T22:13:20Z",
      "2023-11-31T22:13:20Z",
      "2023-02-29T00:00:00Z",
      "2100-02-29T00:00:00Z",
      "2016-12-31T23:59:60Z",
      "2023-11-14T24:00:00Z",
      "2023-11-14T22:60:00Z",
      "+002023-11-14T22:13:20Z",
      "2023-11-14T22:13:20Z\n",
      "٢٠٢٣-11-14T22:13:20Z",
    ]
  ) assert.equal(timestampOfText(text), NaN, text);
});

Deno.test("timestampOfNumber() reads seconds and ms when it gets either", () => {
  assert.equal(timestampOfNumber(1), 1_000);
  assert.equal(timestampOfNumber(1_700_000_000.123), 1_700_000_000_123);
  assert.equal(timestampOfNumber(1_700_000_000.1239), 1_700_000_000_123);
  assert.equal(timestampOfNumber(99_999_999_999), 99_999_999_999_000);
  assert.equal(timestampOfNumber(100_000_000_000), 100_000_000_000);
  assert.equal(timestampOfNumber(1_700_000_000_123.9), 1_700_000_000_123);
  assert.equal(timestampOfNumber(-1), -1_000);
  assert.ok(timestampOfNumber(1e300) > 1e299);
});

Deno.test("timestampOfNumber() keeps every ms when it gets seconds with three decimals", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4_000_000_000_000 }), (ms) => {
      assert.equal(timestampOfNumber(Number(`${ms / 1000}`)), ms);
    }),
    { numRuns: 5_000 },
  );
});
