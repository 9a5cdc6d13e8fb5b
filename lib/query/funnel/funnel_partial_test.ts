import assert from "node:assert/strict";
import fc from "fast-check";
import { RELATIVE_ACCURACY } from "../../sketch/ddsketch.ts";
import { funnelFigures, FunnelTally } from "./funnel_partial.ts";
import type { FunnelPlan } from "./plan_funnel.ts";

const LABELS = ["DE", "FR", "IT"];

const planOf = (optional: readonly boolean[]): FunnelPlan => ({
  project: "shop",
  fromMs: 0,
  toMs: 1,
  filter: null,
  steps: optional.map((each, i) => (
    { name: `step ${i}`, filter: { kind: "and", filters: [] }, optional: each }
  )),
  exclusions: [],
  order: "sequential",
  windowMs: 1,
  stepTimeoutMs: Infinity,
  breakdown: { kind: "property", key: "country" },
  segmentsMax: 2,
});

/** One user's attempt: by step, ms after its beginning or null; and the label of its first event. */
interface Walked {
  readonly times: readonly (number | null)[];
  readonly label: number;
}

const walkedUsers: fc.Arbitrary<{ optional: boolean[]; users: Walked[][] }> = fc
  .array(fc.boolean(), { maxLength: 3 })
  .chain((between) => {
    const optional = [false, ...between, false];
    const walked = fc.record({
      times: fc.tuple(
        fc.nat({ max: optional.length - 1 }),
        fc.array(fc.nat({ max: 100_000 }), {
          minLength: optional.length,
          maxLength: optional.length,
        }),
        fc.array(fc.boolean(), { minLength: optional.length, maxLength: optional.length }),
      ).map(([level, times, skips]) =>
        times.map((ms, step) => {
          if (step === 0) return 0;
          return step > level || (optional[step] && skips[step] && step < level) ? null : ms;
        })
      ),
      label: fc.integer({ min: -1, max: LABELS.length - 1 }),
    });
    return fc.record({
      optional: fc.constant(optional),
      users: fc.array(fc.array(walked, { maxLength: 20 }), { maxLength: 4 }),
    });
  });

/** What converting took a user, by step; null = the step is not in the attempt. */
function tookMs({ times }: Walked): (number | null)[] {
  let endMs = 0;
  return times.map((ms) => {
    if (ms === null) return null;
    const took = Math.max(0, ms - endMs);
    endMs += took;
    return took;
  });
}

Deno.test("funnelFigures() equals a recount when users are spread over partitions", () => {
  fc.assert(
    fc.property(walkedUsers, ({ optional, users }) => {
      const plan = planOf(optional);
      const partials = users.map((own) => {
        const tally = new FunnelTally(plan);
        for (const { times, label } of own) {
          const level = times.findLastIndex((ms) => ms !== null);
          tally.add(Float64Array.from(times, (ms) => ms === null ? NaN : 1_000 + ms), level, label);
        }
        return structuredClone(tally.partial(LABELS));
      });
      const { steps, segments } = funnelFigures(plan, partials);
      const all = users.flat();
      steps.forEach((figures, step) => {
        const took = all.map((each) => tookMs(each)[step]).filter((ms) => ms !== null)
          .sort((a, b) => a - b);
        assert.equal(figures.users, took.length);
        if (step === 0 || took.length === 0) {
          assert.deepEqual([figures.avgMs, figures.medianMs], [null, null]);
          return;
        }
        assert.equal(figures.avgMs, took.reduce((sum, ms) => sum + ms, 0) / took.length);
        const median = took[Math.floor((took.length - 1) / 2)];
        const allowed = RELATIVE_ACCURACY * median * (1 + 1e-9);
        assert.ok(Math.abs(figures.medianMs! - median) <= allowed);
      });
      const dropped = steps.reduce((sum, figures) => sum + figures.dropped, 0);
      assert.equal(dropped + steps.at(-1)!.users, all.length);
      const inSegments = segments.flatMap((segment) => segment.steps[0].users);
      assert.equal(inSegments.reduce((sum, number) => sum + number, 0), all.length);
      const shown = segments.filter(({ kind }) => kind === "value");
      assert.ok(shown.length <= plan.segmentsMax);
      for (const { value, steps } of shown) {
        const own = all.filter(({ label }) => LABELS[label] === value);
        assert.equal(steps[0].users, own.length);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("funnelFigures() counts an optional step as no step before", () => {
  const plan = planOf([false, true, false]);
  const tally = new FunnelTally(plan);
  tally.add(Float64Array.of(0, 10, 30), 2, -1);
  tally.add(Float64Array.of(0, NaN, 30), 2, -1);
  const { steps } = funnelFigures(plan, [tally.partial([])]);
  assert.deepEqual(steps.map(({ users }) => users), [2, 1, 2]);
  assert.deepEqual(steps.map((step) => step.conversionFromPrevious), [1, 0.5, 1]);
  assert.deepEqual(steps.map(({ avgMs }) => avgMs), [null, 10, 25]);
});

Deno.test("funnelFigures() answers zeros when no partition has any user", () => {
  const plan = planOf([false, false]);
  const { steps, segments } = funnelFigures(plan, []);
  assert.deepEqual(steps.map(({ users, conversionRate }) => [users, conversionRate]), [
    [0, 0],
    [0, 0],
  ]);
  assert.deepEqual(segments, []);
});
