import assert from "node:assert/strict";
import { LIVE_STRETCHES_MAX } from "../config/limits.ts";
import { LiveCoverage } from "./live_coverage.ts";
import type { LivePartial } from "./live_partial.ts";

/** A frame that was published at `fromOffset` ms, without cells. */
function frame(fromOffset: number, toOffset: number, part = 0, parts = 1): LivePartial {
  return {
    version: 1,
    partition: 2,
    fromOffset,
    toOffset,
    publishedAtMs: fromOffset,
    firstReceivedAtMs: 0,
    lastReceivedAtMs: 0,
    completeUntilMs: fromOffset - 5,
    part,
    parts,
    series: [],
    deltas: [],
  };
}

function take(coverage: LiveCoverage, ...frames: LivePartial[]): string[] {
  return frames.map((each) => coverage.take(each, each.publishedAtMs));
}

const gap = (fromOffset: number, toOffset: number) => ({ partition: 2, fromOffset, toOffset });

Deno.test("take() takes each frame once, and no frame that crosses a known one", () => {
  const coverage = new LiveCoverage(2);
  const verdicts = take(
    coverage,
    frame(100, 200),
    frame(100, 200),
    frame(200, 300),
    frame(150, 250), // within what is known
    frame(250, 350),
    frame(50, 101),
    frame(300, 350),
    frame(50, 100),
  );
  const [taken, repeated, crossing] = ["taken", "repeated", "crossing"];
  assert.deepEqual(
    verdicts,
    [taken, repeated, taken, repeated, crossing, crossing, taken, taken],
  );
  assert.deepEqual(coverage.gaps(0), []);
  assert.equal(coverage.knownSinceMs, 50);
});

Deno.test("gaps() tells what later partials left out until it comes", () => {
  const coverage = new LiveCoverage(2);
  take(coverage, frame(0, 100), frame(300, 400), frame(150, 200));
  assert.deepEqual(coverage.gaps(0), [gap(100, 150), gap(200, 300)]);
  // The first gap was closed off by what was published at 150.
  assert.deepEqual(coverage.gaps(150), [gap(100, 150), gap(200, 300)]);
  assert.deepEqual(coverage.gaps(151), [gap(200, 300)]);
  assert.deepEqual(coverage.gaps(301), []);
  take(coverage, frame(200, 300));
  assert.deepEqual(coverage.gaps(0), [gap(100, 150)]);
  assert.equal(coverage.knownSinceMs, 0, "known from the log's beginning");
});

Deno.test("gaps() tells a partial as missing when later ones came but not all its frames", () => {
  const coverage = new LiveCoverage(2);
  take(coverage, frame(0, 100));
  assert.deepEqual(take(coverage, frame(100, 200, 0, 3), frame(100, 200, 2, 3)), [
    "taken",
    "taken",
  ]);
  assert.deepEqual(coverage.gaps(0), [], "the last frame may be on its way");
  take(coverage, frame(200, 200));
  assert.deepEqual(coverage.gaps(0), [gap(100, 200)]);
  assert.deepEqual(
    take(coverage, frame(100, 200, 2, 3), frame(100, 200, 1, 4), frame(150, 200)),
    ["repeated", "crossing", "crossing"],
  );
  assert.deepEqual(take(coverage, frame(100, 200, 1, 3)), ["taken"]);
  assert.deepEqual(coverage.gaps(0), []);
  assert.deepEqual(take(coverage, frame(100, 200, 1, 3)), ["repeated"]);
});

Deno.test("take() learns the place of a partition from an empty partial", () => {
  const coverage = new LiveCoverage(2);
  assert.equal(coverage.knownSinceMs, Infinity);
  take(coverage, frame(500, 500));
  assert.deepEqual([coverage.knownSinceMs, coverage.newestMs], [500, 500]);
  assert.equal(coverage.completeUntilMs, 495);
  coverage.take({ ...frame(500, 500), completeUntilMs: 9_999 }, 510);
  coverage.take({ ...frame(500, 500), completeUntilMs: 0 }, 520);
  assert.equal(coverage.completeUntilMs, 510, "not beyond its own time, and never less again");
  take(coverage, frame(600, 600));
  assert.deepEqual(coverage.gaps(0), [gap(500, 600)], "what was published between is missing");
  take(coverage, frame(500, 600));
  assert.deepEqual(coverage.gaps(0), []);
  const fresh = new LiveCoverage(2);
  take(fresh, frame(0, 0));
  assert.equal(fresh.knownSinceMs, 0);
});

Deno.test("forget() lets go of gaps that no window reaches, and takes nothing from there", () => {
  const coverage = new LiveCoverage(2);
  take(coverage, frame(0, 100), frame(200, 300), frame(400, 500));
  coverage.forget(300);
  assert.deepEqual(coverage.gaps(0), [gap(300, 400)]);
  assert.deepEqual(take(coverage, frame(0, 100), frame(100, 200)), ["repeated", "repeated"]);
  coverage.forget(1000);
  assert.deepEqual([coverage.gaps(0), coverage.knownSinceMs], [[], 400]);
});

Deno.test("LiveCoverage knows less, not wrong, when there are too many gaps", () => {
  const coverage = new LiveCoverage(2);
  const frames = Array.from({ length: 2 * LIVE_STRETCHES_MAX }, (_, i) => frame(2 * i, 2 * i + 1));
  take(coverage, ...frames);
  assert.equal(coverage.gaps(0).length, LIVE_STRETCHES_MAX - 1);
  assert.equal(coverage.knownSinceMs, 2 * LIVE_STRETCHES_MAX);
  assert.deepEqual(new Set(take(coverage, ...frames)), new Set(["repeated"]));
});

Deno.test("LiveCoverage knows less, not wrong, when too many partials are half heard", () => {
  const coverage = new LiveCoverage(2);
  const frames = Array.from(
    { length: LIVE_STRETCHES_MAX + 10 },
    (_, i) => frame(2 * i, 2 * i + 2, 0, 2),
  );
  take(coverage, frame(0, 0), ...frames);
  assert.deepEqual(new Set(take(coverage, ...frames)), new Set(["repeated"]));
  assert.ok(coverage.knownSinceMs > 0);
});
