/** Keeps long work from holding up its thread. */

import { ROW_WORK_SLICE_MS } from "../config/limits.ts";
import { macrotask } from "./macrotask.ts";

export class WorkClock {
  #since = performance.now();

  constructor(readonly signal: AbortSignal) {}

  /**
   * Lets other work of the thread go on when a slice is over. Rejects with the signal's reason once
   * that is aborted.
   */
  async rest(): Promise<void> {
    this.signal.throwIfAborted();
    if (performance.now() - this.#since < ROW_WORK_SLICE_MS) return;
    await macrotask();
    this.signal.throwIfAborted();
    this.#since = performance.now();
  }
}
