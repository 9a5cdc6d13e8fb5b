/**
 * The places of a user's newest rows, NEWEST_ROWS_MAX of them: by time, then by place in the log.
 * Who knows them can read these rows without looking for them.
 */

/** As many as one page of events and the one after it, unless more are asked for. */
export const NEWEST_ROWS_MAX = 128;

/** Rows wait here until there are so many, and then the older ones are dropped. */
const WAITING_MAX = 4 * NEWEST_ROWS_MAX;

/** Where a row is. */
export interface RowPlace {
  readonly timestampMs: number;
  readonly seq: number;
}

export class NewestRows {
  #rows: RowPlace[] = [];
  /** No row before this time can be among the newest. */
  #leastMs = -Infinity;
  #isSorted = true;

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return 40 * this.#rows.length;
  }

  add(timestampMs: number, seq: number): void {
    if (timestampMs < this.#leastMs) return;
    this.#rows.push({ timestampMs, seq });
    this.#isSorted = false;
    if (this.#rows.length >= WAITING_MAX) this.#sort();
  }

  /** Newest first. */
  all(): readonly RowPlace[] {
    if (!this.#isSorted) this.#sort();
    return this.#rows;
  }

  #sort(): void {
    this.#rows.sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq);
    if (this.#rows.length >= NEWEST_ROWS_MAX) {
      this.#rows.length = NEWEST_ROWS_MAX;
      this.#leastMs = this.#rows[NEWEST_ROWS_MAX - 1].timestampMs;
    }
    this.#isSorted = true;
  }
}
