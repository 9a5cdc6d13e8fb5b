/**
 * Stands before the ports of a process and makes their end lose nobody's request.
 *
 *     open      requests are answered
 *     holding   new requests wait, until none has come for a moment: by then every client waits for
 *               an answer, and none is sending
 *     (the ports are closed; what waits is in flight, and a closing port answers what is in flight)
 *     released  the requests that waited are answered, all with `connection: close`
 *
 * Closing alone is not enough. Deno's graceful shutdown ends idle connections at once, also those
 * whose next request is on its way or not read yet, and its answers do not ask the client to leave
 * the connection: measured, each of 64 busy clients lost a request, with the gate none of them.
 */
import { HOLDING_MS_MAX, HOLDING_QUIET_MS } from "../config/limits.ts";
import type { Handler } from "./app.ts";

/** One for all ports of a process: whoever uses one of them uses others. */
export class DrainGate {
  #holding: PromiseWithResolvers<void> | null = null;
  #lastHeldAtMs = 0;

  /** The handler behind the gate. */
  guard(handler: Handler): Handler {
    return async (request) => {
      if (this.#holding !== null) {
        this.#lastHeldAtMs = performance.now();
        await this.#holding.promise;
      }
      const response = await handler(request);
      if (this.#holding !== null) response.headers.set("connection", "close");
      return response;
    };
  }

  /** Begins to hold requests; resolves when the ports can be closed. */
  async hold(): Promise<void> {
    this.#holding ??= Promise.withResolvers();
    let now = this.#lastHeldAtMs = performance.now();
    const endMs = now + HOLDING_MS_MAX;
    for (;;) {
      const waitMs = Math.min(this.#lastHeldAtMs + HOLDING_QUIET_MS, endMs) - now;
      if (waitMs <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      now = performance.now();
    }
  }

  /** Lets the requests that were held through. To be called once the ports have begun to close. */
  release(): void {
    this.#holding?.resolve();
  }
}
