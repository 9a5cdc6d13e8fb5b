import assert from "node:assert/strict";
import { capturedIo } from "../../tests/support/captured_io.ts";
import { ProgressLine } from "./progress_line.ts";

const half = { share: 0.5, count: 1_500, countNow: 1_000, refused: 0 };

function progressOn(terminalColumns: number | null) {
  const io = capturedIo({ terminalColumns });
  const clock = { ms: 0 };
  return { io, clock, progress: new ProgressLine(io, "rows", () => clock.ms) };
}

Deno.test("update() writes a plain line every few seconds when there is no terminal", () => {
  const { io, clock, progress } = progressOn(null);
  for (clock.ms = 0; clock.ms <= 10_000; clock.ms += 50) progress.update(half);
  progress.end();
  assert.equal(io.err(), "50 %  1,500 rows  200/s\n50 %  1,500 rows  100/s\n");
});

Deno.test("update() draws one bar in place when there is a terminal", () => {
  const { io, clock, progress } = progressOn(80);
  clock.ms = 1_000;
  progress.update({ ...half, refused: 3 });
  const drawn = "[############            ] 50 %  1,500 rows  1,000/s  3 refused";
  assert.equal(io.err(), `\r${drawn}`);
  clock.ms = 1_001;
  progress.update(half); // too soon
  assert.equal(io.err(), `\r${drawn}`);
  progress.end();
  assert.equal(io.err(), `\r${drawn}\r${" ".repeat(drawn.length)}\r`);
});

Deno.test("update() keeps to the width of the terminal", () => {
  const { io, clock, progress } = progressOn(20);
  clock.ms = 1_000;
  progress.update(half);
  assert.equal(io.err().length, 20);
});
