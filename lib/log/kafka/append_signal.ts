/** Wakes those who wait for something new in the log, within one thread. */

/** token() and appended() of an EventLogReader. */
export class AppendSignal {
  #announced = 0;
  #closed = false;
  #waiting: (() => void)[] = [];

  /** How often something came so far. */
  token(): number {
    return this.#announced;
  }

  /** Resolves once something came after `token` was taken, or the signal is closed. */
  appended(token: number): Promise<void> {
    if (this.#closed || this.#announced > token) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Whether somebody waits. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  announce(): void {
    this.#announced++;
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
