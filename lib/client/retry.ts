/**
 * Trying again, only what may succeed later: 429, 503, 504, and where there was no answer.
 *
 * The wait is drawn from 0 to a bound that doubles ("exponential backoff with full jitter",
 * M. Brooker, AWS Architecture Blog, 2015), so that many clients do not come back at once. What the
 * platform asks for by Retry-After is waited in any case, and comes on top. Nothing is tried again
 * when the deadline would pass while waiting.
 */
import {
  CLIENT_ATTEMPTS_MAX,
  CLIENT_RETRY_MS_FIRST,
  CLIENT_RETRY_MS_MAX,
} from "../config/client_limits.ts";
import { ApiError } from "./api_error.ts";
import { type Clock, waitFor } from "./clock.ts";

export interface RetryParts {
  readonly clock: Clock;
  /** Draws from [0, 1). */
  readonly random: () => number;
  /** Told before each further attempt: why, and after how many ms. */
  readonly onRetry?: (error: ApiError, waitMs: number) => void;
}

export interface RetryOptions {
  /** Longest time for all attempts, ms. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** Upper bound of the drawn wait after the given attempt (from 1 on), ms. */
export function retryBoundMs(attempt: number): number {
  return Math.min(CLIENT_RETRY_MS_MAX, CLIENT_RETRY_MS_FIRST * 2 ** (attempt - 1));
}

/** The wait after the given attempt, ms. */
export function retryWaitMs(attempt: number, retryAfterMs: number, random: () => number): number {
  return retryAfterMs + Math.floor(random() * retryBoundMs(attempt));
}

/**
 * Calls until it succeeds, may not be tried again, or time is up. `leftMs` is what is left of the
 * deadline for that attempt. Throws the last ApiError, or the signal's reason.
 */
export async function withRetries<T>(
  { clock, random, onRetry }: RetryParts,
  { deadlineMs, signal }: RetryOptions,
  attemptOnce: (leftMs: number) => Promise<T>,
): Promise<T> {
  const endsAt = clock.now() + deadlineMs;
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await attemptOnce(endsAt - clock.now());
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      error.attempts = attempt;
      const waitMs = retryWaitMs(attempt, error.retryAfterMs, random);
      const isOver = attempt >= CLIENT_ATTEMPTS_MAX || clock.now() + waitMs >= endsAt;
      if (!error.isRetryable || isOver) throw error;
      onRetry?.(error, waitMs);
      await waitFor(clock, waitMs, signal);
    }
  }
}
