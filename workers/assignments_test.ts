import assert from "node:assert/strict";
import fc from "fast-check";
import { Assignments, type PartitionHome } from "./assignments.ts";

/** A home whose steps end when the test says so; asserts that nothing is opened twice. */
class ManualHome implements PartitionHome {
  readonly running = new Set<number>();
  readonly pending: { what: string; finish: () => void }[] = [];

  async open(partition: number, signal: AbortSignal): Promise<boolean> {
    assert.ok(!this.running.has(partition), `${partition} is open already`);
    await this.#until(`open ${partition}`, signal);
    if (signal.aborted) return false;
    this.running.add(partition);
    return true;
  }

  async close(partition: number): Promise<void> {
    assert.ok(this.running.has(partition), `${partition} is not open`);
    await this.#until(`close ${partition}`);
    this.running.delete(partition);
  }

  #until(what: string, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.pending.push({ what, finish: resolve });
      signal?.addEventListener("abort", () => resolve());
    });
  }

  /** Ends every step that has begun, and those that follow from it. */
  async finishAll(): Promise<void> {
    for (let idle = 0; idle < 10; idle++) {
      while (this.pending.length > 0) {
        this.pending.shift()!.finish();
        idle = 0;
      }
      await Promise.resolve();
    }
  }
}

function unexpected(error: Error): void {
  throw error;
}

Deno.test("assign() opens what is new, keeps what stays and closes what went", async () => {
  const home = new ManualHome();
  const assignments = new Assignments(home, () => {}, unexpected);
  assignments.assign([0, 1]);
  assert.deepEqual(assignments.awaited, [0, 1]);
  await home.finishAll();
  assert.deepEqual(assignments.open, [0, 1]);
  assignments.assign([1, 2]);
  await Promise.resolve();
  assert.deepEqual(home.pending.map(({ what }) => what).sort(), ["close 0", "open 2"]);
  await home.finishAll();
  assert.deepEqual(assignments.open, [1, 2]);
  assert.deepEqual(assignments.awaited, []);
});

Deno.test("assign() gives an opening up when its partition is taken away", async () => {
  const home = new ManualHome();
  const assignments = new Assignments(home, () => {}, unexpected);
  assignments.assign([5]);
  await Promise.resolve();
  assert.equal(home.pending[0].what, "open 5");
  await assignments.release();
  assignments.assign([6]);
  await Promise.resolve();
  assert.deepEqual([assignments.open, assignments.awaited], [[], []]);
});

Deno.test("assign() opens a partition again when it comes back while it is closed", async () => {
  const home = new ManualHome();
  const assignments = new Assignments(home, () => {}, unexpected);
  assignments.assign([5]);
  await home.finishAll();
  assignments.assign([]);
  await Promise.resolve();
  assert.equal(home.pending[0].what, "close 5");
  assignments.assign([5]);
  await home.finishAll();
  assert.deepEqual(assignments.open, [5]);
});

Deno.test("assign() reports the first failure and does nothing after it", async () => {
  const failures: string[] = [];
  const home: PartitionHome = {
    open: (partition) => Promise.reject(new Error(`no ${partition}`)),
    close: () => assert.fail("nothing was open"),
  };
  const assignments = new Assignments(home, () => {}, (error) => failures.push(error.message));
  assignments.assign([1, 2]);
  await Promise.resolve();
  await assignments.release();
  assert.deepEqual(failures, ["no 1"]);
});

Deno.test("assign() ends with the last assignment when assignments follow in any order", async () => {
  const assignment = fc.uniqueArray(fc.nat({ max: 4 }), { maxLength: 5 });
  const steps = fc.array(fc.tuple(assignment, fc.nat({ max: 3 })), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const home = new ManualHome();
      const assignments = new Assignments(home, () => {}, unexpected);
      for (const [partitions, finished] of given) {
        assignments.assign(partitions);
        await Promise.resolve();
        for (let i = 0; i < finished; i++) {
          home.pending.shift()?.finish();
          await Promise.resolve();
        }
      }
      await home.finishAll();
      const last = given[given.length - 1][0].toSorted((a, b) => a - b);
      assert.deepEqual(assignments.open, last);
      assert.deepEqual([...home.running].sort((a, b) => a - b), last);
    }),
    { numRuns: 300 },
  );
});
