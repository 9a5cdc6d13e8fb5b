/**
 * Where minutes, hours, days, weeks and months begin in a time zone, as UTC instants.
 *
 * Temporal gives the zone's offset changes; the rest is arithmetic on them. The rules, chosen so
 * that buckets follow each other without a gap, never overlap and are never empty:
 * - a day begins at the first instant whose local date is that date or a later one. So a day may
 *   have 23 or 25 hours, begins at 01:00 where midnight is skipped, and a date that a zone left out
 *   (Samoa, 30 December 2011) has no bucket;
 * - weeks begin on Monday (ISO 8601), weeks and months where their first day does;
 * - an hour begins where the local clock shows a full hour, and wherever the offset changes. So an
 *   hour that the clock shows twice is two buckets, and a zone that moves by half an hour has one
 *   bucket of half an hour;
 * - minutes are those of UTC. Offsets are taken to the whole minute (only Africa/Monrovia had
 *   another since 1970, until 1972), so every boundary stands at a whole minute of UTC, and every
 *   bucket inside a range is made of whole rollup cells.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** 1970-01-05, the first Monday since the epoch, in days since the epoch. */
const FIRST_MONDAY = 4;
/** No bucket is longer than a month, so offsets are read this much beyond a range. */
const MARGIN_MS = 40 * DAY_MS;

/** Most questions are in this zone, and Temporal takes 20 us to say what is known of it. */
const UTC = "UTC";

/** Widths a time series can have. */
export type Granularity = "minute" | "hour" | "day" | "week" | "month";

/** Granularities whose buckets all have one width in UTC, and begin at whole multiples of it. */
const UTC_WIDTHS_MS: ReadonlyMap<Granularity, number> = new Map([
  ["minute", MINUTE_MS],
  ["hour", HOUR_MS],
  ["day", DAY_MS],
]);

/** A span with one UTC offset, [startMs, endMs). */
interface OffsetSpan {
  readonly startMs: number;
  readonly endMs: number;
  /** Local time minus UTC, a whole number of minutes in ms. */
  readonly offsetMs: number;
}

/**
 * The zone's name in its usual spelling, or null when it is not an IANA time zone name. Names are
 * taken in any case; numeric offsets such as +02:00 are not names.
 */
export function timeZoneName(name: string): string | null {
  if (name === UTC) return UTC;
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(name)) return null;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId;
  } catch {
    return null;
  }
}

/**
 * Starts of the buckets that meet [fromMs, toMs), ascending, then the end of the last one. The
 * first may begin before `fromMs` and the last end after `toMs`. Stops after `bucketsMax` buckets
 * (then the last value is not past `toMs`). Empty when the range is.
 */
export function bucketStarts(
  timeZone: string,
  granularity: Granularity,
  fromMs: number,
  toMs: number,
  bucketsMax: number,
): number[] {
  if (fromMs >= toMs) return [];
  const widthMs = timeZone === UTC ? UTC_WIDTHS_MS.get(granularity) : undefined;
  if (widthMs !== undefined) return evenStarts(widthMs, fromMs, toMs, bucketsMax);
  const boundary = new BoundaryFinder(timeZone, granularity, fromMs, toMs);
  const starts = [boundary.startOf(fromMs)];
  for (let at = starts[0]; at < toMs && starts.length <= bucketsMax;) {
    at = boundary.after(at);
    starts.push(at);
  }
  return starts;
}

/** The same of buckets of one width; a list that grew number by number was most of a plan's garbage. */
function evenStarts(
  widthMs: number,
  fromMs: number,
  toMs: number,
  bucketsMax: number,
): number[] {
  const firstMs = floorTo(fromMs, widthMs);
  const buckets = Math.min(Math.ceil((toMs - firstMs) / widthMs), bucketsMax);
  const starts = new Array<number>(buckets + 1);
  for (let i = 0; i <= buckets; i++) starts[i] = firstMs + i * widthMs;
  return starts;
}

/** Finds bucket boundaries of one granularity within reach of a range. */
class BoundaryFinder {
  readonly #spans: readonly OffsetSpan[];

  constructor(
    timeZone: string,
    private readonly granularity: Granularity,
    fromMs: number,
    toMs: number,
  ) {
    this.#spans = offsetSpans(timeZone, fromMs - MARGIN_MS, toMs + MARGIN_MS);
  }

  /** Start of the bucket that `instantMs` lies in. */
  startOf(instantMs: number): number {
    if (this.granularity === "minute") return floorTo(instantMs, MINUTE_MS);
    const span = this.#spanAt(instantMs);
    const localMs = instantMs + span.offsetMs;
    if (this.granularity === "hour") {
      return Math.max(span.startMs, floorTo(localMs, HOUR_MS) - span.offsetMs);
    }
    // Where the clock goes back over midnight the local date steps back, but the later date has
    // begun and goes on: so look on from the period of the local date.
    let period = this.#periodOf(Math.floor(localMs / DAY_MS));
    let start = this.#startOfDate(period);
    for (;;) {
      const next = this.#nextPeriod(period);
      const nextStart = this.#startOfDate(next);
      if (nextStart > instantMs) return start;
      period = next;
      start = nextStart;
    }
  }

  /** Start of the bucket after the one that begins at `startMs`. */
  after(startMs: number): number {
    if (this.granularity === "minute") return startMs + MINUTE_MS;
    const span = this.#spanAt(startMs);
    const localMs = startMs + span.offsetMs;
    if (this.granularity === "hour") {
      return Math.min(span.endMs, floorTo(localMs, HOUR_MS) + HOUR_MS - span.offsetMs);
    }
    let period = this.#periodOf(Math.floor(localMs / DAY_MS));
    for (;;) {
      period = this.#nextPeriod(period);
      const start = this.#startOfDate(period);
      if (start > startMs) return start;
    }
  }

  /** First day of the day, week or month of a date. Dates are days since the epoch. */
  #periodOf(date: number): number {
    if (this.granularity === "day") return date;
    if (this.granularity === "week") return date - modulo(date - FIRST_MONDAY, 7);
    return date - new Date(date * DAY_MS).getUTCDate() + 1;
  }

  /** First day of the period after the one that begins with `date`. */
  #nextPeriod(date: number): number {
    if (this.granularity === "day") return date + 1;
    if (this.granularity === "week") return date + 7;
    const first = new Date(date * DAY_MS);
    return Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1) / DAY_MS;
  }

  /** First instant whose local date is `date` or later. */
  #startOfDate(date: number): number {
    for (const span of this.#spans) {
      const start = Math.max(span.startMs, date * DAY_MS - span.offsetMs);
      if (start < span.endMs) return start;
    }
    throw new Error("date is out of reach of the offsets read");
  }

  #spanAt(instantMs: number): OffsetSpan {
    const spans = this.#spans;
    let low = 0;
    let high = spans.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (instantMs < spans[middle].endMs) high = middle;
      else low = middle + 1;
    }
    return spans[low];
  }
}

/** The offsets of a zone over [fromMs, toMs); the first and last span reach without end. */
function offsetSpans(timeZone: string, fromMs: number, toMs: number): OffsetSpan[] {
  if (timeZone === UTC) return [{ startMs: -Infinity, endMs: Infinity, offsetMs: 0 }];
  const spans: OffsetSpan[] = [];
  let at = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(timeZone);
  let startMs = -Infinity;
  for (;;) {
    const offsetMs = offsetMinutesMs(at);
    const next = at.getTimeZoneTransition("next");
    if (next === null || next.epochMilliseconds > toMs) {
      spans.push({ startMs, endMs: Infinity, offsetMs });
      return spans;
    }
    at = next;
    // A change too small to show in whole minutes is none: no boundary stands there.
    if (offsetMinutesMs(next) === offsetMs) continue;
    const endMs = floorTo(next.epochMilliseconds, MINUTE_MS);
    spans.push({ startMs, endMs, offsetMs });
    startMs = endMs;
  }
}

/** The UTC offset in force, to the whole minute, in ms. */
function offsetMinutesMs(at: Temporal.ZonedDateTime): number {
  return Math.round(at.offsetNanoseconds / 1e6 / MINUTE_MS) * MINUTE_MS;
}

function floorTo(value: number, width: number): number {
  return Math.floor(value / width) * width;
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
