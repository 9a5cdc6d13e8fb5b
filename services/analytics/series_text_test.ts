import assert from "node:assert/strict";
import fc from "fast-check";
import type { SeriesJson } from "./answer_json.ts";
import { timestampJson } from "./proto_json.ts";
import { seriesText } from "./series_text.ts";

const answer = (series: SeriesJson["series"]): SeriesJson => ({
  series,
  metadata: {
    metric: "events",
    granularity: "TIME_GRANULARITY_HOUR",
    data_points: series.length,
    time_range: { start: timestampJson(0), end: timestampJson(3_600_000) },
    time_zone: "UTC",
    processing_time: "0.003s",
  },
  complete_until: timestampJson(0),
  complete: true,
  accuracy: { "series.value": "exact" },
});

const group = fc.record({
  labels: fc.dictionary(fc.constant("event_type"), fc.string()),
  points: fc.array(fc.record({
    ms: fc.nat(4_000_000_000_000),
    value: fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true })),
  })),
});

Deno.test("seriesText() parses to what JSON.stringify() gives", () => {
  fc.assert(
    fc.property(fc.array(group, { maxLength: 4 }), (groups) => {
      const series = groups.flatMap(({ labels, points }) =>
        points.map(({ ms, value }) => ({ timestamp: timestampJson(ms), value, labels }))
      );
      const whole = answer(series);
      assert.deepEqual(JSON.parse(seriesText(whole)), JSON.parse(JSON.stringify(whole)));
    }),
    { numRuns: 200 },
  );
});
