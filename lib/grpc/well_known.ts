/** google.protobuf.Timestamp and Duration, as proto-loader has them and as numbers. */

/** Seconds are int64, which proto-loader gives as text. */
export interface SecondsAndNanos {
  readonly seconds: string | number;
  readonly nanos: number;
}

const SECOND_MS = 1_000;
const MILLI_NANOS = 1_000_000;

/** Ms since the epoch to a Timestamp; whole ms. */
export function timestampOf(epochMs: number): SecondsAndNanos {
  const seconds = Math.floor(epochMs / SECOND_MS);
  return { seconds, nanos: Math.floor(epochMs - seconds * SECOND_MS) * MILLI_NANOS };
}

/** Ms to a Duration. */
export function durationOf(ms: number): SecondsAndNanos {
  const seconds = Math.trunc(ms / SECOND_MS);
  return { seconds, nanos: Math.round((ms - seconds * SECOND_MS) * MILLI_NANOS) };
}

/** A Timestamp or Duration in ms, what is finer cut off; null stays. */
export function msOf(value: SecondsAndNanos | null): number | null {
  if (value === null) return null;
  return Number(value.seconds) * SECOND_MS + Math.floor(value.nanos / MILLI_NANOS);
}
