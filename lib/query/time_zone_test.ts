import assert from "node:assert/strict";
import fc from "fast-check";
import { bucketStarts, type Granularity, timeZoneName } from "./time_zone.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** With whole, half and quarter hour offsets, changes at midnight, by half an hour, over a day. */
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "America/Sao_Paulo",
  "Africa/Cairo",
  "Africa/Casablanca",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Asia/Gaza",
  "Antarctica/Troll",
];

/** Instants around which a zone's clock changes, so that random ranges meet changes often. */
const CHANGES = [
  "2011-12-30T10:00:00Z", // Apia leaves out a day
  "2026-03-29T01:00:00Z", // Berlin forward
  "2026-10-25T01:00:00Z", // Berlin back
  "2026-04-04T15:00:00Z", // Lord Howe back by half an hour
  "2026-10-03T15:30:00Z", // Lord Howe forward
  "2009-11-01T02:31:00Z", // St John's back over midnight
  "2010-03-14T03:31:00Z", // St John's forward just after midnight
  "2017-10-15T03:00:00Z", // Sao Paulo skips midnight
  "2018-02-18T02:00:00Z", // Sao Paulo back over midnight
  "2024-04-25T22:00:00Z", // Cairo skips midnight
].map((iso) => Date.parse(iso));

interface LocalTime {
  /** Days since the epoch. */
  readonly date: number;
  /** Ms since local midnight. */
  readonly timeMs: number;
}

/** The oracle of local time: Intl, where the code under test uses Temporal. */
function localClock(timeZone: string): (instantMs: number) => LocalTime {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  return (instantMs) => {
    const [month, day, year, hour, minute] = format.format(instantMs).match(/\d+/g)!.map(Number);
    return {
      date: Date.UTC(year, month - 1, day) / DAY_MS,
      timeMs: (hour * 60 + minute) * MINUTE_MS,
    };
  };
}

/** First day of the period that a date lies in. */
function periodOf(date: number, granularity: Granularity): number {
  const day = new Date(date * DAY_MS);
  if (granularity === "week") return date - (day.getUTCDay() + 6) % 7;
  if (granularity === "month") return date - day.getUTCDate() + 1;
  return date;
}

/** All boundaries in [fromMs, toMs), found by walking the clock minute by minute. */
function walkedBoundaries(
  timeZone: string,
  granularity: Granularity,
  fromMs: number,
  toMs: number,
): number[] {
  const clock = localClock(timeZone);
  const boundaries: number[] = [];
  let before = clock(fromMs - DAY_MS);
  let latestPeriod = periodOf(before.date, granularity);
  for (let at = fromMs - DAY_MS + MINUTE_MS; at < toMs; at += MINUTE_MS) {
    const local = clock(at);
    const localMs = local.date * DAY_MS + local.timeMs;
    const jumped = localMs !== before.date * DAY_MS + before.timeMs + MINUTE_MS;
    const period = periodOf(local.date, granularity);
    const turns = granularity === "hour"
      ? local.timeMs % HOUR_MS === 0 || jumped
      : period > latestPeriod;
    if (turns && at >= fromMs) boundaries.push(at);
    latestPeriod = Math.max(latestPeriod, period);
    before = local;
  }
  return boundaries;
}

Deno.test("bucketStarts() equals a minute-by-minute walk when zone and range are random", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.constantFrom<Granularity>("hour", "day", "week", "month"),
      fc.constantFrom(...CHANGES, Date.parse("2025-06-01T00:00:00Z")),
      fc.integer({ min: -3 * 1440, max: 2 * 1440 }),
      fc.integer({ min: 1, max: 3 * DAY_MS }),
      (zone, granularity, aroundMs, minutesOff, lengthMs) => {
        const fromMs = aroundMs + minutesOff * MINUTE_MS;
        const toMs = fromMs + lengthMs;
        const starts = bucketStarts(zone, granularity, fromMs, toMs, 10_000);
        assert(starts[0] <= fromMs && starts[starts.length - 1] >= toMs);
        assert(starts.length < 2 || starts[starts.length - 2] < toMs);
        assert(starts.every((start, i) => i === 0 || start > starts[i - 1]));
        const inside = starts.filter((start) => start >= fromMs && start < toMs);
        assert.deepEqual(inside, walkedBoundaries(zone, granularity, fromMs, toMs));
      },
    ),
    { numRuns: 400 },
  );
});

Deno.test("bucketStarts() names a bucket alike when ranges begin inside it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.constantFrom<Granularity>("minute", "hour", "day", "week", "month"),
      fc.constantFrom(...CHANGES),
      fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (zone, granularity, aroundMs, offMs, share) => {
        const [start, end] = bucketStarts(
          zone,
          granularity,
          aroundMs + offMs,
          aroundMs + offMs + 1,
          10,
        );
        const insideMs = start + Math.floor(share * (end - start));
        assert.deepEqual(bucketStarts(zone, granularity, insideMs, insideMs + 1, 10), [start, end]);
      },
    ),
    { numRuns: 500 },
  );
});

const isoStarts = (
  zone: string,
  granularity: Granularity,
  from: string,
  to: string,
) =>
  bucketStarts(zone, granularity, Date.parse(from), Date.parse(to), 10_000).map((start) =>
    new Date(start).toISOString().replace(":00.000Z", "Z")
  );

Deno.test("bucketStarts() gives days of 23 and 25 hours when the clock changes", () => {
  assert.deepEqual(
    isoStarts("Europe/Berlin", "day", "2026-03-28T23:00:00Z", "2026-03-30T00:00:00Z"),
    ["2026-03-28T23:00Z", "2026-03-29T22:00Z", "2026-03-30T22:00Z"],
  );
  assert.deepEqual(
    isoStarts("Europe/Berlin", "day", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ["2026-10-24T22:00Z", "2026-10-25T23:00Z"],
  );
});

Deno.test("bucketStarts() leaves out a date when the zone did", () => {
  assert.deepEqual(
    isoStarts("Pacific/Apia", "day", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z"),
    ["2011-12-29T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"],
  );
});

Deno.test("bucketStarts() begins hours at local full hours when the offset has 45 minutes", () => {
  assert.deepEqual(
    isoStarts("Asia/Kathmandu", "hour", "2026-01-01T00:30:00Z", "2026-01-01T01:20:00Z"),
    ["2026-01-01T00:15Z", "2026-01-01T01:15Z", "2026-01-01T02:15Z"],
  );
});

Deno.test("bucketStarts() begins weeks on Monday and months on the first when asked to", () => {
  assert.deepEqual(
    isoStarts("UTC", "week", "2026-01-01T00:00:00Z", "2026-01-06T00:00:00Z"),
    ["2025-12-29T00:00Z", "2026-01-05T00:00Z", "2026-01-12T00:00Z"],
  );
  assert.deepEqual(
    isoStarts("America/New_York", "month", "2026-02-10T00:00:00Z", "2026-04-01T04:00:00Z"),
    ["2026-02-01T05:00Z", "2026-03-01T05:00Z", "2026-04-01T04:00Z"],
  );
});

Deno.test("bucketStarts() stops short of the end when there are too many buckets", () => {
  const starts = bucketStarts("UTC", "minute", 0, DAY_MS, 10);
  assert.equal(starts.length, 11);
  assert(starts[10] < DAY_MS);
});

Deno.test("timeZoneName() takes IANA names in any case and nothing else", () => {
  assert.equal(timeZoneName("europe/berlin"), "Europe/Berlin");
  assert.equal(timeZoneName("UTC"), "UTC");
  for (const name of ["", "+02:00", "Mars/Olympus", "Europe/Berlin ", "x".repeat(100), "[u-ca]"]) {
    assert.equal(timeZoneName(name), null, name);
  }
});

Deno.test("bucketStarts() gives the same in UTC as in a zone that never differs from it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Granularity>("minute", "hour", "day", "week", "month"),
      fc.integer({ min: -100_000_000, max: 2_000_000_000_000 }),
      fc.oneof(fc.nat(10_000), fc.nat(200_000_000)),
      fc.oneof(fc.nat(100), fc.constant(Infinity)),
      (granularity, fromMs, lengthMs, bucketsMax) => {
        const range = [granularity, fromMs, fromMs + lengthMs, bucketsMax] as const;
        assert.deepEqual(bucketStarts("UTC", ...range), bucketStarts("Etc/GMT", ...range));
      },
    ),
    { numRuns: 300 },
  );
});
