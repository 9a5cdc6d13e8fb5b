import assert from "node:assert/strict";
import fc from "fast-check";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { LEVEL_DAY } from "../store/event_store.ts";
import { MergedRuns } from "./merged_runs.ts";

const CELLS = 40;
const SERIES = 3;
const USERS = 1;

/** Cells with changes that are told to the runs, as RollupCells does it. */
class Cells {
  readonly cells: (HyperLogLog | null)[] = new Array(CELLS).fill(null);
  readonly ids: Set<number>[] = Array.from({ length: CELLS }, () => new Set());
  readonly unknown = new Set<number>();
  reads = 0;
  readonly runs = new MergedRuns((_level, bucket) => {
    this.reads++;
    return this.unknown.has(bucket) ? undefined : this.cells[bucket];
  });

  add(bucket: number, id: number): void {
    (this.cells[bucket] ??= new HyperLogLog()).add(id, id);
    this.ids[bucket].add(id);
    this.runs.touch(LEVEL_DAY, bucket, SERIES);
  }

  of(from: number, to: number): HyperLogLog | null | undefined {
    return this.runs.of(LEVEL_DAY, from, to, SERIES, USERS);
  }

  counted(from: number, to: number): number {
    return new Set(this.ids.slice(from, to).flatMap((ids) => [...ids])).size;
  }
}

const bucket = fc.nat(CELLS - 1);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ add: bucket, id: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ from: fc.nat(CELLS), to: fc.nat(CELLS) }) },
  { weight: 1, arbitrary: fc.record({ sweeps: fc.constantFrom(1, 2) }) },
);

Deno.test("MergedRuns gives the merge of the cells when changes, questions and sweeps alternate", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const cells = new Cells();
      for (const each of steps) {
        if ("add" in each) cells.add(each.add, each.id);
        else if ("sweeps" in each) {
          for (let i = 0; i < each.sweeps; i++) cells.runs.sweep(() => true);
        } else {
          const [from, to] = [Math.min(each.from, each.to), Math.max(each.from, each.to)];
          assert.equal(cells.of(from, to)?.estimate() ?? 0, cells.counted(from, to));
          const parts: HyperLogLog[] = [];
          assert(cells.runs.parts(LEVEL_DAY, from, to, SERIES, USERS, (part) => parts.push(part)));
          assert.equal(HyperLogLog.union(parts).estimate(), cells.counted(from, to));
        }
      }
      for (let i = 0; i < 2; i++) cells.runs.sweep(() => true);
      assert.equal(cells.runs.byteSize, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("MergedRuns reads nothing when the same run is asked for again, and one block when a cell of it changed", () => {
  const cells = new Cells();
  for (let i = 0; i < CELLS; i++) cells.add(i, i);
  cells.of(3, 35);
  cells.reads = 0;
  cells.of(3, 35);
  assert.equal(cells.reads, 0);
  cells.add(17, 99);
  assert.equal(cells.of(3, 35)?.estimate(), 33);
  assert.equal(cells.reads, 5 + 8 + 3, "the single cells and the changed block");
});

Deno.test("MergedRuns is undefined when a cell is unknown, and asks for all that are", () => {
  const cells = new Cells();
  cells.add(4, 1);
  cells.unknown.add(9).add(21);
  assert.equal(cells.of(2, 30), undefined);
  cells.reads = 0;
  cells.unknown.clear();
  assert.equal(cells.of(2, 30)?.estimate(), 1);
});
