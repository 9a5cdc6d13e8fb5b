/**
 * When a partition's memory is to be trimmed: after so many rows of commits, and after so many
 * reads, once no more of them follow, which would have to read the same pages again and would wait
 * while memory is trimmed (measured: 15 to 60 ms).
 */

/** A commit of more rows than this is part of catching up. */
export const SMALL_COMMIT_ROWS = 16_384;

/** While catching up, memory is trimmed after so many rows. */
const TRIM_EVERY_ROWS = 131_072;

/** Memory is trimmed after so many reads ... */
const TRIM_EVERY_READS = 64;

/** ... once none was made for this long, ms ... */
const TRIM_READS_AFTER_MS = 1_000;

/** ... or the first of them was made this long ago, ms: a limit of memory holds all the time. */
const TRIM_READS_WITHIN_MS = 30_000;

export class MemoryTrim {
  readonly #trim: () => Promise<void>;
  #rows = 0;
  #reads = 0;
  #isComing = false;
  #firstReadAt = 0;
  #lastReadAt = 0;
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
    this.#lastReadAt = performance.now();
    if (this.#reads++ === 0) this.#firstReadAt = this.#lastReadAt;
    if (this.#reads >= TRIM_EVERY_READS && this.#timer === undefined) {
      this.#trimLater(TRIM_READS_AFTER_MS);
    }
  }

  #trimLater(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // Memory may have been trimmed meanwhile.
      if (this.#reads < TRIM_EVERY_READS) return;
      const calmAt = this.#lastReadAt + TRIM_READS_AFTER_MS;
      const waitMs = Math.min(calmAt, this.#firstReadAt + TRIM_READS_WITHIN_MS) -
        performance.now();
      if (waitMs > 0) this.#trimLater(waitMs);
      else this.soon();
    }, afterMs);
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
