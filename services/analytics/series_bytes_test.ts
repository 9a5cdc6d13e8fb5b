import assert from "node:assert/strict";
import fc from "fast-check";
import { type SeriesAnswer, withPoints } from "./answer_query.ts";
import { timestampJson } from "./proto_json.ts";
import { seriesBytes } from "./series_bytes.ts";

const HOUR_MS = 3_600_000;

function answer(labelsMs: number[], groups: SeriesAnswer["groups"]): SeriesAnswer {
  return {
    head: {
      metadata: {
        metric: "events",
        granularity: "TIME_GRANULARITY_HOUR",
        data_points: labelsMs.length * groups.length,
        time_range: { start: timestampJson(0), end: timestampJson(HOUR_MS) },
        time_zone: "UTC",
        processing_time: "0.003s",
      },
      complete_until: timestampJson(0),
      complete: true,
      accuracy: { "series.value": "exact" },
    },
    labelsMs: Float64Array.from(labelsMs),
    groups,
  };
}

/** What was written is JSON that says the same as the answer with its points. */
function check(series: SeriesAnswer): void {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(seriesBytes(series));
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(withPoints(series))));
}

const value = fc.oneof(
  fc.nat(),
  fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 9, 10, 2 ** 31 - 1, 2 ** 31, Number.MAX_VALUE, -Number.MIN_VALUE),
);

Deno.test("seriesBytes() is the JSON of the answer with its points, whatever these are", () => {
  const series = fc.array(fc.integer({ min: -HOUR_MS, max: 253_402_300_799_999 }), { maxLength: 6 })
    .chain((labelsMs) => {
      const group = fc.record({
        labels: fc.dictionary(fc.constant("event_type"), fc.string({ unit: "binary" })),
        values: fc.array(value, { minLength: labelsMs.length, maxLength: labelsMs.length })
          .map((values) => Float64Array.from(values)),
      });
      return fc.array(group, { maxLength: 4 }).map((groups) => answer(labelsMs, groups));
    });
  fc.assert(fc.property(series, check), { numRuns: 500 });
});

Deno.test("seriesBytes() writes the hours of several days", () => {
  const labelsMs = Array.from({ length: 60 }, (_, hour) => Date.UTC(2026, 1, 27) + hour * HOUR_MS);
  const values = Float64Array.from(labelsMs, (_, hour) => hour ** 3);
  check(answer(labelsMs, [{ labels: {}, values }, { labels: { event_type: 'é"\n' }, values }]));
});

Deno.test("seriesBytes() has room for the longest numbers and times", () => {
  const labelsMs = [8.64e15 - 1, -8.64e15 + 1];
  const values = Float64Array.of(-1.2345678901234567e-300, -1.7976931348623157e308);
  check(answer(labelsMs, [{ labels: {}, values }]));
});
