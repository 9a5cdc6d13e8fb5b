import assert from "node:assert/strict";
import fc from "fast-check";
import { BLOCK_ROWS, UserBlocks } from "./user_blocks.ts";

/** Runs of rows of one user each, [user, rows], many of them longer than a block. */
const runs = fc.array(
  fc.tuple(
    fc.nat(12),
    fc.oneof(fc.integer({ min: 1, max: 500 }), fc.constantFrom(BLOCK_ROWS, 70_000)),
  ),
  { maxLength: 30 },
);

/** Hashes whose slots are the same for many users. */
const hashOf = (user: number): [low: number, high: number] => [(user << 18) >>> 0, user];

Deno.test("UserBlocks.rangesOf() has every row of a user, and little else, whatever is forgotten", () => {
  const settings = fc.record({
    bytesMax: fc.constantFrom(1_000, 6_000, 1_000_000),
    rangesMax: fc.integer({ min: 1, max: 5 }),
    lateRows: fc.nat(3),
  });
  fc.assert(
    fc.property(runs, settings, (given, { bytesMax, rangesMax, lateRows }) => {
      const blocks = new UserBlocks(bytesMax);
      const owners: [user: number, fromSeq: number, toSeq: number][] = [];
      let seq = 0;
      for (const [user, rows] of given) {
        const [low, high] = hashOf(user);
        const hashes = new Uint32Array(2 * rows);
        for (let row = 0; row < rows; row++) hashes.set([low, high], 2 * row);
        blocks.add(hashes, rows);
        owners.push([user, seq, seq + rows]);
        seq += rows;
      }
      assert.equal(blocks.toSeq, seq);
      const endSeq = seq + lateRows;
      for (let user = 0; user < 14; user++) {
        const ranges = blocks.rangesOf(...hashOf(user), endSeq, rangesMax);
        assert(ranges.length <= rangesMax);
        const own = owners.filter(([owner]) => owner === user);
        for (const [, fromSeq, toSeq] of own) {
          assert(has(ranges, fromSeq, toSeq), `rows ${fromSeq} to ${toSeq} of user ${user}`);
        }
        if (lateRows > 0) assert(has(ranges, seq, endSeq), "rows that are not noted yet");
        if (bytesMax === 1_000_000 && own.length === 0 && lateRows === 0) {
          assert.deepEqual(ranges, [], "a user without rows is looked for nowhere");
        }
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("UserBlocks forgets older blocks and stays within its bytes", () => {
  const bytesMax = 128 * 1024;
  const blocks = new UserBlocks(bytesMax);
  const hashes = new Uint32Array(2 * BLOCK_ROWS);
  for (let block = 0; block < 40; block++) {
    // Half of the users are new in each block.
    const first = 250 * block;
    for (let row = 0; row < BLOCK_ROWS; row++) hashes.set(hashOf(first + row % 500), 2 * row);
    blocks.add(hashes, BLOCK_ROWS);
    assert(blocks.byteSize <= bytesMax, `${blocks.byteSize} bytes`);
  }
  assert(blocks.fromSeq > 0 && blocks.fromSeq < blocks.toSeq);
  assert.equal(blocks.fromSeq % BLOCK_ROWS, 0);
});

function has(
  ranges: readonly { fromSeq: number; toSeq: number }[],
  fromSeq: number,
  toSeq: number,
): boolean {
  return ranges.some((range) => range.fromSeq <= fromSeq && range.toSeq >= toSeq);
}
