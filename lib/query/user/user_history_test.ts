import assert from "node:assert/strict";
import fc from "fast-check";
import { sessionParts } from "../../../tests/support/session_parts.ts";
import { type SessionPlace, SessionTable, type UserSession } from "./session_table.ts";
import { UserActivity } from "./user_activity.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const placedRows = fc.array(fc.tuple(fc.nat(40), fc.nat(15)), { maxLength: 1_500 })
  .map((rows) => rows.map(([timestampMs, session], seq) => ({ timestampMs, session, seq })));

Deno.test("SessionTable's pages are all sessions of the range once, whole, newest first", () => {
  const question = fc.record({
    limit: fc.integer({ min: 1, max: 6 }),
    fromMs: fc.nat(30),
    length: fc.nat(40),
  });
  fc.assert(
    fc.property(placedRows, question, (rows, { limit, fromMs, length }) => {
      const table = new SessionTable();
      const types = ["view", "buy", "pay"];
      const hashOf = (session: number): [number, number] => [session % 4, session];
      const events = rows.map(({ timestampMs, session, seq }) => ({
        seq,
        timestampMs,
        session: hashOf(session),
        type: types[seq % 3],
      }));
      table.addParts(sessionParts(events.slice(0, 700)));
      table.addParts(sessionParts(events.slice(700)));
      for (const { session } of rows) table.setId(hashOf(session), `s${session}`);
      const expected = [...Map.groupBy(rows, ({ session }) => session)].map(([session, own]) => {
        const sorted = own.toSorted((a, b) => a.timestampMs - b.timestampMs || a.seq - b.seq);
        const first = sorted[0], last = sorted[sorted.length - 1];
        return {
          hash: hashOf(session),
          id: `s${session}`,
          startMs: first.timestampMs,
          entryType: types[first.seq % 3],
          endMs: last.timestampMs,
          exitType: types[last.seq % 3],
          events: own.length,
          minSeq: Math.min(...own.map(({ seq }) => seq)),
          maxSeq: Math.max(...own.map(({ seq }) => seq)),
        } satisfies UserSession;
      }).sort((a, b) => b.startMs - a.startMs || b.hash[1] - a.hash[1]);
      assert.equal(table.count, expected.length);
      const toMs = fromMs + length;
      const inRange = expected.filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
      const found: UserSession[] = [];
      let before: SessionPlace | null = null;
      for (;;) {
        const page = table.page({ fromMs, toMs, before, limit });
        assert.equal(page.count, inRange.length);
        assert.equal(page.events, inRange.reduce((sum, { events }) => sum + events, 0));
        const durations = inRange.map(({ startMs, endMs }) => endMs - startMs);
        assert.equal(page.durationMs, durations.reduce((sum, each) => sum + each, 0));
        found.push(...page.sessions);
        if (page.sessions.length < limit) break;
        const { startMs, hash: [low, high] } = page.sessions[limit - 1];
        before = { startMs, low, high };
      }
      assert.deepEqual(found, inRange);
    }),
    { numRuns: 100 },
  );
});

Deno.test("SessionTable.newestPlaces() leads to the newest events of a range, unless they are many", () => {
  const question = fc.record({
    limit: fc.integer({ min: 1, max: 40 }),
    fromMs: fc.nat(30),
    length: fc.nat(40),
    doubtMs: fc.nat(70),
    rowsMax: fc.constantFrom(0, 60, 2_000),
  });
  fc.assert(
    fc.property(placedRows, question, (rows, { limit, fromMs, length, doubtMs, rowsMax }) => {
      const table = new SessionTable();
      table.addParts(sessionParts(rows.map(({ timestampMs, session, seq }) => ({
        seq,
        timestampMs,
        session: [session, 1],
        type: "view",
      }))));
      const toMs = fromMs + length;
      const places = table.newestPlaces({ fromMs, toMs, doubtMs, limit, rowsMax });
      if (places === null) {
        assert(rows.length > rowsMax, "few enough to be found");
        return;
      }
      // Any of those in doubt may be no event of the page.
      const newest = rows.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
        .filter(({ timestampMs, seq }) => timestampMs < doubtMs || seq % 2 === 0)
        .sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq).slice(0, limit);
      // The ids of few parts are kept.
      assert.equal(places.areNamed, rows.length <= 1_024 || places.ranges.length === 0);
      for (const { timestampMs, seq } of newest) {
        assert(timestampMs >= places.fromMs, `event ${seq} is before the places`);
        assert(places.ranges.some((range) => seq >= range.fromSeq && seq < range.toSeq));
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("UserActivity.activeDays() has the days of any time zone that have an event", () => {
  const zones = fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns");
  const startMs = Date.UTC(2026, 2, 20);
  const times = fc.array(
    fc.oneof(
      fc.nat(20 * DAY_MS),
      fc.tuple(fc.nat(20), fc.constantFrom(-1, 0, 1, 30 * MINUTE_MS)).map(([day, off]) =>
        Math.max(0, day * DAY_MS + off)
      ),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(times, zones, (offsets, zone) => {
      const activity = new UserActivity();
      activity.addParts(sessionParts(offsets.map((offset, seq) => ({
        seq,
        timestampMs: startMs + offset,
        session: [1, 1],
        type: "view",
      }))));
      const localDay = (ms: number) =>
        Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone).startOfDay()
          .epochMilliseconds;
      const expected = new Set(offsets.map((offset) => localDay(startMs + offset)));
      assert.deepEqual(activity.activeDays(zone), [...expected].sort((a, b) => a - b));
    }),
    { numRuns: 200 },
  );
});

Deno.test("UserActivity tells transactions by category and by type, and refunds from revenue", () => {
  const activity = new UserActivity();
  const rows: [category: number, type: string, amount: number | null][] = [
    [2, "purchase", 10],
    [4, "purchase", 2.5],
    [4, "subscription", 4],
    [2, "refund", 3],
    [2, "transfer", 100],
    [2, "pay", 50],
    [4, "pay", 60],
    [4, "purchase", null],
    [1, "view", 7],
  ];
  activity.addParts(sessionParts(rows.map(([category, type, amount], seq) => ({
    seq,
    timestampMs: DAY_MS,
    session: [1, 1],
    category,
    type,
    amount,
  }))));
  assert.deepEqual([activity.events, activity.transactions, activity.revenue], [9, 7, 13.5]);
});
