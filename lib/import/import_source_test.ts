import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { IMPORT_FINGERPRINT_BYTES, IMPORT_HEAD_BYTES } from "../config/limits.ts";
import { ImportError } from "./import_error.ts";
import { guessFormat, inspectSource, SourceStream } from "./import_source.ts";

const encoder = new TextEncoder();

async function withFile(
  name: string,
  bytes: Uint8Array | string,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, name);
    Deno.writeFileSync(path, typeof bytes === "string" ? encoder.encode(bytes) : bytes);
    await use(path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function readAll(stream: SourceStream): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(stream.chunks());
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

const text = "0123456789\n".repeat(100_000);

Deno.test("SourceStream gives the file's bytes when it is plain", async () => {
  await withFile("a.csv", text, async (path) => {
    const stream = new SourceStream(path, false);
    assert.deepEqual(await readAll(stream), encoder.encode(text));
    assert.equal(stream.fileBytesRead, text.length);
  });
});

Deno.test("SourceStream unpacks every member when a gzip file has several", async () => {
  const packed = new Uint8Array([...gzipSync(text), ...gzipSync("more\n")]);
  await withFile("a.csv.gz", packed, async (path) => {
    const stream = new SourceStream(path, true);
    assert.deepEqual(await readAll(stream), encoder.encode(`${text}more\n`));
    assert.equal(stream.fileBytesRead, packed.length);
  });
});

Deno.test("SourceStream throws when a gzip file is cut off or damaged", async () => {
  const packed = gzipSync(text);
  const damaged = packed.slice();
  damaged.fill(0xff, 20, 60);
  for (const bytes of [packed.subarray(0, packed.length - 20), damaged]) {
    await withFile("a.gz", bytes, async (path) => {
      await assert.rejects(
        readAll(new SourceStream(path, true)),
        (error) => error instanceof ImportError && /can't be unpacked/.test(error.message),
      );
    });
  }
});

Deno.test("SourceStream closes the file when reading stops early", async () => {
  for (const bytes of [encoder.encode(text), gzipSync(text)]) {
    await withFile("a", bytes, async (path) => {
      const chunks = new SourceStream(path, bytes[0] === 0x1f).chunks();
      await chunks.next();
      await chunks.return(); // the test's sanitizer sees whether the file is open
    });
  }
});

Deno.test("inspectSource() knows a file again when it is packed or has grown", async () => {
  const prints = new Set<string>();
  const grown = `${text}more`;
  for (const bytes of [text, gzipSync(text), grown, gzipSync(grown)]) {
    await withFile("a", bytes, async (path) => {
      const source = await inspectSource(path);
      prints.add(source.fingerprint);
      assert.equal(source.head.length, IMPORT_HEAD_BYTES);
      assert.equal(source.headIsAll, false);
    });
  }
  assert.equal(prints.size, 1);
  await withFile("a", `${text.slice(0, IMPORT_FINGERPRINT_BYTES - 1)}x`, async (path) => {
    const source = await inspectSource(path);
    assert.equal(source.headIsAll, true);
    assert.ok(!prints.has(source.fingerprint));
  });
});

Deno.test("inspectSource() throws when there is no file, or no text in it", async () => {
  await assert.rejects(inspectSource("/nonexistent/file.csv"), ImportError);
  await assert.rejects(inspectSource("."), ImportError);
  await withFile("a.parquet", Uint8Array.of(0x50, 0, 1, 2), async (path) => {
    await assert.rejects(inspectSource(path), /is not a text file/);
  });
});

Deno.test("guessFormat() goes by the name, then by the first byte", async () => {
  const cases = [
    ["a.csv", "{", "csv"],
    ["a.tsv.gz", "x", "csv"],
    ["a.ndjson", "x", "ndjson"],
    ["a.jsonl", "", "ndjson"],
    ["a.txt", '\n {"id":1}', "ndjson"],
    ["a.txt", "user_id,x", "csv"],
  ];
  for (const [name, content, format] of cases) {
    await withFile(name, content, async (path) => {
      assert.equal(guessFormat(await inspectSource(path)), format, name);
    });
  }
  await withFile("a.json", "[{}]", async (path) => {
    const source = await inspectSource(path);
    assert.throws(() => guessFormat(source), /JSON array.*jq/);
  });
});
