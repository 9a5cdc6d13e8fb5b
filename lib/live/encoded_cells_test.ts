import assert from "node:assert/strict";
import fc from "fast-check";
import { MINUTE_MS, RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import {
  encodedCells,
  mergedBytesLeast,
  mergeEncodedDeltas,
  writeDeltaHeader,
} from "./encoded_cells.ts";

const T0 = 1_700_000_000_000;

interface Added {
  readonly series: number;
  readonly minute: number;
  readonly user: number;
  readonly amount: number;
}

const added: fc.Arbitrary<Added> = fc.record({
  series: fc.nat(5),
  minute: fc.nat(200),
  user: fc.nat(300),
  amount: fc.oneof(fc.constant(NaN), fc.nat(400).map((quarters) => quarters / 4)),
});

function deltaOf(events: readonly Added[]): RollupDelta {
  const delta = new RollupDelta();
  for (const { series, minute, user, amount } of events) {
    const at = T0 + minute * MINUTE_MS + user;
    delta.cellAt(series, at, user % 3 === 0).add(at, user, user + 1, user, user + 2, amount);
  }
  return delta;
}

function figures(delta: RollupDelta) {
  return [...delta.minutes, ...delta.hours].map(([key, cell]) => ({
    key,
    events: cell.events,
    first: cell.minTimestampMs,
    last: cell.maxTimestampMs,
    users: cell.users.estimate(),
    sessions: cell.sessions.estimate(),
    amountCount: cell.amountCount,
    amountSum: cell.amountSum,
    median: cell.amounts?.quantile(0.5),
  })).sort((a, b) => a.key - b.key);
}

Deno.test("encodedCells() finds the cells that RollupDelta.encode() wrote", () => {
  fc.assert(
    fc.property(fc.array(added, { maxLength: 60 }), (events) => {
      const delta = deltaOf(events);
      const bytes = delta.encode();
      const cells = encodedCells(bytes);
      const keys = [...delta.minutes.keys(), ...delta.hours.keys()];
      assert.deepEqual(cells.map(({ series }) => series), keys.map((key) => key % SERIES_SPAN));
      const whole = [...delta.minutes.values(), ...delta.hours.values()];
      assert.deepEqual(cells.map(({ events }) => events), whole.map(({ events }) => events));
      assert.deepEqual(
        cells.map(({ usersStart, usersEnd }) =>
          HyperLogLog.decode(bytes.subarray(usersStart, usersEnd)).estimate()
        ),
        whole.map(({ users }) => users.estimate()),
      );
      assert.equal(new Set(cells.map(({ key }) => key)).size, cells.length);
      // A cell cut out, under a header of its own, is a delta of that cell.
      for (const [index, { start, end }] of cells.entries()) {
        const alone = new Uint8Array(8 + end - start);
        writeDeltaHeader(new DataView(alone.buffer), 0, 1);
        alone.set(bytes.subarray(start, end), 8);
        const [[key]] = [...RollupDelta.decode(alone).minutes, ...RollupDelta.decode(alone).hours];
        assert.equal(key, keys[index]);
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("encodedCells() refuses bytes that are cut short, too long or of another version", () => {
  const bytes = deltaOf([{ series: 1, minute: 0, user: 1, amount: 2 }]).encode();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => encodedCells(bytes.subarray(0, length)), RangeError);
  }
  assert.throws(() => encodedCells(new Uint8Array([...bytes, 0])), RangeError);
  bytes[0] = 2;
  assert.throws(() => encodedCells(bytes), /version 1/);
});

Deno.test("mergeEncodedDeltas() equals the delta of all events together", () => {
  fc.assert(
    fc.property(fc.array(fc.array(added, { maxLength: 30 }), { maxLength: 6 }), (batches) => {
      const deltas = batches.map((events) => deltaOf(events).encode());
      const merged = mergeEncodedDeltas(deltas);
      assert.ok(merged.length >= mergedBytesLeast(deltas));
      assert.deepEqual(figures(RollupDelta.decode(merged)), figures(deltaOf(batches.flat())));
    }),
    { numRuns: 100 },
  );
});

Deno.test("mergedBytesLeast() is the length of deltas that have no cell in common", () => {
  const deltas = [0, 1, 2].map((series) =>
    deltaOf([{ series, minute: series, user: 4, amount: 1 }]).encode()
  );
  assert.equal(mergedBytesLeast(deltas), mergeEncodedDeltas(deltas).length);
  assert.equal(mergedBytesLeast([deltas[0], deltas[0]]), deltas[0].length);
});
