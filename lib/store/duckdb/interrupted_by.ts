/** Ends what DuckDB is doing on a connection when a signal says so. */

import { type Connection, native } from "./native.ts";

/** An interrupt between two of DuckDB's own steps is lost: it is given again until it works. */
const INTERRUPT_EVERY_MS = 20;

/** Runs `work`; once the signal is aborted it soon rejects with its reason. */
export async function interruptedBy<T>(
  signal: AbortSignal,
  connection: Connection,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let again: ReturnType<typeof setInterval> | undefined;
  const interrupt = () => {
    native.interrupt(connection);
    again = setInterval(() => native.interrupt(connection), INTERRUPT_EVERY_MS);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    const answer = await work();
    signal.throwIfAborted();
    return answer;
  } finally {
    clearInterval(again);
    signal.removeEventListener("abort", interrupt);
  }
}
