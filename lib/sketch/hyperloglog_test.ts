import assert from "node:assert/strict";
import fc from "fast-check";
import { hash64 } from "./hash64.ts";
import { HyperLogLog, SPARSE_MAX } from "./hyperloglog.ts";
import { rankOf, REGISTERS } from "./hyperloglog_registers.ts";

type Hash = readonly [lo: number, hi: number];

const word = fc.oneof(
  { weight: 4, arbitrary: fc.nat(0xffffffff) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 8, 16, 0x80000000, 0xffffffff) },
);
const hash: fc.Arbitrary<Hash> = fc.tuple(word, word);

/** Few hashes, few different ones many times, or as many as turn a sketch dense. */
const hashes: fc.Arbitrary<Hash[]> = fc.oneof(
  fc.array(hash, { maxLength: 40 }),
  fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 40 }),
  fc.tuple(fc.nat(20_000), fc.nat(3000)).map(([from, count]) => numbered(from, count)),
);

/** The hashes of `count` successive ids. */
function numbered(from: number, count: number, seed = 0): Hash[] {
  const out = new Uint32Array(2);
  const id = new Uint8Array(4);
  const view = new DataView(id.buffer);
  return Array.from({ length: count }, (_, i) => {
    view.setUint32(0, from + i);
    hash64(id, 0, 4, seed, out);
    return [out[0], out[1]];
  });
}

function sketchOf(all: readonly Hash[]): HyperLogLog {
  const sketch = new HyperLogLog();
  for (const [lo, hi] of all) sketch.add(lo, hi);
  return sketch;
}

function merged(...parts: HyperLogLog[]): HyperLogLog {
  const whole = new HyperLogLog();
  for (const part of parts) whole.merge(part);
  return whole;
}

/** What a sketch holds, whatever order its table is in. */
function contentOf(sketch: HyperLogLog): string {
  const bytes = sketch.encode();
  if (!sketch.exact) return `dense ${sketch.estimate()} ${bytes.join()}`;
  const words = new Uint32Array(bytes.buffer, 8);
  const pairs = Array.from(
    { length: words.length / 2 },
    (_, i) => `${words[2 * i + 1]}:${words[2 * i]}`,
  );
  return `sparse ${sketch.estimate()} ${pairs.sort().join()}`;
}

Deno.test("HyperLogLog counts as a Set does when there are at most 2048", () => {
  fc.assert(
    fc.property(hashes, (all) => {
      const sketch = sketchOf(all);
      const distinct = new Set(all.map(([lo, hi]) => `${hi}:${lo}`)).size;
      assert.equal(sketch.exact, distinct <= SPARSE_MAX);
      if (sketch.exact) assert.equal(sketch.estimate(), distinct);
      else assert.ok(Math.abs(sketch.estimate() / distinct - 1) < 0.05);
    }),
    { numRuns: 500 },
  );
});

Deno.test("HyperLogLog turns dense when the 2049th hash comes, not before", () => {
  const all = numbered(0, SPARSE_MAX + 1);
  const sketch = sketchOf(all.slice(0, SPARSE_MAX));
  for (const [lo, hi] of all.slice(0, SPARSE_MAX)) sketch.add(lo, hi);
  assert.equal(sketch.exact, true);
  assert.equal(sketch.estimate(), SPARSE_MAX);
  sketch.add(...all[SPARSE_MAX]);
  assert.equal(sketch.exact, false);
  assert.ok(Math.abs(sketch.estimate() / (SPARSE_MAX + 1) - 1) < 0.03);
});

Deno.test("HyperLogLog stays within 3 standard errors when sizes go up to a million", () => {
  const standardError = 1.04 / Math.sqrt(REGISTERS);
  const sizes = [3000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
  const squares: number[] = [];
  for (let seed = 1; seed <= 4; seed++) {
    const all = numbered(0, 1_000_000, seed);
    const sketch = new HyperLogLog();
    let added = 0;
    for (const size of sizes) {
      for (; added < size; added++) sketch.add(...all[added]);
      const error = sketch.estimate() / size - 1;
      assert.ok(Math.abs(error) < 3 * standardError, `seed ${seed}, ${size}: ${error}`);
      squares.push(error * error);
    }
  }
  const rootMeanSquare = Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
  assert.ok(rootMeanSquare < 1.3 * standardError, `root mean square error ${rootMeanSquare}`);
});

Deno.test("merge() is commutative, associative and idempotent", () => {
  fc.assert(
    fc.property(hashes, hashes, hashes, (x, y, z) => {
      const [a, b, c] = [sketchOf(x), sketchOf(y), sketchOf(z)];
      assert.equal(contentOf(merged(a, b)), contentOf(merged(b, a)));
      assert.equal(contentOf(merged(merged(a, b), c)), contentOf(merged(a, merged(b, c))));
      const twice = a.clone();
      twice.merge(a);
      twice.merge(twice);
      assert.equal(contentOf(twice), contentOf(a));
    }),
    { numRuns: 200 },
  );
});

Deno.test("merge() of parts gives the whole when hashes are dealt out at will", () => {
  fc.assert(
    fc.property(hashes, fc.infiniteStream(fc.nat(3)), (all, deal) => {
      const parts = [[], [], [], []] as Hash[][];
      for (const one of all) parts[deal.next().value].push(one);
      const sketches = parts.map(sketchOf);
      const whole = contentOf(sketchOf(all));
      assert.equal(contentOf(merged(...sketches)), whole);
      const byBytes = new HyperLogLog();
      for (const sketch of sketches) byBytes.mergeEncoded(sketch.encode());
      assert.equal(contentOf(byBytes), whole);
    }),
    { numRuns: 300 },
  );
});

Deno.test("merge() leaves the other as it was", () => {
  const other = sketchOf(numbered(0, 100));
  const before = contentOf(other);
  const sketch = merged(other, sketchOf(numbered(50, 3000)));
  sketch.add(1, 2);
  assert.equal(contentOf(other), before);
});

Deno.test("clone() is independent when the original goes on", () => {
  for (const count of [0, 5, 3000]) {
    const sketch = sketchOf(numbered(0, count));
    const copy = sketch.clone();
    const before = contentOf(copy);
    assert.equal(before, contentOf(sketch));
    for (const [lo, hi] of numbered(1_000_000, 3000)) sketch.add(lo, hi);
    assert.equal(contentOf(copy), before);
  }
});

Deno.test("decode() gives back what encode() wrote", () => {
  fc.assert(
    fc.property(hashes, fc.nat(3), (all, shift) => {
      const sketch = sketchOf(all);
      const bytes = sketch.encode();
      assert.equal(bytes.length, 8 + (sketch.exact ? 8 * sketch.estimate() : REGISTERS));
      // Stored bytes come back at any place of a larger buffer.
      const page = new Uint8Array(bytes.length + 8);
      page.set(bytes, shift);
      const back = HyperLogLog.decode(page.subarray(shift, shift + bytes.length));
      assert.equal(contentOf(back), contentOf(sketch));
    }),
    { numRuns: 300 },
  );
});

Deno.test("encodeInto() writes what encode() gives, and nothing beside it", () => {
  fc.assert(
    fc.property(hashes, fc.nat(5), (all, start) => {
      const sketch = sketchOf(all);
      const bytes = new Uint8Array(start + sketch.encodedLength + 3).fill(255);
      sketch.encodeInto(bytes, start);
      const beside = (length: number) => new Array(length).fill(255);
      assert.deepEqual([...bytes], [...beside(start), ...sketch.encode(), ...beside(3)]);
    }),
    { numRuns: 100 },
  );
});

Deno.test("decode() reads bytes that an earlier release stored", () => {
  const sparse = [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
  const back = HyperLogLog.decode(Uint8Array.from(sparse));
  assert.equal(contentOf(back), contentOf(sketchOf([[0x04030201, 0x08070605], [0, 0]])));
  // A dense sketch whose register i holds i mod 8, estimated by another program.
  const dense = new Uint8Array(8 + REGISTERS).map((_, i) => i % 8);
  dense.set([1, 1, 0, 0, 0, 0x40, 0, 0]);
  assert.equal(HyperLogLog.decode(dense).estimate(), 44_575);
});

Deno.test("decode() and mergeEncoded() throw SketchError when bytes are damaged", () => {
  const sparse = sketchOf(numbered(0, 3)).encode();
  const dense = sketchOf(numbered(0, 5000)).encode();
  const changed = (bytes: Uint8Array, at: number, value: number) => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  const broken: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    "half a header": sparse.slice(0, 7),
    "other version": changed(sparse, 0, 2),
    "other form": changed(sparse, 1, 2),
    "padding used": changed(sparse, 2, 1),
    "count too high": changed(sparse, 4, 4),
    "count too low": changed(sparse, 4, 2),
    "count beyond the limit": changed(sparse, 6, 1),
    "sparse cut": sparse.slice(0, -1),
    "sparse longer": new Uint8Array([...sparse, 0]),
    "dense cut": dense.slice(0, -1),
    "dense longer": new Uint8Array([...dense, 0]),
    "dense said to be sparse": changed(dense, 1, 0),
    "register too high": changed(dense, 8, 52),
    "register with its top bit": changed(dense, 8 + REGISTERS - 1, 0x80),
    "register 255": changed(dense, 5000, 255),
  };
  for (const [name, bytes] of Object.entries(broken)) {
    assert.throws(() => HyperLogLog.decode(bytes), { code: "RTA_SKETCH_CORRUPT" }, name);
    const sketch = sketchOf(numbered(0, 10));
    const before = contentOf(sketch);
    assert.throws(() => sketch.mergeEncoded(bytes), { code: "RTA_SKETCH_CORRUPT" }, name);
    assert.equal(contentOf(sketch), before, `${name}: nothing is added`);
  }
  const twice = sparse.slice();
  twice.copyWithin(8, 16, 24);
  assert.throws(() => HyperLogLog.decode(twice), { code: "RTA_SKETCH_CORRUPT" });
  HyperLogLog.decode(changed(dense, 8, 51));
});

Deno.test("decode() answers or throws SketchError when bytes are arbitrary", () => {
  const header = fc.tuple(fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1, 2), fc.nat(4));
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 64 }), ([version, form, count], rest) => {
      const bytes = new Uint8Array([version, form, 0, 0, count, 0, 0, 0, ...rest]);
      try {
        assert.ok(HyperLogLog.decode(bytes).estimate() <= 4);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "RTA_SKETCH_CORRUPT");
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("rankOf() counts the leading zeros after the register's bits", () => {
  const byText = ([lo, hi]: Hash) => {
    const bits = hi.toString(2).padStart(32, "0").slice(14) + lo.toString(2).padStart(32, "0");
    const one = bits.indexOf("1");
    return one < 0 ? 51 : one + 1;
  };
  fc.assert(
    fc.property(hash, fc.nat(31), fc.nat(31), ([lo, hi], shiftLo, shiftHi) => {
      const shifted: Hash = [lo >>> shiftLo, hi >>> shiftHi];
      assert.equal(rankOf(...shifted), byText(shifted));
    }),
    { numRuns: 2000 },
  );
  assert.equal(rankOf(0, 0), 51);
  assert.equal(rankOf(0, 0xfffc0000), 51);
});

Deno.test("byteSize grows with the content and stops at the registers", () => {
  assert.ok(new HyperLogLog().byteSize <= 64);
  assert.ok(sketchOf(numbered(0, 6)).byteSize <= 256);
  assert.ok(sketchOf(numbered(0, 2048)).byteSize <= 33_000);
  assert.ok(sketchOf(numbered(0, 5000)).byteSize <= 16_700);
});

Deno.test("HyperLogLog.union() holds what merging one by one does, and leaves the parts alone", () => {
  fc.assert(
    fc.property(fc.array(hashes, { maxLength: 4 }), (lists) => {
      const parts = lists.map(sketchOf);
      const before = parts.map(contentOf);
      assert.equal(contentOf(HyperLogLog.union(parts)), contentOf(merged(...parts)));
      assert.deepEqual(parts.map(contentOf), before);
    }),
    { numRuns: 100 },
  );
});

Deno.test("HyperLogLog.unionEncoded() and mergeAll() hold what merging one by one does", () => {
  fc.assert(
    fc.property(hashes, fc.array(hashes, { maxLength: 4 }), (first, lists) => {
      const parts = lists.map(sketchOf);
      const whole = contentOf(merged(sketchOf(first), ...parts));
      const encoded = [first, ...lists].map((list) => sketchOf(list).encode());
      assert.equal(contentOf(HyperLogLog.unionEncoded(encoded)), whole);
      const all = sketchOf(first);
      all.mergeAll(parts);
      assert.equal(contentOf(all), whole);
    }),
    { numRuns: 100 },
  );
});

Deno.test("pack() changes nothing but the memory, also when more is added then", () => {
  fc.assert(
    fc.property(hashes, hashes, (before, after) => {
      const [plain, packed] = [sketchOf(before), sketchOf(before)];
      packed.pack();
      assert.equal(contentOf(packed), contentOf(plain));
      assert(packed.byteSize <= plain.byteSize);
      const copy = packed.clone();
      for (const sketch of [plain, packed]) for (const [lo, hi] of after) sketch.add(lo, hi);
      assert.equal(contentOf(packed), contentOf(plain));
      assert.equal(contentOf(copy), contentOf(sketchOf(before)), "the copy is as it was");
      const decoded = HyperLogLog.decode(sketchOf(before).encode());
      decoded.merge(sketchOf(after));
      assert.equal(contentOf(decoded), contentOf(plain));
    }),
    { numRuns: 100 },
  );
});

Deno.test("release() empties the sketch, and what its memory goes to holds nothing of it", () => {
  fc.assert(
    fc.property(fc.array(hashes, { minLength: 1, maxLength: 3 }), hashes, (lists, next) => {
      const expected = contentOf(sketchOf(next));
      const kept = sketchOf(next);
      for (const list of lists) {
        const gone = sketchOf(list);
        gone.release();
        assert.equal(contentOf(gone), contentOf(new HyperLogLog()));
      }
      assert.equal(contentOf(sketchOf(next)), expected, "made anew");
      assert.equal(contentOf(kept.clone()), expected, "copied");
      assert.equal(contentOf(HyperLogLog.decode(kept.encode())), expected, "decoded");
      assert.equal(contentOf(kept), expected, "there before");
    }),
    { numRuns: 100 },
  );
});
