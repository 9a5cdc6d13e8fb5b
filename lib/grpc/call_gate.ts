/** Counts calls under way: there are not too many, and a server that stops can let them end. */
import { GRPC_CALLS_MAX } from "../config/grpc_limits.ts";
import { ProblemError } from "../http/problem.ts";

export class CallGate {
  #active = 0;
  #closed = false;
  #drained: (() => void) | null = null;

  /** A call begins. Throws ProblemError: shutting_down once the gate is closed, overloaded. */
  enter(): void {
    if (this.#closed) throw new ProblemError("shutting_down");
    if (this.#active >= GRPC_CALLS_MAX) {
      throw new ProblemError("overloaded", `${GRPC_CALLS_MAX} calls are open; try again later`);
    }
    this.#active++;
  }

  /** A call that entered has ended. */
  leave(): void {
    if (--this.#active === 0) this.#drained?.();
  }

  /** No further call may enter. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when all calls have ended, or after `msMax`. */
  async drained(msMax: number): Promise<void> {
    if (this.#active === 0) return;
    const ended = Promise.withResolvers<void>();
    this.#drained = ended.resolve;
    const timer = setTimeout(ended.resolve, msMax);
    await ended.promise;
    clearTimeout(timer);
  }
}
