/** The table of figures. */
import assert from "node:assert/strict";
import { type BenchOrigin, withRows } from "./bench_table.ts";
import type { BenchRow } from "./bench_study.ts";

const EMPTY =
  "# T\n\n<!-- figures: written by make bench -->\n\n<!-- end of figures -->\n\nAfter.\n";
const ORIGIN: BenchOrigin = { commit: "abc1234", date: "2026-05-04", machine: "2 cores", runs: 5 };

function row(name: string, figure: string): BenchRow {
  return { name, figure, beside: "", ratio: "0.71", bar: ">= 0.7", met: true };
}

Deno.test("withRows() keeps rows of other names when the machine is the same", () => {
  const first = withRows(EMPTY, [row("a", "1"), row("b", "2")], ORIGIN);
  // As `deno fmt` leaves it: lines wrapped, cells padded.
  const formatted = first.replace("Medians of 5", "Medians\nof 5").replace("| a |", "| a   |");
  const second = withRows(formatted, [row("b", "3")], { ...ORIGIN, commit: "def5678" });
  const lines = second.split("\n").filter((line) => /^\| [ab] /.test(line));
  assert.deepEqual(lines, [
    "| a   | 1 | - | 0.71 | >= 0.7 | yes | abc1234, 2026-05-04 |",
    "| b | 3 | - | 0.71 | >= 0.7 | yes | def5678, 2026-05-04 |",
  ]);
  assert.ok(second.startsWith("# T\n") && second.endsWith("\nAfter.\n"));
});

Deno.test("withRows() drops rows that another machine has measured", () => {
  const first = withRows(EMPTY, [row("a", "1")], ORIGIN);
  const second = withRows(first, [row("b", "2")], { ...ORIGIN, machine: "8 cores" });
  assert.ok(!/^\| a /m.test(second) && /^\| b /m.test(second));
});

Deno.test("withRows() refuses a document without its markers", () => {
  assert.throws(() => withRows("# T\n", [row("a", "1")], ORIGIN), /lacks/);
});
