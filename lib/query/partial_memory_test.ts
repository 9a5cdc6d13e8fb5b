import assert from "node:assert/strict";
import fc from "fast-check";
import { bruteShard, plainEvents } from "../../tests/support/brute_rollups.ts";
import { MergedRollup, type RollupPartial } from "./partial.ts";
import { copyPartial, OWN_MEMORY, releasePartial, SharedSlots } from "./partial_memory.ts";
import { planSummary } from "./plan.ts";

const FROM_MS = Date.parse("2026-03-01T00:00:10Z");
const TO_MS = FROM_MS + 7_200_000;
/** Worth a slot. */
const LARGE = 30 * 1024;

const isShared = (bytes: Uint8Array) => bytes.buffer instanceof SharedArrayBuffer;

function summaryPlan() {
  const question = { project: "shop", fromMs: FROM_MS, toMs: TO_MS, filter: null };
  const planned = planSummary(question);
  assert(planned.ok);
  return planned.plan.rollup;
}

/** A partial whose users lie in these bytes. */
function partialOver(bytes: Uint8Array): RollupPartial {
  const partial = bruteShard(summaryPlan(), [], 0);
  return { ...partial, users: { ends: Uint32Array.of(bytes.length), bytes } };
}

Deno.test("SharedSlots gives memory that nobody else has until it is released", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ length: fc.nat(50 * 1024), release: fc.option(fc.nat(40)) })),
      (steps) => {
        const slots = new SharedSlots(() => 0);
        const held: { bytes: Uint8Array; mark: number }[] = [];
        steps.forEach(({ length, release }, mark) => {
          if (release !== null && held.length > 0) {
            const [{ bytes }] = held.splice(release % held.length, 1);
            releasePartial(partialOver(bytes));
          }
          const bytes = slots.bytes(length);
          assert.equal(bytes.length, length);
          bytes.fill(1 + mark % 255);
          held.push({ bytes, mark });
        });
        for (const { bytes, mark } of held) assert(bytes.every((byte) => byte === 1 + mark % 255));
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("SharedSlots uses a slot again when it is released, or was given up long ago", () => {
  let nowMs = 0;
  const slots = new SharedSlots(() => nowMs);
  const taken: Uint8Array[] = [];
  while (isShared(taken.at(-1) ?? slots.bytes(LARGE))) taken.push(slots.bytes(LARGE));
  assert(!isShared(slots.bytes(LARGE)), "all slots are taken");
  releasePartial(partialOver(taken[3]));
  const again = slots.bytes(LARGE);
  assert.equal(again.buffer, taken[3].buffer);
  nowMs = 59_000;
  assert(!isShared(slots.bytes(LARGE)), "their readers may still come");
  nowMs = 62_000;
  assert(isShared(slots.bytes(LARGE)));
});

Deno.test("SharedSlots leaves alone what is small or too large for a slot", () => {
  const slots = new SharedSlots(() => 0);
  assert(!isShared(slots.bytes(0)) && !isShared(slots.bytes(100)) && !isShared(slots.bytes(1e6)));
});

Deno.test("copyPartial() reads as the original, also in shared memory and after a clone", () => {
  const read = (partial: RollupPartial) => {
    const merged = new MergedRollup([partial]);
    return merged.groups.map((group) =>
      [0, 1].map((bucket) => [
        merged.events(group, bucket),
        merged.amountCount(group, bucket),
        merged.amountSum(group, bucket),
        merged.users(group, bucket),
        merged.sessions(group, bucket),
      ])
    );
  };
  fc.assert(
    fc.property(plainEvents(FROM_MS - 7_200_000, TO_MS), (events) => {
      const partial = bruteShard(summaryPlan(), events, 7);
      const shared = copyPartial(partial, {
        bytes: (length) => new Uint8Array(new SharedArrayBuffer(length + 8), 8),
      });
      for (const copy of [shared, copyPartial(shared, OWN_MEMORY)]) {
        assert.deepEqual(read(copy), read(partial));
        assert.equal(copy.completeUntilMs, 7);
      }
      const used = copyPartial(partial, { bytes: (length) => new Uint8Array(length).fill(255) });
      assert.deepEqual(read(used), read(partial), "in memory that was used before");
      const other = structuredClone(partial);
      assert.deepEqual(read(copyPartial(other, new SharedSlots(() => 0))), read(partial));
    }),
    { numRuns: 50 },
  );
});
