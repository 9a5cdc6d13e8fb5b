import assert from "node:assert/strict";
import fc from "fast-check";
import { PendingQueue } from "./pending_queue.ts";

Deno.test("PendingQueue() equals an array when pushed and shifted in any order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ push: fc.nat({ max: 1500 }), shift: fc.nat({ max: 1500 }) })),
      (steps) => {
        const queue = new PendingQueue<number>();
        let [pushed, shifted] = [0, 0];
        for (const { push, shift } of steps) {
          for (let i = 0; i < push; i++) queue.push(pushed++);
          for (let i = 0; i < shift; i++) {
            const expected = shifted < pushed ? shifted : undefined;
            assert.equal(queue.first(), expected);
            assert.equal(queue.shift(), expected);
            if (expected !== undefined) shifted++;
          }
          assert.equal(queue.length, pushed - shifted);
          assert.equal(queue.at(queue.length - 1), queue.length > 0 ? pushed - 1 : undefined);
        }
      },
    ),
    { numRuns: 50 },
  );
});
