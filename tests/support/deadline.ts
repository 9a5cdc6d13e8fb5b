/**
 * Waiting in tests: for what happens, with a deadline, never for a time to pass.
 */

const pollMs = 5;

/** How long to wait, and for what. */
export interface Deadline {
  /** What is waited for; the error message names it. */
  readonly what: string;
  /** When to give up, ms from now. */
  readonly deadlineMs?: number;
}

/**
 * Asks again until `condition` gives something truthy, and returns that. For what sends no signal:
 * another process's port, a file, a counter behind HTTP. Throws after the deadline (10 s).
 */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  { what, deadlineMs = 10_000 }: Deadline,
): Promise<NonNullable<T>> {
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/**
 * Lets a time pass, for a test that breaks something at an arbitrary moment. Never to wait for
 * something to happen: that is waitUntil().
 */
export function someTime(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Gives what `promise` gives; throws after the deadline (10 s), so that no test hangs. */
export async function withDeadline<T>(
  promise: Promise<T>,
  { what, deadlineMs = 10_000 }: Deadline,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${deadlineMs} ms`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
