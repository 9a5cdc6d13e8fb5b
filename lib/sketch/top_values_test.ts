import assert from "node:assert/strict";
import fc from "fast-check";
import { SketchError } from "./sketch_error.ts";
import { TopValues } from "./top_values.ts";

/** Values as they come: few are frequent, many are rare. */
const streams = fc.array(
  fc.oneof(
    fc.constantFrom("a", "b", "c"),
    fc.integer({ min: 0, max: 60 }).map((value) => `rare ${value}`),
  ),
  { maxLength: 400 },
);

function counted(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function sketchOf(values: readonly string[], counters: number): TopValues {
  const sketch = new TopValues(counters);
  for (const value of values) sketch.add(value);
  return sketch;
}

/** What the header of the module promises, against a plain count. */
function checkBounds(sketch: TopValues, values: readonly string[], counters: number): void {
  const truth = counted(values);
  const told = new Map(sketch.top(Infinity));
  assert.equal(sketch.total, values.length);
  assert.ok(sketch.errorMax <= values.length / (counters + 1));
  assert.ok(sketch.size <= 2 * counters);
  for (const [value, count] of truth) {
    const least = told.get(value) ?? 0;
    assert.ok(least <= count && count <= least + sketch.errorMax, `${value}: ${least} of ${count}`);
  }
  for (const value of told.keys()) assert.ok(truth.has(value));
  if (truth.size <= counters) assert.deepEqual(told, truth);
}

Deno.test("TopValues never counts too much, and too little by errorMax at most", () => {
  fc.assert(fc.property(streams, fc.integer({ min: 1, max: 20 }), (values, counters) => {
    checkBounds(sketchOf(values, counters), values, counters);
  }));
});

Deno.test("merge() keeps the bounds of the whole stream, whatever the parts and their order", () => {
  fc.assert(
    fc.property(
      fc.array(streams, { maxLength: 6 }),
      fc.integer({ min: 1, max: 10 }),
      (parts, k) => {
        const merged = new TopValues(k);
        for (const part of parts) merged.merge(sketchOf(part, k));
        checkBounds(merged, parts.flat(), k);
      },
    ),
  );
});

Deno.test("decode() gives back what encode() wrote, also when it had to leave values out", () => {
  fc.assert(
    fc.property(streams, fc.integer({ min: 64, max: 600 }), (values, bytesMax) => {
      const sketch = sketchOf(values, 10);
      const bytes = sketch.encode(bytesMax);
      assert.ok(bytes.length <= bytesMax);
      const read = TopValues.decode(bytes, 10);
      assert.deepEqual(read.top(Infinity), sketch.top(Infinity));
      assert.equal(read.errorMax, sketch.errorMax);
      const truth = counted(values);
      for (const [value, count] of truth) {
        const least = new Map(read.top(Infinity)).get(value) ?? 0;
        assert.ok(least <= count && count <= least + read.errorMax);
      }
    }),
  );
});

Deno.test("top() lists the largest first, equal ones by their texts", () => {
  const sketch = sketchOf(["b", "a", "c", "c"], 5);
  assert.deepEqual(sketch.top(2), [["c", 2], ["a", 1]]);
});

Deno.test("decode() throws SketchError when bytes are missing or follow", () => {
  const bytes = sketchOf(["a", "b"], 5).encode(100);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => TopValues.decode(bytes.subarray(0, length), 5), SketchError);
  }
  assert.throws(() => TopValues.decode(new Uint8Array([...bytes, 0]), 5), SketchError);
});
