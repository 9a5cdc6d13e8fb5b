import assert from "node:assert/strict";
import fc from "fast-check";
import { LIVE_TOP_BYTES_MAX, LIVE_TOP_COUNTERS } from "../config/limits.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { TopValues } from "../sketch/top_values.ts";
import {
  decodeCounts,
  decodeStart,
  decodeTail,
  decodeTick,
  encodeCounts,
  encodeStart,
  encodeTail,
  encodeTick,
  START_PART,
} from "./pulse_frames.ts";

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const offset = fc.maxSafeNat();
const places = fc.array(fc.tuple(fc.nat(1_000), offset), { maxLength: 5 });
const types = fc.array(fc.tuple(fc.string({ unit: "grapheme", maxLength: 20 }), word), {
  maxLength: 5,
});

Deno.test("decodeCounts() gives back what encodeCounts() wrote", () => {
  fc.assert(fc.property(
    word,
    word,
    places,
    types,
    fc.array(fc.tuple(word, word), { maxLength: 50 }),
    fc.option(fc.array(fc.string({ unit: "grapheme", maxLength: 9 }), { maxLength: 30 })),
    (definition, second, places, types, hashes, values) => {
      const users = new HyperLogLog();
      for (const [lo, hi] of hashes) users.add(lo, hi);
      const top = values && { values: new TopValues(LIVE_TOP_COUNTERS), without: 3, cut: 1 };
      for (const value of values ?? []) top!.values.add(value);
      const counts = { definition, second, places, types, users, top };
      const read = decodeCounts(encodeCounts(counts, LIVE_TOP_BYTES_MAX));
      assert.deepEqual({ ...read, users: null, top: null }, { ...counts, users: null, top: null });
      const union = HyperLogLog.union([read.users, users]);
      assert.deepEqual([read.users.estimate(), union.estimate()], [
        users.estimate(),
        users.estimate(),
      ]);
      assert.deepEqual(
        read.top && [read.top.values.top(99), read.top.without, read.top.cut],
        top && [top.values.top(99), 3, 1],
      );
    },
  ));
});

Deno.test("decodeTick(), decodeTail() and decodeStart() give back what was written", () => {
  fc.assert(fc.property(
    word,
    fc.array(fc.tuple(fc.nat(1_000), offset, offset, offset), { maxLength: 5 }),
    fc.array(fc.string({ unit: "grapheme" }), { maxLength: 5 }),
    fc.uint8Array({ maxLength: 20 }),
    (number, parts, texts, partial) => {
      const ranges = parts.map(([partition, from, to, completeUntilMs]) => {
        return { partition, from, to, completeUntilMs };
      });
      const tick = { second: number, ranges };
      assert.deepEqual(decodeTick(encodeTick(tick)), tick);

      const tail = { definition: number, sampled: 7, dropped: 2 };
      const events = texts.map((text) => new TextEncoder().encode(text));
      assert.deepEqual(decodeTail(encodeTail({ ...tail, events })), { ...tail, events: texts });

      const start = { definition: number, state: START_PART, second: number, partial };
      assert.deepEqual(decodeStart(encodeStart(start)), start);
    },
  ));
});
