/** Rows of one user as the store gives them for histories: numbers in columns, chunk by chunk. */

/** Some rows of one user. */
export interface UserRowChunk {
  readonly count: number;
  /** Places in the partition's log. */
  readonly seq: Float64Array;
  readonly series: Int32Array;
  /** EventType number of analytics.v1, 1 to 4. */
  readonly category: Uint8Array;
  /** Ms since the epoch. */
  readonly timestampMs: Float64Array;
  /** uint64 pairs, low word first. */
  readonly sessionHash: Uint32Array;
  /** NaN = none. */
  readonly amount: Float64Array;
  /** The session id that the client gave with a row; null = it is derived. Only while it is read. */
  readonly sessionIdOf: (row: number) => string | null;
  /** Event types by series id. */
  readonly types: ReadonlyMap<number, string>;
}
