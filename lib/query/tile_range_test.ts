import assert from "node:assert/strict";
import fc from "fast-check";
import { LEVEL_WIDTHS_MS, tileRange } from "./tile_range.ts";

const DAY_MS = 86_400_000;
/** 2026-01-01T00:00:00Z */
const BASE_MS = 1_767_225_600_000;

/** Ranges of all sizes, with ends on and off minutes, hours and days. */
const ranges = fc.tuple(
  fc.integer({ min: 0, max: 20 * DAY_MS }),
  fc.oneof(
    fc.integer({ min: 0, max: 130_000 }),
    fc.integer({ min: 0, max: 3 * 3_600_000 }),
    fc.integer({ min: 0, max: 40 * DAY_MS }),
  ),
  fc.constantFrom(1, 1_000, 60_000, 3_600_000, DAY_MS),
  fc.constantFrom(1, 1_000, 60_000, 3_600_000, DAY_MS),
).map(([from, length, fromUnit, toUnit]) => {
  const startMs = BASE_MS + Math.floor(from / fromUnit) * fromUnit;
  return { startMs, endMs: Math.max(startMs, Math.floor((startMs + length) / toUnit) * toUnit) };
});

Deno.test("tileRange() covers the range exactly and in order when ranges are random", () => {
  fc.assert(
    fc.property(ranges, ({ startMs, endMs }) => {
      const { pieces, edges } = tileRange(startMs, endMs);
      const tiles = [
        ...edges.map(({ fromMs, toMs }) => [fromMs, toMs]),
        ...pieces.map(({ level, fromBucket, toBucket }) => [
          fromBucket * LEVEL_WIDTHS_MS[level],
          toBucket * LEVEL_WIDTHS_MS[level],
        ]),
      ].sort((a, b) => a[0] - b[0]);
      let at = startMs;
      for (const [fromMs, toMs] of tiles) {
        assert.equal(fromMs, at);
        assert(toMs > fromMs, "a tile is not empty");
        at = toMs;
      }
      assert.equal(at, endMs);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("tileRange() uses the widest cells when wider ones fit", () => {
  fc.assert(
    fc.property(ranges, ({ startMs, endMs }) => {
      const { pieces, edges } = tileRange(startMs, endMs);
      for (const { level, fromBucket, toBucket } of pieces) {
        if (level === 2) continue;
        const perWider = level === 0 ? 60 : 24;
        assert(
          Math.ceil(fromBucket / perWider) >= Math.floor(toBucket / perWider),
          "no whole wider cell lies in a piece",
        );
      }
      assert(pieces.length <= 5 && edges.length <= 2);
      const wholeMinute = Math.ceil(startMs / 60_000) < Math.floor(endMs / 60_000);
      if (wholeMinute) assert(edges.every(({ fromMs, toMs }) => toMs - fromMs < 60_000));
      else assert.equal(pieces.length, 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("tileRange() goes from edge to days and back to edge when all occur", () => {
  const start = Date.parse("2026-01-01T21:58:30.500Z");
  const end = Date.parse("2026-01-03T02:01:00.001Z");
  const minute = (iso: string) => Date.parse(iso) / 60_000;
  assert.deepEqual(tileRange(start, end), {
    edges: [
      { fromMs: start, toMs: Date.parse("2026-01-01T21:59:00Z") },
      { fromMs: end - 1, toMs: end },
    ],
    pieces: [
      {
        level: 0,
        fromBucket: minute("2026-01-01T21:59:00Z"),
        toBucket: minute("2026-01-01T22:00:00Z"),
      },
      {
        level: 1,
        fromBucket: minute("2026-01-01T22:00:00Z") / 60,
        toBucket: minute("2026-01-02T00:00:00Z") / 60,
      },
      {
        level: 2,
        fromBucket: minute("2026-01-02T00:00:00Z") / 1440,
        toBucket: minute("2026-01-03T00:00:00Z") / 1440,
      },
      {
        level: 1,
        fromBucket: minute("2026-01-03T00:00:00Z") / 60,
        toBucket: minute("2026-01-03T02:00:00Z") / 60,
      },
      {
        level: 0,
        fromBucket: minute("2026-01-03T02:00:00Z"),
        toBucket: minute("2026-01-03T02:01:00Z"),
      },
    ],
  });
});

Deno.test("tileRange() is empty when the range is", () => {
  assert.deepEqual(tileRange(5, 5), { pieces: [], edges: [] });
});
