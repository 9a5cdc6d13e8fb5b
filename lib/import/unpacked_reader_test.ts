import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { inspectSource } from "./import_source.ts";
import { UnpackedReader } from "./unpacked_reader.ts";

const bytes = new Uint8Array(700_000).map((_, index) => 1 + index % 251);

function digestOf(length: number): string {
  return createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
}

async function withReader(use: (reader: UnpackedReader) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync();
  try {
    for (const content of [bytes, gzipSync(bytes)]) {
      Deno.writeFileSync(path, content);
      const reader = new UnpackedReader(await inspectSource(path));
      try {
        await use(reader);
      } finally {
        await reader.close();
      }
    }
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("skip() gives the digest of what it passes over, and chunks() the rest", async () => {
  for (const length of [0, 1, 300_000, 700_000]) {
    await withReader(async (reader) => {
      assert.equal(await reader.skip(length), digestOf(length));
      let at = length;
      for await (const chunk of reader.chunks()) {
        assert.deepEqual(chunk, bytes.subarray(at, at + chunk.length));
        at += chunk.length;
      }
      assert.equal(at, bytes.length);
    });
  }
});

Deno.test("skip() gives null when the file is shorter", async () => {
  await withReader(async (reader) => assert.equal(await reader.skip(700_001), null));
});

Deno.test("digest() is that of everything released, wherever chunks begin and end", async () => {
  await withReader(async (reader) => {
    await reader.skip(10);
    let read = 10;
    for await (const chunk of reader.chunks()) {
      read += chunk.length;
      for (const place of [read - chunk.length + 1, read - 3]) {
        reader.release(place);
        assert.equal(reader.digest(), digestOf(place));
      }
    }
    reader.release(read);
    assert.equal(reader.digest(), digestOf(read));
  });
});
