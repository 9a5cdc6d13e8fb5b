import assert from "node:assert/strict";
import fc from "fast-check";
import { LiveSeries } from "./live_series.ts";

Deno.test("LiveSeries.sum() counts the seconds asked for, whatever the order they came in", () => {
  // Near each other, and near to where the ring comes round again.
  const second = fc.tuple(fc.nat(2), fc.nat(4)).map(([rounds, more]) =>
    1_000_000 + rounds * 3600 + more
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ second, events: fc.integer({ min: 1, max: 9 }) }), { maxLength: 80 }),
      fc.option(second, { freq: 1 }),
      fc.oneof(fc.nat(3600), fc.nat(4), fc.constant(3600)),
      (added, asked, length) => {
        const series = new LiveSeries();
        const counted = new Map<number, number>();
        let newest = 0;
        for (const each of added) {
          series.add(each.second, each.events);
          newest = Math.max(newest, each.second);
          counted.set(each.second, (counted.get(each.second) ?? 0) + each.events);
        }
        assert.equal(series.newest, newest);
        const now = asked ?? newest;
        const expected = [...counted]
          .filter(([at]) => at >= now - length && at <= now && at >= newest - 3600)
          .reduce((sum, [, events]) => sum + events, 0);
        assert.equal(series.sum(now - length, now), expected);
      },
    ),
    { numRuns: 300 },
  );
});
