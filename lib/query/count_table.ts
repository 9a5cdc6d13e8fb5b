/**
 * Exact numbers of an answer by place (partial.ts), and memory for them that is used again.
 *
 * A question needs such a table for a few dozen microseconds in each partition. Three arrays of an
 * hourly month are 17 KiB outside the garbage collector's heap: made anew for every partition, they
 * took a tenth of the shard's time, and had the collector look for what it may free.
 */

/** Exact numbers by place; all columns are of one length. */
export interface CountTable {
  readonly events: Float64Array;
  /** How many events had an amount, and the sum of the amounts. */
  readonly amountCount: Float64Array;
  readonly amountSum: Float64Array;
}

export const COLUMNS = ["events", "amountCount", "amountSum"] as const;

/** Places of the tables that are kept. */
const SPARE_PLACES = 1024;
/** As many are kept, 24 KiB each. */
const SPARE_MAX = 8;
const spare: CountTable[] = [];

/** A table of zeros. */
export function emptyTable(places: number): CountTable {
  return {
    events: new Float64Array(places),
    amountCount: new Float64Array(places),
    amountSum: new Float64Array(places),
  };
}

/** A table of at least so many places, the first of which, so many, are 0; to be given back. */
export function takeTable(places: number): CountTable {
  if (places > SPARE_PLACES) return emptyTable(places);
  const table = spare.pop();
  if (table === undefined) return emptyTable(SPARE_PLACES);
  for (const column of COLUMNS) table[column].fill(0, 0, places);
  return table;
}

/** Gives a table back that nobody looks at any more. */
export function giveTable(table: CountTable): void {
  if (table.events.length === SPARE_PLACES && spare.length < SPARE_MAX) spare.push(table);
}
