/** Numbers for the texts that label rows, the same in all scans of one question. */

import { USER_LABEL_CHARS_MAX } from "../config/limits.ts";
import type { ScannedRows } from "../store/event_store.ts";
import { TooManyRows } from "./too_many_rows.ts";

export class RowLabels {
  readonly #numbers = new Map<string, number>();
  readonly #max: number;
  #chars = 0;

  /** @param max most different texts */
  constructor(max: number) {
    this.#max = max;
  }

  /** All texts so far, by number. */
  texts(): string[] {
    return [...this.#numbers.keys()];
  }

  /**
   * What gives the labels of each of a scan's rows, -1 = none, and null for rows without labels.
   * Throws TooManyRows.
   */
  ofScan(): (rows: ScannedRows) => Int32Array | null {
    /** By the id that a text has in the scan. */
    const known: number[] = [];
    return ({ label }) => {
      if (label === null) return null;
      const { ids, texts } = label;
      while (known.length < texts.length) known.push(this.#numberOf(texts[known.length]));
      return ids.map((id) => known[id]);
    };
  }

  #numberOf(text: string | null): number {
    if (text === null) return -1;
    const before = this.#numbers.get(text);
    if (before !== undefined) return before;
    const number = this.#numbers.size;
    this.#numbers.set(text, number);
    this.#chars += text.length;
    if (this.#numbers.size > this.#max || this.#chars > USER_LABEL_CHARS_MAX) {
      throw new TooManyRows("labels");
    }
    return number;
  }
}
