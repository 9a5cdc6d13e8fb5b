import assert from "node:assert/strict";
import { LogCollapsingLowestDenseDDSketch } from "@datadog/sketches-js";
import fc from "fast-check";
import { BINS_PER_LOG2, DDSketch, RELATIVE_ACCURACY } from "./ddsketch.ts";
import { BINS_MAX } from "./ddsketch_bins.ts";

const QUANTILES = [0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];

/** Amounts as they come: prices, durations, refunds, none, all within the range of one sketch. */
const amount = fc.oneof(
  fc.nat(100_000).map((cents) => cents / 100),
  fc.double({ min: 1e-6, max: 1e9, noNaN: true }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.constantFrom(0, -0, 1, 1e9, 0.01, 5e-324, 1e-310),
);
const amounts = fc.oneof(
  fc.array(amount, { maxLength: 60 }),
  fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 60 }),
  fc.array(amount, { minLength: 300, maxLength: 600 }),
);
/** Any finite numbers at all: beyond the range, the lowest bins collapse. */
const anyNumbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
  maxLength: 300,
});

function sketchOf(values: readonly number[]): DDSketch {
  const sketch = new DDSketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

function merged(...parts: DDSketch[]): DDSketch {
  const whole = new DDSketch();
  for (const part of parts) whole.merge(part);
  return whole;
}

/** All but the sum, whose last bits depend on the order of additions. */
function contentOf(sketch: DDSketch): string {
  const bytes = sketch.encode();
  const withoutSum = [...bytes.subarray(0, 17), ...bytes.subarray(25)];
  return [sketch.count, sketch.min, sketch.max, ...withoutSum].join();
}

function assertClose(actual: number, expected: number, relative: number, what: string): void {
  const bound = relative * Math.abs(expected) * (1 + 1e-9) + Number.MIN_VALUE;
  assert.ok(Math.abs(actual - expected) <= bound, `${what}: ${actual} is not near ${expected}`);
}

function exactQuantile(sorted: readonly number[], q: number): number {
  return sorted[Math.floor(q * (sorted.length - 1))];
}

Deno.test("quantile() is within 1 % of the exact quantile", () => {
  fc.assert(
    fc.property(amounts, (values) => {
      fc.pre(values.length > 0);
      const sketch = sketchOf(values);
      const sorted = values.toSorted((a, b) => a - b);
      for (const q of QUANTILES) {
        const exact = exactQuantile(sorted, q);
        // Numbers too small for a double's full precision count as zero.
        const expected = Math.abs(exact) < 2 ** -1022 ? 0 : exact;
        assertClose(sketch.quantile(q), expected, RELATIVE_ACCURACY, `quantile ${q}`);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("quantile() is within 1 % when a million numbers have a long tail", () => {
  const values = new Float64Array(1_000_000);
  const sketch = new DDSketch();
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = 1 / (((state >>> 8) + 0.5) / 2 ** 24) ** 1.5;
    sketch.add(values[i]);
  }
  const sum = values.reduce((a, b) => a + b);
  values.sort();
  assert.equal(sketch.count, values.length);
  assert.equal(sketch.sum, sum);
  assert.equal(sketch.min, values[0]);
  assert.equal(sketch.max, values.at(-1));
  for (const q of QUANTILES) {
    const exact = values[Math.floor(q * (values.length - 1))];
    assertClose(sketch.quantile(q), exact, RELATIVE_ACCURACY, `quantile ${q}`);
  }
  assert.ok(sketch.byteSize < 40_000, `${sketch.byteSize} bytes`);
});

Deno.test("DDSketch answers as Datadog's sketch does", () => {
  // Of a range that does not collapse: theirs (2.1.1) then misplaces numbers at the range's end.
  const positive = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(fc.oneof(positive, amounts), (generated) => {
      // Theirs adds to its sum even what it counts as zero.
      const values = generated.filter((value) => value === 0 || Math.abs(value) > 1e-300);
      fc.pre(values.length > 0);
      const own = sketchOf(values);
      const theirs = new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: RELATIVE_ACCURACY });
      for (const value of values) theirs.accept(value);
      assert.equal(own.count, theirs.count);
      assertClose(own.sum, theirs.sum, 1e-12, "sum");
      for (const q of QUANTILES) {
        // Ours knows its extremes; theirs answers beyond them by up to 1 %.
        const clamped = Math.min(Math.max(theirs.getValueAtQuantile(q), own.min), own.max);
        assertClose(own.quantile(q), clamped, 1e-9, `quantile ${q}`);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("DDSketch answers as Datadog's sketch does when parts are merged", () => {
  // Positive numbers of a range that does not collapse: of what theirs (2.1.1) merges, it forgets
  // the negative bins, and collapsing loses the highest.
  const positive = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(positive, positive, (x, y) => {
      const own = merged(sketchOf(x), sketchOf(y));
      const [theirs, other] = [x, y].map((values) => {
        const sketch = new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: 0.01 });
        for (const value of values) sketch.accept(value);
        return sketch;
      });
      theirs.merge(other);
      for (const q of QUANTILES) {
        const clamped = Math.min(Math.max(theirs.getValueAtQuantile(q), own.min), own.max);
        assertClose(own.quantile(q), clamped, 1e-9, `quantile ${q}`);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("merge() is commutative and associative, whatever the numbers", () => {
  const values = fc.oneof(amounts, anyNumbers);
  fc.assert(
    fc.property(values, values, values, (x, y, z) => {
      const [a, b, c] = [sketchOf(x), sketchOf(y), sketchOf(z)];
      assert.equal(contentOf(merged(a, b)), contentOf(merged(b, a)));
      assert.equal(contentOf(merged(merged(a, b), c)), contentOf(merged(a, merged(b, c))));
      assert.equal(contentOf(merged(a, new DDSketch())), contentOf(a));
    }),
    { numRuns: 500 },
  );
});

Deno.test("merge() of parts gives the whole, whatever the numbers", () => {
  const values = fc.oneof(amounts, anyNumbers);
  fc.assert(
    fc.property(values, fc.infiniteStream(fc.nat(2)), (all, deal) => {
      const parts: number[][] = [[], [], []];
      for (const value of all) parts[deal.next().value].push(value);
      const sketches = parts.map(sketchOf);
      const whole = sketchOf(all);
      assert.equal(contentOf(merged(...sketches)), contentOf(whole));
      const byBytes = new DDSketch();
      for (const sketch of sketches) byBytes.mergeEncoded(sketch.encode());
      assert.equal(contentOf(byBytes), contentOf(whole));
    }),
    { numRuns: 500 },
  );
});

Deno.test("merge() doubles every count when a sketch is merged with itself", () => {
  const sketch = sketchOf([-3, -1, 0, 1, 2, 2, 100]);
  sketch.merge(sketch);
  assert.equal(
    contentOf(sketch),
    contentOf(sketchOf([-3, -1, 0, 1, 2, 2, 100, -3, -1, 0, 1, 2, 2, 100])),
  );
  assert.equal(sketch.sum, 202);
});

Deno.test("DDSketch collapses the lowest bins when the numbers span too wide a range", () => {
  const sketch = new DDSketch();
  for (let exponent = -300; exponent <= 300; exponent++) sketch.add(10 ** exponent);
  const bytes = sketch.encode();
  assert.ok(bytes.length < 3 * BINS_MAX);
  assert.equal(sketch.count, 601);
  assert.equal(sketch.min, 1e-300);
  // The highest values keep their accuracy, the rest count as the lowest that does.
  assertClose(sketch.quantile(1), 1e300, RELATIVE_ACCURACY, "highest");
  assertClose(sketch.quantile(590 / 600), 1e290, RELATIVE_ACCURACY, "high");
  assert.ok(sketch.quantile(0.5) > 1e280);
});

Deno.test("quantile() is within 1 % for what the range holds, whatever the numbers", () => {
  const values = fc.array(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, (all) => {
      const sketch = sketchOf(all);
      const sorted = all.toSorted((a, b) => a - b);
      for (const q of QUANTILES) {
        const exact = exactQuantile(sorted, q);
        // A little above the end of the range, as the largest number may lie low in its bin.
        const lowest = sorted.at(-1)! / 5.5e17;
        if (exact < lowest) assert.ok(sketch.quantile(q) < lowest * 1.01);
        else assertClose(sketch.quantile(q), exact, RELATIVE_ACCURACY, `quantile ${q}`);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("clone() is independent when the original goes on", () => {
  const sketch = sketchOf([1, 2, 3, -4, 0]);
  const copy = sketch.clone();
  const before = contentOf(copy);
  assert.equal(before, contentOf(sketch));
  for (const value of [7, -8, 0, 2]) sketch.add(value);
  assert.equal(contentOf(copy), before);
});

Deno.test("DDSketch knows its sizes when it is empty", () => {
  const sketch = new DDSketch();
  assert.deepEqual([sketch.count, sketch.sum, sketch.min, sketch.max], [0, 0, Infinity, -Infinity]);
  assert.ok(Number.isNaN(sketch.quantile(0.5)));
  assert.ok(sketch.byteSize <= 128);
  assert.deepEqual([...sketch.encode()], [1]);
  assert.equal(DDSketch.decode(sketch.encode()).count, 0);
});

Deno.test("add() and quantile() throw RangeError when the number is out of range", () => {
  const sketch = sketchOf([1]);
  for (const value of [NaN, Infinity, -Infinity]) {
    assert.throws(() => sketch.add(value), RangeError);
  }
  assert.equal(sketch.count, 1);
  for (const q of [-0.1, 1.1, NaN]) assert.throws(() => sketch.quantile(q), RangeError);
});

Deno.test("decode() gives back what encode() wrote", () => {
  fc.assert(
    fc.property(fc.oneof(amounts, anyNumbers), fc.nat(3), (values, shift) => {
      const sketch = sketchOf(values);
      const bytes = sketch.encode();
      const page = new Uint8Array(bytes.length + 8);
      page.set(bytes, shift);
      const back = DDSketch.decode(page.subarray(shift, shift + bytes.length));
      assert.deepEqual([...back.encode()], [...bytes]);
      assert.equal(back.count, sketch.count);
      for (const q of QUANTILES) assert.equal(back.quantile(q), sketch.quantile(q));
      back.add(3);
      assert.equal(back.count, sketch.count + 1);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decode() reads bytes that an earlier release stored", () => {
  const stored = "01" + // version
    "00000000000000c0" + "0000000000005940" + "0000000000005940" + // min, max, sum
    "01" + // one zero
    "02" + "0002" + "e70101" + // two ones at index 0, one value at index 231
    "01" + "4601"; // one value at index 35 of the negative ones
  const bytes = Uint8Array.from(stored.match(/../g)!, (hex) => parseInt(hex, 16));
  const sketch = sketchOf([-2, 0, 1, 1, 100]);
  assert.equal(contentOf(DDSketch.decode(bytes)), contentOf(sketch));
  assert.deepEqual([...sketch.encode()], [...bytes]);
});

Deno.test("decode() throws SketchError when bytes are cut, longer or changed out of sense", () => {
  const whole = sketchOf([-5, 0, 1, 2, 300]).encode();
  for (let length = 0; length < whole.length; length++) {
    if (length === 1) continue; // an empty sketch
    assert.throws(() => DDSketch.decode(whole.slice(0, length)), { code: "RTA_SKETCH_CORRUPT" });
  }
  const longer = new Uint8Array([...whole, 0]);
  assert.throws(() => DDSketch.decode(longer), { code: "RTA_SKETCH_CORRUPT" });
  const otherVersion = whole.with(0, 2);
  assert.throws(() => DDSketch.decode(otherVersion), { code: "RTA_SKETCH_CORRUPT" });
  const noMaximum = whole.slice();
  new DataView(noMaximum.buffer).setFloat64(9, NaN, true);
  assert.throws(() => DDSketch.decode(noMaximum), { code: "RTA_SKETCH_CORRUPT" });
});

Deno.test("decode() answers or throws SketchError when bytes are arbitrary or mutated", () => {
  const mutated = fc.tuple(amounts, fc.nat(), fc.nat(255)).map(([values, place, byte]) => {
    const bytes = sketchOf(values).encode();
    bytes[place % bytes.length] = byte;
    return bytes;
  });
  const headed = fc.uint8Array({ maxLength: 64 }).map((rest) => new Uint8Array([1, ...rest]));
  fc.assert(
    fc.property(fc.oneof(mutated, headed), (bytes) => {
      try {
        const sketch = DDSketch.decode(bytes);
        if (sketch.count === 0) return;
        const median = sketch.quantile(0.5);
        assert.ok(median >= sketch.min && median <= sketch.max);
        assert.deepEqual([...sketch.encode()], [...bytes]);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "RTA_SKETCH_CORRUPT", `${error}`);
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("addRun() of a bin's numbers equals add() of each", () => {
  const numbers = fc.array(
    fc.oneof(
      fc.constantFrom(0, -0, 5, 5.01, -3, 1e-300, 1e300),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
    { maxLength: 50 },
  );
  fc.assert(fc.property(numbers, (list) => {
    const [whole, runs] = [new DDSketch(), new DDSketch()];
    for (const number of list) whole.add(number);
    const byBin = Map.groupBy(
      list,
      (number) =>
        `${Math.sign(number) + 0} ${Math.ceil(Math.log2(Math.abs(number)) * BINS_PER_LOG2)}`,
    );
    for (const bin of byBin.values()) {
      const sum = bin.reduce((total, each) => total + each, 0);
      runs.addRun(bin.length, sum, Math.min(...bin), Math.max(...bin));
    }
    assert.equal(runs.count, whole.count);
    for (const q of [0, 0.25, 0.5, 0.9, 1]) {
      assert.equal(runs.quantile(q) + 0, whole.quantile(q) + 0);
    }
  }));
});
