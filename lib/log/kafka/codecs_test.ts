/** Codecs; that they read what Java's producers write is tested against a real broker. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { zstdCompressSync } from "node:zlib";
import { KAFKA_UNPACKED_BYTES_MAX } from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { codecNumber, pack, unpack } from "./codecs.ts";
import { unpackLz4Frame } from "./lz4.ts";
import { unpackSnappy } from "./snappy.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SNAPPY = 2;
const LZ4 = 3;

Deno.test("unpack() gives back what pack() was given", () => {
  const codec = fc.constantFrom("gzip" as const, "zstd" as const);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), codec, (bytes, name) => {
    const unpacked = unpack(codecNumber(name), pack(name, bytes));
    assert.deepEqual(Uint8Array.from(unpacked), bytes);
  }));
});

Deno.test("unpack() refuses what is damaged, too long or of an unknown codec", () => {
  const packed = pack("gzip", encoder.encode("hello"));
  for (const codec of [1, SNAPPY, LZ4, 4, 5, 7]) {
    assert.throws(() => unpack(codec, packed.subarray(0, 12)), isCorrupt);
  }
  const long = zstdCompressSync(new Uint8Array(KAFKA_UNPACKED_BYTES_MAX + 1));
  assert.throws(() => unpack(4, long), isCorrupt);
});

/** An LZ4 frame of blocks; a block that is a string is stored as it is. */
function lz4Frame(flags: number, blocks: readonly (string | number[])[]): Uint8Array {
  const bytes = [0x04, 0x22, 0x4d, 0x18, flags, 0x40];
  if ((flags & 0x08) !== 0) bytes.push(1, 0, 0, 0, 0, 0, 0, 0);
  bytes.push(0x99);
  for (const block of blocks) {
    const stored = typeof block === "string";
    const content = stored ? [...encoder.encode(block)] : block;
    bytes.push(content.length, 0, 0, stored ? 0x80 : 0, ...content);
    if ((flags & 0x10) !== 0) bytes.push(1, 2, 3, 4);
  }
  bytes.push(0, 0, 0, 0);
  if ((flags & 0x04) !== 0) bytes.push(5, 6, 7, 8);
  return Uint8Array.from(bytes);
}

function lz4Text(flags: number, blocks: readonly (string | number[])[], bytesMax = 1000): string {
  return decoder.decode(unpackLz4Frame(lz4Frame(flags, blocks), bytesMax));
}

const text = (value: string) => [...encoder.encode(value)];

Deno.test("unpackLz4Frame() copies literals and matches", () => {
  assert.equal(lz4Text(0x60, [[0x50, ...text("hello")]]), "hello");
  // Three literals, then a match of 4 + 3 that is 3 back and so repeats them.
  assert.equal(lz4Text(0x60, [[0x33, ...text("abc"), 3, 0, 0x10, ...text("z")]]), "abcabcabcaz");
  // Lengths beyond a nibble: 15 + 5 literals, a match of 4 + 15 + 255 + 2.
  const long = lz4Text(0x60, [[0xff, 5, ...text("0123456789abcdefghij"), 20, 0, 255, 2]]);
  assert.equal(long, "0123456789abcdefghij".repeat(15).slice(0, 20 + 276));
});

Deno.test("unpackLz4Frame() reads stored blocks, sizes and checksums", () => {
  assert.equal(lz4Text(0x60, ["ab", "cd"]), "abcd");
  assert.equal(lz4Text(0x60 | 0x08 | 0x10 | 0x04, ["ab", [0x20, ...text("cd")]]), "abcd");
  assert.equal(lz4Text(0x60, []), "");
});

Deno.test("unpackLz4Frame() reaches back into the blocks before", () => {
  // No literals, a match of 4 that is 4 back; then the last literal.
  assert.equal(lz4Text(0x40, ["abcd", [0x00, 4, 0, 0x10, ...text("!")]]), "abcdabcd!");
});

Deno.test("unpackLz4Frame() refuses what is damaged", () => {
  const bad: [number, (string | number[])[]][] = [
    [0x60, [[0x50, ...text("he")]]], // literals cut off
    [0x60, [[0x10, 97, 2, 0]]], // points before the beginning
    [0x60, [[0x10, 97, 0, 0]]], // points at itself
    [0x60, [[0xf0, 255, 255]]], // a length without end
    [0x60, [[0x1f, 97, 1, 0, 255]]],
    [0x61, ["a"]], // a dictionary
  ];
  for (const [flags, blocks] of bad) assert.throws(() => lz4Text(flags, blocks), RangeError);
  assert.throws(() => lz4Text(0x60, ["abcdef"], 5), RangeError);
  assert.throws(() => unpackLz4Frame(lz4Frame(0x60, ["abc"]).subarray(0, 13), 1000), RangeError);
  assert.throws(() => unpackLz4Frame(encoder.encode("no frame"), 1000), RangeError);
});

function snappyText(bytes: readonly number[], bytesMax = 1000): string {
  return decoder.decode(unpackSnappy(Uint8Array.from(bytes), bytesMax));
}

Deno.test("unpackSnappy() copies literals and all three kinds of copies", () => {
  assert.equal(snappyText([5, 4 << 2, ...text("hello")]), "hello");
  assert.equal(snappyText([0]), "");
  // One byte of distance: 4 to 11 long; overlapping repeats.
  assert.equal(snappyText([9, 1 << 2, ...text("ab"), 0x01 | (3 << 2), 2]), "ababababa");
  assert.equal(snappyText([6, 2 << 2, ...text("abc"), 0x02 | (2 << 2), 3, 0]), "abcabc");
  assert.equal(snappyText([6, 2 << 2, ...text("abc"), 0x03 | (2 << 2), 3, 0, 0, 0]), "abcabc");
  const long = "x".repeat(300);
  assert.equal(snappyText([0xac, 0x02, 61 << 2, 43, 1, ...text(long)]), long);
});

Deno.test("unpackSnappy() reads the frames of the Java client", () => {
  const header = [0x82, ...text("SNAPPY"), 0, 0, 0, 0, 1, 0, 0, 0, 1];
  const block = [4, 3 << 2, ...text("abcd")];
  const framed = [...header, 0, 0, 0, block.length, ...block, 0, 0, 0, block.length, ...block];
  assert.equal(snappyText(framed), "abcdabcd");
  assert.throws(() => snappyText(framed, 7), RangeError);
  assert.throws(() => snappyText(framed.slice(0, -1)), RangeError);
});

Deno.test("unpackSnappy() refuses what is damaged", () => {
  const bad = [
    [],
    [0x80],
    [5, 4 << 2, ...text("hell")], // literal cut off
    [4, 4 << 2, ...text("hello")], // longer than it says
    [6, 4 << 2, ...text("hello")], // shorter than it says
    [8, 0, 97, 0x01 | (3 << 2), 2], // points before the beginning
    [8, 0, 97, 0x01 | (3 << 2), 0], // points at itself
    [8, 0, 97, 0x03 | (3 << 2), 1], // a distance cut off
    [8, 63 << 2, 1], // a length cut off
  ];
  for (const bytes of bad) assert.throws(() => snappyText(bytes), RangeError, `${bytes}`);
});

function isCorrupt(error: unknown): boolean {
  return error instanceof LogError && error.code === "RTA_LOG_CORRUPT";
}
