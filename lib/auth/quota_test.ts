import assert from "node:assert/strict";
import fc from "fast-check";
import { ProblemError } from "../http/problem.ts";
import { Allowance, Quota, TokenBucket } from "./quota.ts";

function limited(act: () => unknown): number {
  let seconds = -1;
  assert.throws(act, (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.code, "rate_limited");
    seconds = error.options.retryAfterSeconds ?? 0;
    return true;
  });
  return seconds;
}

Deno.test("TokenBucket lets no more through than its rate and one burst, whatever is asked for", () => {
  const step = fc.record({ waitMs: fc.nat(3_000), count: fc.integer({ min: 1, max: 300 }) });
  fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), fc.array(step), (perSecond, steps) => {
    let nowMs = 0;
    const bucket = new TokenBucket(perSecond, () => nowMs);
    let taken = 0;
    let largest = 0;
    for (const { waitMs, count } of steps) {
      nowMs += waitMs;
      if (bucket.secondsUntil(count) > 0) continue;
      bucket.take(count);
      taken += count;
      largest = Math.max(largest, count);
    }
    const most = perSecond + perSecond * nowMs / 1_000 + Math.max(0, largest - perSecond);
    assert.ok(taken <= most + 1e-6, `${taken} of ${most}`);
  }));
});

Deno.test("TokenBucket has what it names after the time that it names", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e7 }), (rate, n) => {
      let nowMs = 0;
      const bucket = new TokenBucket(rate, () => nowMs);
      bucket.take(n);
      const seconds = bucket.secondsUntil(n);
      nowMs += seconds * 1_000 + 1;
      assert.equal(bucket.secondsUntil(n), 0);
      if (seconds < 0.01) return;
      const early = new TokenBucket(rate, () => nowMs);
      early.take(n);
      nowMs += (seconds - 0.005) * 1_000;
      assert.ok(early.secondsUntil(n) > 0);
    }),
  );
});

Deno.test("Quota takes from key and project, or from neither", () => {
  let nowMs = 0;
  const now = () => nowMs;
  const project = new Allowance("project", { events_per_second: 100 }, now);
  const key = new Allowance("key", { events_per_second: 1_000, bytes_per_second: 500 }, now);
  const quota = new Quota([project, key]);
  quota.takeEvents(60, 100);
  assert.equal(limited(() => quota.takeEvents(60, 100)), 0.2);
  assert.equal(limited(() => quota.takeEvents(1, 500)), 0.2);
  assert.deepEqual([project.events!.remaining, key.events!.remaining, key.bytes!.remaining], [
    40,
    940,
    400,
  ]);
  nowMs += 1_000;
  quota.takeEvents(100, 500);
  assert.ok(limited(() => quota.refuseIfSpent()) > 0);
});

Deno.test("Quota takes a request that is larger than a second's worth, and has it paid off", () => {
  let nowMs = 0;
  const quota = new Quota([new Allowance("key", { events_per_second: 10 }, () => nowMs)]);
  quota.takeEvents(100, 1);
  assert.equal(Math.round(limited(() => quota.takeEvents(1, 1)) * 10), 91);
  nowMs += 9_100;
  quota.takeEvents(1, 1);
});

Deno.test("Quota counts streams and queries of all who share a project, and gives them back once", () => {
  const now = () => 0;
  const project = new Allowance("project", { streams: 2 }, now);
  const one = new Quota([project, new Allowance("key", { streams: 1, queries: 1 }, now)]);
  const other = new Quota([project]);
  const end = one.begin("streams");
  limited(() => one.begin("streams"));
  const endOther = other.begin("streams");
  limited(() => other.begin("streams"));
  end();
  end();
  other.begin("streams");
  limited(() => one.begin("streams"));
  endOther();
  const endQuery = one.begin("queries");
  limited(() => one.begin("queries"));
  endQuery();
  one.begin("queries");
});

Deno.test("Quota tells what is left in the draft's headers", () => {
  let nowMs = 0;
  const now = () => nowMs;
  const quota = new Quota([
    new Allowance("project", { events_per_second: 100, queries: 3 }, now),
    new Allowance("key", { bytes_per_second: 1_000 }, now),
  ]);
  quota.takeEvents(30, 600);
  nowMs += 100;
  assert.deepEqual(quota.headers(), {
    policy: `"project-events";q=100;w=1, "key-bytes";q=1000;qu="bytes";w=1`,
    state: `"project-events";r=80;t=1, "key-bytes";r=500;t=1`,
  });
  assert.equal(new Quota([new Allowance("key", { streams: 1 }, now)]).headers(), null);
});
