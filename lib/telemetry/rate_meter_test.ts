import assert from "node:assert/strict";
import fc from "fast-check";
import { RATE_WINDOW_SECONDS, RateMeter } from "./rate_meter.ts";

Deno.test("perSecond() gives the steady rate when events come evenly", () => {
  const meter = new RateMeter(5_000);
  for (let ms = 5_000; ms < 60_000; ms += 10) meter.add(3, ms);
  assert.ok(Math.abs(meter.perSecond(60_000) - 300) < 1);
});

Deno.test("perSecond() gives the rate since the start when that is less than the window", () => {
  const meter = new RateMeter(1_000_000);
  meter.add(400, 1_000_100);
  assert.equal(meter.perSecond(1_002_000), 200);
});

Deno.test("perSecond() falls to 0 when nothing came for longer than the window", () => {
  const meter = new RateMeter(0);
  meter.add(1_000, 500);
  assert.ok(meter.perSecond(RATE_WINDOW_SECONDS * 1000) > 0);
  assert.equal(meter.perSecond(RATE_WINDOW_SECONDS * 1000 + 1_000), 0);
});

Deno.test("perSecond() never counts an event twice or negative when the clock jumps", () => {
  const step = fc.record({ by: fc.integer({ min: -5_000, max: 50_000 }), count: fc.nat(1_000) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let now = 100_000;
      let sum = 0;
      const meter = new RateMeter(now);
      for (const { by, count } of steps) {
        now += by;
        sum += count;
        meter.add(count, now);
        const rate = meter.perSecond(now);
        assert.ok(rate >= 0 && rate <= sum);
      }
    }),
    { numRuns: 300 },
  );
});
