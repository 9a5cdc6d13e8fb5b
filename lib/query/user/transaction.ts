/**
 * What counts as a transaction of a user, and for how much: an event of the category
 * EVENT_TYPE_TRANSACTION, or of a type that such events have in `analytics.v1`, because the plain
 * form of an event names no category.
 *
 * Stores add transactions up ahead of questions: a change here makes what they have kept wrong.
 */

export const CATEGORY_TRANSACTION = 2;

/** By type: what an amount counts for in the revenue. */
export const REVENUE_SIGNS: ReadonlyMap<string, number> = new Map([
  ["purchase", 1],
  ["subscription", 1],
  ["refund", -1],
  ["transfer", 0],
]);
