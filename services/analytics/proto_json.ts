/**
 * Values in proto JSON form (protobuf.dev/programming-guides/json): what `analytics.v1` answers
 * are made of on REST, and what the gRPC form of them is read from.
 */

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

/** int64: a decimal string. Takes a whole number. */
export function int64Json(value: number): string {
  return value.toFixed(0);
}

/**
 * Timestamp: RFC 3339 in UTC, with a fraction only where there is one. Takes whole ms. A series has
 * hundreds of them in order, so the last date is kept: toISOString alone takes 0.5 us each time.
 */
export function timestampJson(epochMs: number): string {
  const day = Math.floor(epochMs / DAY_MS);
  if (day !== dated.day) {
    const midnight = new Date(day * DAY_MS).toISOString();
    dated = { day, text: midnight.slice(0, midnight.indexOf("T") + 1) };
  }
  const ms = epochMs - day * DAY_MS;
  const second = Math.floor(ms / SECOND_MS);
  const fraction = ms - second * SECOND_MS;
  const minute = Math.floor(second / 60);
  const time = `${twoDigits(Math.floor(minute / 60))}:${twoDigits(minute % 60)}:` +
    twoDigits(second % 60);
  const fractionText = fraction === 0 ? "" : `.${String(fraction).padStart(3, "0")}`;
  return `${dated.text}${time}${fractionText}Z`;
}

/** The day of the last timestamp, counted since the epoch, and its text with the T. */
let dated = { day: NaN, text: "" };

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** Duration: seconds with the suffix `s`, for example `0.003s`. Takes ms. */
export function durationJson(durationMs: number): string {
  const wholeMs = Math.max(0, Math.round(durationMs));
  return wholeMs % SECOND_MS === 0
    ? `${wholeMs / SECOND_MS}s`
    : `${(wholeMs / SECOND_MS).toFixed(3)}s`;
}

/** Unix seconds, as the older API generation writes times. Takes ms; drops the fraction. */
export function unixSeconds(epochMs: number): number {
  return Math.floor(epochMs / SECOND_MS);
}
