/**
 * Parts of one user's sessions as the store gives them for histories: numbers in columns, chunk by
 * chunk. A part stands for one row or for many of the same session and hour, so that a store may
 * have added them up before anybody asks.
 */

/** All rows of a part lie in one hour since the epoch of this length, ms. */
export const PART_MS = 3_600_000;

/** Some parts of sessions of one user. */
export interface SessionPartChunk {
  readonly count: number;
  /** uint64 pairs, low word first. */
  readonly sessionHash: Uint32Array;
  /** Least and greatest place of its rows in the partition's log. */
  readonly minSeq: Float64Array;
  readonly maxSeq: Float64Array;
  /** Times of its first and its last event, ms since the epoch. */
  readonly firstMs: Float64Array;
  readonly lastMs: Float64Array;
  /** Series of its first and of its last event; of those at one time, by their order in the log. */
  readonly firstSeries: Int32Array;
  readonly lastSeries: Int32Array;
  readonly events: Int32Array;
  readonly transactions: Int32Array;
  readonly revenue: Float64Array;
  /**
   * By part: the session id that the client gave; null = it is derived. To be asked before the call
   * that is given the chunk returns.
   */
  readonly sessionId: (part: number) => string | null;
  /** Event types by series id. */
  readonly types: ReadonlyMap<number, string>;
}
