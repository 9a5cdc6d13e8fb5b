import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { zstdFrames } from "./zstd_frames.ts";

const random = fc.uint8Array({ maxLength: 5_000 });
const repetitive = fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(20_000))
  .map(([bytes, times]) => Buffer.alloc(times, bytes.length > 0 ? Buffer.from(bytes) : "x"));
const content = fc.oneof(random, repetitive).map((bytes) => new Uint8Array(bytes));

const params = fc.record({
  [constants.ZSTD_c_compressionLevel]: fc.integer({ min: 1, max: 9 }),
  [constants.ZSTD_c_checksumFlag]: fc.integer({ min: 0, max: 1 }),
  [constants.ZSTD_c_contentSizeFlag]: fc.integer({ min: 0, max: 1 }),
});

/** A skippable frame of `length` bytes of content. */
function skippable(length: number): Uint8Array {
  const frame = new Uint8Array(8 + length);
  new DataView(frame.buffer).setUint32(0, 0x184d2a50 + length % 16, true);
  new DataView(frame.buffer).setUint32(4, length, true);
  return frame;
}

Deno.test("zstdFrames() finds every frame when frames and skippable ones follow each other", () => {
  const piece = fc.oneof(
    fc.tuple(content, params).map(([bytes, options]) => ({ bytes, options })),
    fc.nat(40),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
      const parts = pieces.map((p) =>
        typeof p === "number"
          ? skippable(p)
          : new Uint8Array(zstdCompressSync(p.bytes, { params: p.options }))
      );
      const packed = new Uint8Array(Buffer.concat(parts));
      const contents = pieces.flatMap((p) => typeof p === "number" ? [] : [p.bytes]);
      const frames = zstdFrames(packed);
      if (contents.length === 0) return assert.equal(frames, null);
      assert.equal(frames?.length, contents.length);
      frames!.forEach(([start, end], i) => {
        const unpacked = zstdDecompressSync(packed.subarray(start, end));
        assert.ok(Buffer.from(contents[i]).equals(unpacked));
      });
    }),
    { numRuns: 200 },
  );
});

Deno.test("zstdFrames() gives null when the text breaks off anywhere", () => {
  fc.assert(
    fc.property(content, params, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, p, part) => {
      const packed = new Uint8Array(zstdCompressSync(bytes, { params: p }));
      const cut = Math.min(packed.length - 1, Math.floor(part * packed.length));
      assert.equal(zstdFrames(packed.subarray(0, cut)), null);
    }),
    { numRuns: 300 },
  );
});

Deno.test("zstdFrames() stays within the text when the bytes are random", () => {
  const magic = [0x28, 0xb5, 0x2f, 0xfd];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (tail, hasMagic) => {
      const bytes = new Uint8Array(hasMagic ? [...magic, ...tail] : tail);
      for (const [start, end] of zstdFrames(bytes) ?? []) {
        assert.ok(0 <= start && start < end && end <= bytes.length);
      }
    }),
    { numRuns: 2_000 },
  );
});
