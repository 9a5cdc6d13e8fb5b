import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { ProblemError } from "./problem.ts";
import { type BodyEncoding, bodyEncodingOf, unpackBody } from "./unpack_body.ts";

const MIB = 1024 * 1024;

const pack: Record<BodyEncoding, (bytes: Uint8Array) => Uint8Array<ArrayBuffer>> = {
  identity: (bytes) => new Uint8Array(bytes),
  gzip: (bytes) => new Uint8Array(gzipSync(bytes)),
  // With its checksum, which clients may leave out: then damage can go unseen, as on any plain body.
  zstd: (bytes) =>
    new Uint8Array(zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })),
};

/** The code that unpacking ends with; fails when it succeeds. */
function codeOf(unpack: () => unknown): string {
  try {
    unpack();
  } catch (error) {
    assert.ok(error instanceof ProblemError, String(error));
    return error.code;
  }
  assert.fail("the body was taken");
}

Deno.test("bodyEncodingOf() knows identity, gzip and zstd whatever their case", () => {
  const cases: readonly (readonly [string | null, string])[] = [
    [null, "identity"],
    ["", "identity"],
    ["identity", "identity"],
    [" GZip ", "gzip"],
    ["x-gzip", "gzip"],
    ["zstd", "zstd"],
  ];
  for (const [header, encoding] of cases) assert.equal(bodyEncodingOf(header), encoding);
  for (const header of ["br", "deflate", "gzip, gzip", "gzip, zstd", "none"]) {
    assert.equal(codeOf(() => bodyEncodingOf(header)), "unsupported_encoding", header);
  }
});

Deno.test("unpackBody() gives back what was packed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
      for (const encoding of ["identity", "gzip", "zstd"] as const) {
        const unpacked = unpackBody(pack[encoding](bytes), encoding, MIB);
        assert.deepEqual(unpacked, new Uint8Array(bytes));
        assert.equal(Object.getPrototypeOf(unpacked), Uint8Array.prototype);
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("unpackBody() joins the parts when several were packed one after the other", () => {
  const text = new TextEncoder().encode("one event\n");
  for (const encoding of ["gzip", "zstd"] as const) {
    const twice = new Uint8Array(Buffer.concat([pack[encoding](text), pack[encoding](text)]));
    const unpacked = unpackBody(twice, encoding, MIB);
    assert.equal(new TextDecoder().decode(unpacked), "one event\none event\n", encoding);
    assert.equal(codeOf(() => unpackBody(twice, encoding, 19)), "body_too_large");
    assert.equal(unpackBody(twice, encoding, 20).length, 20);
  }
});

Deno.test("unpackBody() refuses a bomb without holding what it would unpack to", () => {
  const zeros = new Uint8Array(64 * MIB);
  for (const encoding of ["gzip", "zstd"] as const) {
    const bomb = pack[encoding](zeros);
    assert.ok(bomb.length < 100_000);
    const before = Deno.memoryUsage().rss;
    assert.equal(codeOf(() => unpackBody(bomb, encoding, MIB)), "body_too_large", encoding);
    assert.ok(Deno.memoryUsage().rss - before < 32 * MIB);
    const exact = pack[encoding](zeros.subarray(0, MIB));
    assert.equal(unpackBody(exact, encoding, MIB).length, MIB);
    const over = pack[encoding](zeros.subarray(0, MIB + 1));
    assert.equal(codeOf(() => unpackBody(over, encoding, MIB)), "body_too_large", encoding);
  }
});

Deno.test("unpackBody() refuses a zstd frame when its window is larger than allowed", () => {
  const noise = new Uint8Array(9 * MIB);
  for (let at = 0; at < noise.length; at += 65_536) {
    crypto.getRandomValues(noise.subarray(at, at + 65_536));
  }
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
  const packed = new Uint8Array(zstdCompressSync(noise, { params }));
  assert.equal(codeOf(() => unpackBody(packed, "zstd", 16 * MIB)), "invalid_encoding");
});

Deno.test("unpackBody() refuses what is cut off, damaged or something else", () => {
  const text = new TextEncoder().encode("an event ".repeat(500));
  for (const encoding of ["gzip", "zstd"] as const) {
    const packed = pack[encoding](text);
    const damaged = packed.slice();
    damaged[packed.length >> 1] ^= 0xff;
    const junk = new Uint8Array(Buffer.concat([packed, Buffer.from("junk")]));
    for (const bad of [packed.slice(0, -1), packed.slice(0, 6), new Uint8Array(0), text, junk]) {
      assert.equal(codeOf(() => unpackBody(bad, encoding, MIB)), "invalid_encoding", encoding);
    }
    assert.equal(codeOf(() => unpackBody(damaged, encoding, MIB)), "invalid_encoding", encoding);
  }
});
