/**
 * Cells of one level by bucket and series. A question walks tens of thousands of places, so a place
 * is a small whole number's look-up and an array index: one map over both would hash a large number
 * each time, measured four times as slow.
 */

/** A table of values; a place may hold null, which is not the same as being empty. */
export class CellTable<Value> {
  readonly #buckets = new Map<number, (Value | null | undefined)[]>();

  /** The value, null, or undefined for an empty place. */
  get(bucket: number, series: number): Value | null | undefined {
    return this.#buckets.get(bucket)?.[series];
  }

  set(bucket: number, series: number, value: Value | null): void {
    let row = this.#buckets.get(bucket);
    if (row === undefined) this.#buckets.set(bucket, row = []);
    while (row.length < series) row.push(undefined);
    row[series] = value;
  }

  delete(bucket: number, series: number): void {
    const row = this.#buckets.get(bucket);
    if (row === undefined || row[series] === undefined) return;
    row[series] = undefined;
    if (row.every((value) => value === undefined)) this.#buckets.delete(bucket);
  }

  /** Every place that is not empty; places may be emptied on the way. */
  *entries(): Generator<[bucket: number, series: number, value: Value | null]> {
    for (const [bucket, row] of this.#buckets) {
      for (let series = 0; series < row.length; series++) {
        const value = row[series];
        if (value !== undefined) yield [bucket, series, value];
      }
    }
  }
}
