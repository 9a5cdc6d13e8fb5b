import assert from "node:assert/strict";
import { WINDOW_ROWS_FIRST, WINDOW_ROWS_MAX } from "../../lib/config/export_limits.ts";
import { rowsNow, type WindowPorts, WindowSize } from "./read_windows.ts";

const GOAL = { bytes: 1_000_000, rows: 100_000 };

/** Sizes of so many windows over rows of `rowBytes`, of which one in `every` matches. */
function sizes(windows: number, rowBytes: number, every: number, msPerRow = 0): number[] {
  const size = new WindowSize(GOAL);
  return Array.from({ length: windows }, () => {
    const scanned = size.rows, rows = Math.floor(scanned / every);
    size.learn({ scanned, rows, bytes: rows * rowBytes, tookMs: scanned * msPerRow });
    return scanned;
  });
}

Deno.test("WindowSize() comes to windows of the wanted length", () => {
  assert.equal(sizes(1, 250, 1)[0], WINDOW_ROWS_FIRST);
  assert.equal(sizes(10, 250, 1).at(-1), 4_000);
  assert.equal(sizes(10, 32_768, 1).at(-1), 30);
  assert.equal(sizes(10, 1, 1).at(-1), GOAL.rows);
});

Deno.test("WindowSize() grows where few rows match, step by step, to a limit", () => {
  const grown = sizes(20, 250, 1e9);
  grown.forEach((rows, i) => assert.ok(i === 0 || rows <= 4 * grown[i - 1]));
  assert.equal(grown.at(-1), WINDOW_ROWS_MAX);
});

Deno.test("WindowSize() makes slow windows smaller, but not tiny", () => {
  assert.equal(sizes(20, 1, 1e9, 0.1).at(-1), 10_000);
  assert.equal(sizes(20, 1, 1e9, 100).at(-1), 1_024);
});

Deno.test("rowsNow() refuses to leave partitions out unless it may", async () => {
  const ports = {
    now: Date.now,
    askRows: () =>
      Promise.resolve({
        answers: [
          { partition: 2, partial: 7, completeUntilMs: 100 },
          { partition: 0, partial: 5, completeUntilMs: 90 },
        ],
        missing: [1],
      }),
  } as unknown as WindowPorts;
  const signal = new AbortController().signal;
  await assert.rejects(rowsNow(ports, false, signal), /partitions 1 are not open/);
  assert.deepEqual(await rowsNow(ports, true, signal), {
    ends: [{ partition: 0, endSeq: 5 }, { partition: 2, endSeq: 7 }],
    missing: [1],
    completeUntilMs: 90,
  });
});
