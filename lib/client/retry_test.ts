import assert from "node:assert/strict";
import fc from "fast-check";
import { CLIENT_RETRY_MS_FIRST, CLIENT_RETRY_MS_MAX } from "../config/client_limits.ts";
import { FakeClock, HastyClock } from "../../tests/support/client_scene.ts";
import { ApiError, clientError, retryAfterMs } from "./api_error.ts";
import { retryWaitMs, withRetries } from "./retry.ts";

const failing = (isRetryable: boolean, retryAfter = 0) =>
  new ApiError({ code: "overloaded", detail: "x", isRetryable, retryAfterMs: retryAfter });

Deno.test("retryWaitMs() lies between what the platform asks for and a doubling bound", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 0, max: 60_000 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (attempt, asked, drawn) => {
      const wait = retryWaitMs(attempt, asked, () => drawn);
      const bound = Math.min(CLIENT_RETRY_MS_MAX, CLIENT_RETRY_MS_FIRST * 2 ** (attempt - 1));
      assert.ok(wait >= asked && wait < asked + bound, `${wait}`);
      assert.equal(wait, asked + Math.floor(drawn * bound));
    },
  ));
});

Deno.test("withRetries() waits longer each time, and stops before the deadline would pass", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300_000 }),
      fc.integer({ min: 0, max: 20_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (deadlineMs, asked, drawn) => {
        const clock = new HastyClock();
        const startedAt = clock.now();
        const told: number[] = [];
        const parts = {
          clock,
          random: () => drawn,
          onRetry: (_: ApiError, waitMs: number) => void told.push(waitMs),
        };
        let attempts = 0;
        const error = await withRetries(parts, { deadlineMs }, () => {
          attempts++;
          return Promise.reject(failing(true, asked));
        }).then(() => null, (error) => error as ApiError);
        assert.equal(error!.attempts, attempts);
        assert.deepEqual(told, clock.waited);
        assert.equal(attempts, clock.waited.length + 1);
        assert.ok(clock.now() - startedAt < deadlineMs);
        for (const wait of told) assert.ok(wait >= asked);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("withRetries() tries once when the failure is final, or is none of the client's", async () => {
  const parts = { clock: new HastyClock(), random: () => 0.5 };
  for (const error of [failing(false), new TypeError("a mistake")]) {
    let attempts = 0;
    const attempt = () => {
      attempts++;
      return Promise.reject(error);
    };
    await assert.rejects(withRetries(parts, { deadlineMs: 1e6 }, attempt), error);
    assert.equal(attempts, 1);
  }
});

Deno.test("withRetries() tells each attempt what is left of the deadline", async () => {
  const clock = new HastyClock();
  const left: number[] = [];
  const answer = await withRetries({ clock, random: () => 0 }, { deadlineMs: 5_000 }, (leftMs) => {
    left.push(leftMs);
    if (left.length < 3) return Promise.reject(failing(true, 1_000));
    return Promise.resolve("done");
  });
  assert.equal(answer, "done");
  assert.deepEqual(left, [5_000, 4_000, 3_000]);
});

Deno.test("withRetries() rejects with the signal's reason when that aborts the wait", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const options = { deadlineMs: 60_000, signal: abort.signal };
  const trying = withRetries({ clock, random: () => 0.9 }, options, () => {
    return Promise.reject(clientError("network", { isRetryable: true }));
  });
  await clock.advance(0);
  assert.deepEqual(clock.waits, [90]);
  abort.abort("enough");
  await assert.rejects(trying, (reason) => reason === "enough");
  assert.deepEqual(clock.waits, []);
});

Deno.test("retryAfterMs() reads seconds and dates", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  assert.equal(retryAfterMs(null, now), 0);
  assert.equal(retryAfterMs("3", now), 3_000);
  assert.equal(retryAfterMs("Sat, 31 Jan 2026 12:00:05 GMT", now), 5_000);
  assert.equal(retryAfterMs("Sat, 31 Jan 2026 11:00:05 GMT", now), 0);
  assert.equal(retryAfterMs("soon", now), 0);
});
