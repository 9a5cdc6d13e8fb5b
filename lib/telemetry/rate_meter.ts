/**
 * Events per second over the last few seconds, from a ring of one-second counts.
 *
 *     counts   [ s-9 | ... | s-1 | s ]     s = the second under way, counted for its part so far
 */

/** How many whole seconds a rate looks back. */
export const RATE_WINDOW_SECONDS = 10;

const SLOTS = RATE_WINDOW_SECONDS + 1;

/** Counts events and says how many came per second lately. Times are ms on any one clock. */
export class RateMeter {
  readonly #counts = new Float64Array(SLOTS);
  readonly #firstMs: number;
  #second: number;

  constructor(nowMs: number) {
    this.#firstMs = nowMs;
    this.#second = Math.floor(nowMs / 1000);
  }

  add(count: number, nowMs: number): void {
    this.#moveTo(nowMs);
    this.#counts[this.#second % SLOTS] += count;
  }

  /** Events per second over the window, or over the time since the start while that is shorter. */
  perSecond(nowMs: number): number {
    this.#moveTo(nowMs);
    let sum = 0;
    for (const count of this.#counts) sum += count;
    const windowMs = RATE_WINDOW_SECONDS * 1000 + nowMs % 1000;
    const elapsedMs = Math.max(1000, Math.min(windowMs, nowMs - this.#firstMs));
    return sum / elapsedMs * 1000;
  }

  /** Empties the slots of the seconds that began since; a clock that goes back changes nothing. */
  #moveTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second <= this.#second) return;
    const passed = Math.min(second - this.#second, SLOTS);
    for (let i = 0; i < passed; i++) this.#counts[(second - i) % SLOTS] = 0;
    this.#second = second;
  }
}
