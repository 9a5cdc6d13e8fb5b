/**
 * Numbers and times as the scanner reads them: from bytes, exactly, and as a rule without
 * allocation. NaN or -1 always means "leave it to the slow path" or "none", as each one says.
 */
import { TIMESTAMP_SECONDS_BELOW } from "../config/limits.ts";
import { numberEnd } from "./check_json.ts";

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;

/** Decimal digits that a double always holds exactly. */
const EXACT_DIGITS = 15;
/** Longest number that is turned into a string to see whether it is finite, bytes. */
const ODD_NUMBER_BYTES_MAX = 512;
/** Longest number without exponent that is taken as finite unseen, bytes; 10^308 has 309 digits. */
const SIMPLE_NUMBER_BYTES_MAX = 256;

/** 10^0 to 10^15: exact, so that digits / POWERS_OF_TEN[n] is rounded once, hence correctly. */
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => Number(`1e${n}`));

/** Index after a number without exponent that is surely finite, or -1 for anything else. */
export function simpleNumberEnd(bytes: Uint8Array, at: number, limit: number): number {
  const start = at;
  if (bytes[at] === MINUS) at++;
  const first = at;
  while (at < limit && (bytes[at] ^ ZERO) < 10) at++;
  if (at === first || (bytes[first] === ZERO && at > first + 1) || at >= limit) return -1;
  if (bytes[at] === DOT) {
    const fraction = ++at;
    while (at < limit && (bytes[at] ^ ZERO) < 10) at++;
    if (at === fraction || at >= limit) return -1;
  }
  return (bytes[at] | 0x20) === 0x65 || at - start > SIMPLE_NUMBER_BYTES_MAX ? -1 : at;
}

/** Index after any finite number, or -1. Slower, and it allocates: for the few odd ones. */
export function oddNumberEnd(bytes: Uint8Array, at: number, limit: number): number {
  const end = numberEnd(bytes, at, limit);
  if (end < 0 || end - at > ODD_NUMBER_BYTES_MAX) return -1;
  return Number.isFinite(Number(asciiText(bytes, at, end))) ? end : -1;
}

function asciiText(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}

/**
 * Value of a valid JSON number or plain decimal in bytes[start, end), correctly rounded. Up to 15
 * digits without sign and exponent it is one division (Clinger 1990, the exact case).
 */
export function numberValue(bytes: Uint8Array, start: number, end: number): number {
  let digits = 0;
  let scale = 0;
  if (end - start > EXACT_DIGITS + 1) return Number(asciiText(bytes, start, end));
  for (let at = start; at < end; at++) {
    const digit = bytes[at] ^ ZERO;
    if (digit < 10) digits = digits * 10 + digit;
    else if (bytes[at] === DOT) scale = end - at - 1;
    else return Number(asciiText(bytes, start, end));
  }
  // 16 digits without a point may be beyond 2^53, where the sum above is not exact.
  if (scale === 0 && end - start > EXACT_DIGITS) return Number(asciiText(bytes, start, end));
  return digits / POWERS_OF_TEN[scale];
}

/** Value of a string's bytes that match ^\d{1,15}(\.\d{1,15})?$, else NaN. */
export function decimalStringValue(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] ^ ZERO) < 10) at++;
  if (at === start || at - start > EXACT_DIGITS) return NaN;
  if (at < end) {
    if (bytes[at] !== DOT) return NaN;
    const fraction = ++at;
    while (at < end && (bytes[at] ^ ZERO) < 10) at++;
    if (at === fraction || at < end || at - fraction > EXACT_DIGITS) return NaN;
  }
  return numberValue(bytes, start, end);
}

/**
 * Milliseconds of a timestamp written as plain digits, seconds or ms by size, or NaN for more than
 * 15 digits and for 0, which means "now".
 */
export function timestampOfDigits(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > EXACT_DIGITS) return NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] ^ ZERO;
    if (digit > 9) return NaN;
    value = value * 10 + digit;
  }
  if (value === 0) return NaN;
  return value < TIMESTAMP_SECONDS_BELOW ? value * 1000 : value;
}

/** Days before month 1 to 12 of a year that is not a leap year; [13] = its length, [0] unused. */
// deno-fmt-ignore
const DAYS_BEFORE_MONTH = Int32Array.of(
  0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365,
);

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at] ^ ZERO;
  const ones = bytes[at + 1] ^ ZERO;
  return tens < 10 && ones < 10 ? tens * 10 + ones : 1000;
}

/**
 * Milliseconds of `YYYY-MM-DDTHH:MM:SS[.f{1,9}]Z` (RFC 3339) in 1970 or later, digits below the ms
 * cut off; NaN for every other form and for dates that do not exist.
 */
export function timestampOfUtcText(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < 20 || length > 30 || bytes[end - 1] !== 0x5a) return NaN;
  if (
    bytes[start + 4] !== MINUS || bytes[start + 7] !== MINUS || bytes[start + 10] !== 0x54 ||
    bytes[start + 13] !== 0x3a || bytes[start + 16] !== 0x3a
  ) return NaN;
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5);
  const day = twoDigits(bytes, start + 8);
  const hour = twoDigits(bytes, start + 11);
  const minute = twoDigits(bytes, start + 14);
  const second = twoDigits(bytes, start + 17);
  if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1) return NaN;
  if (hour > 23 || minute > 59 || second > 59) return NaN;
  const leap = (year & 3) === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  const before = DAYS_BEFORE_MONTH[month];
  const monthDays = DAYS_BEFORE_MONTH[month + 1] - before + (month === 2 ? leap : 0);
  if (day > monthDays) return NaN;
  const past = year - 1;
  const leapDays = (past >> 2) - ((past / 100) | 0) + ((past / 400) | 0) - 477;
  const days = (year - 1970) * 365 + leapDays + before + (month > 2 ? leap : 0) + day - 1;
  const millis = length === 20 ? 0 : millisOfFraction(bytes, start + 19, end - 1);
  return days * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1000 + millis;
}

function millisOfFraction(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== DOT || end - at < 2) return NaN;
  let millis = 0;
  let weight = 100;
  for (let digitAt = at + 1; digitAt < end; digitAt++) {
    const digit = bytes[digitAt] ^ ZERO;
    if (digit > 9) return NaN;
    millis += digit * weight;
    weight = (weight / 10) | 0;
  }
  return millis;
}
