/**
 * Event times as the slow path reads them.
 */
import { TIMESTAMP_SECONDS_BELOW } from "../config/limits.ts";

/** RFC 3339, section 5.6: date-time, letters of either case. */
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i;

/**
 * Milliseconds of a number: seconds when it is below 100,000,000,000, else ms; whatever is finer
 * than a millisecond is cut off.
 */
export function timestampOfNumber(value: number): number {
  if (value >= TIMESTAMP_SECONDS_BELOW) return Math.floor(value);
  // By way of microseconds, because 1700000000.123 * 1000 may come out as ...122.99999.
  return Math.floor(Math.round(value * 1e6) / 1e3);
}

/**
 * Milliseconds of an RFC 3339 date-time, whatever is finer cut off; NaN when it is none, or names
 * a day or time that does not exist. Second 60 is refused: no such instant exists in Unix time.
 */
export function timestampOfText(text: string): number {
  const match = DATE_TIME.exec(text);
  if (match === null) return NaN;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  if (hour > 23 || minute > 59 || second > 59) return NaN;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return NaN;
  const millis = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"));
  date.setUTCHours(hour, minute, second, millis);
  if (match[8] === undefined) return date.getTime();
  const [offsetHours, offsetMinutes] = [Number(match[9]), Number(match[10])];
  if (offsetHours > 23 || offsetMinutes > 59) return NaN;
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000;
  return date.getTime() - (match[8] === "-" ? -offsetMs : offsetMs);
}
