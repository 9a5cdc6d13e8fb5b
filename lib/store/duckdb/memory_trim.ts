/**
 * When a partition's memory is to be trimmed: after so many rows of commits, and a while after so
 * many reads, because those that follow would only read the same pages again.
 */

/** A commit of more rows than this is part of catching up. */
export const SMALL_COMMIT_ROWS = 16_384;

/** While catching up, memory is trimmed after so many rows. */
const TRIM_EVERY_ROWS = 131_072;

/** Memory is trimmed after so many reads ... */
const TRIM_EVERY_READS = 64;

/** ... once they were made this long ago, ms. */
const TRIM_READS_AFTER_MS = 1_000;

export class MemoryTrim {
  readonly #trim: () => Promise<void>;
  #rows = 0;
  #reads = 0;
  #isComing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param trim trims, in a turn of the writing side; calls `begun` when it does */
  constructor(trim: () => Promise<void>) {
    this.#trim = trim;
  }

  /** @param isTidyTime whether the log of writes is short again, or cells were flushed */
  afterCommit(rows: number, isTidyTime: boolean): void {
    this.#rows += rows;
    // While catching up, the next commit would only ask for the same memory again.
    const due = rows > SMALL_COMMIT_ROWS
      ? this.#rows >= TRIM_EVERY_ROWS
      : isTidyTime || this.#rows > SMALL_COMMIT_ROWS;
    if (due) this.soon();
  }

  afterRead(): void {
    if (++this.#reads < TRIM_EVERY_READS || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.soon();
    }, TRIM_READS_AFTER_MS);
  }

  /** Trims in the next turn of the writing side, unless that is going to happen anyway. */
  soon(): void {
    if (this.#isComing) return;
    this.#isComing = true;
    void this.#trim().finally(() => this.#isComing = false);
  }

  /** Memory is being trimmed. */
  begun(): void {
    this.#rows = this.#reads = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
