/**
 * ImportSource: a file to import, as a stream of its unpacked bytes.
 *
 * gzip is known by its magic bytes, whatever the name says. A file is known again by the SHA-256 of
 * its first unpacked bytes (its fingerprint): renamed, packed or grown at its end it is still the
 * same file. Whether the rest is the same too is for the checkpoint's digest to say.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { IMPORT_FINGERPRINT_BYTES, IMPORT_HEAD_BYTES } from "../config/limits.ts";
import { ImportError } from "./import_error.ts";

const readBytes = 256 * 1024;

export type SourceFormat = "csv" | "ndjson";

/** What is known of a file before it is read as a whole. */
export interface ImportSource {
  readonly path: string;
  /** Size on disk, bytes. */
  readonly fileBytes: number;
  readonly gzip: boolean;
  /** The first IMPORT_HEAD_BYTES unpacked bytes, or all there are. */
  readonly head: Uint8Array;
  /** Whether `head` is the whole file. */
  readonly headIsAll: boolean;
  /** Hex SHA-256 of the first IMPORT_FINGERPRINT_BYTES unpacked bytes. */
  readonly fingerprint: string;
}

/** Looks at a file. Throws ImportError when it can't be read or is no text. */
export async function inspectSource(path: string): Promise<ImportSource> {
  const { fileBytes, gzip } = await statSource(path);
  const stream = new SourceStream(path, gzip);
  const head = new Uint8Array(IMPORT_HEAD_BYTES);
  let length = 0;
  for await (const chunk of stream.chunks()) {
    const part = chunk.subarray(0, head.length - length);
    head.set(part, length);
    length += part.length;
    if (length === head.length) break;
  }
  const filled = head.subarray(0, length);
  if (filled.includes(0)) {
    const mend = "an import takes CSV and NDJSON, plain or gzip";
    throw new ImportError("RTA_IMPORT_SOURCE", `${path} is not a text file: ${mend}`);
  }
  const print = createHash("sha256").update(filled.subarray(0, IMPORT_FINGERPRINT_BYTES));
  return {
    path,
    fileBytes,
    gzip,
    head: filled,
    headIsAll: length < head.length,
    fingerprint: print.digest("hex"),
  };
}

/** The format that name and first bytes speak for. Throws ImportError on a JSON array. */
export function guessFormat({ path, head }: ImportSource): SourceFormat {
  const first = /\S/.exec(new TextDecoder().decode(head.subarray(0, 256)))?.[0];
  if (/\.(csv|tsv)(\.gz)?$/i.test(path)) return "csv";
  if (first === "[") {
    const mend = `give one event a line: jq -c '.[]' ${path} > events.ndjson`;
    throw new ImportError("RTA_IMPORT_SOURCE", `${path} holds a JSON array; ${mend}`);
  }
  return first === "{" || /\.(ndjson|jsonl|json)(\.gz)?$/i.test(path) ? "ndjson" : "csv";
}

/** One pass over a file. */
export class SourceStream {
  /** Bytes of the file, as they are on disk, read so far. */
  fileBytesRead = 0;
  readonly #path: string;
  readonly #gzip: boolean;

  constructor(path: string, gzip: boolean) {
    this.#path = path;
    this.#gzip = gzip;
  }

  /** The unpacked bytes. Chunks stay as they are: each has memory of its own. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    if (!this.#gzip) return yield* this.#fileChunks();
    const gunzip = createGunzip({ chunkSize: readBytes });
    const ended = pipeline(Readable.from(this.#fileChunks()), gunzip);
    let failure: unknown = null;
    ended.catch((error) => failure = error);
    try {
      // As plain arrays: slice() of a Buffer does not copy, which would surprise whoever calls it.
      for await (const { buffer, byteOffset, length } of gunzip as AsyncIterable<Uint8Array>) {
        yield new Uint8Array(buffer, byteOffset, length);
      }
    } catch (cause) {
      throw new ImportError(
        "RTA_IMPORT_SOURCE",
        `${this.#path} can't be unpacked: ${messageOf(failure ?? cause)}`,
        { cause },
      );
    } finally {
      gunzip.destroy();
      // Waits until the file is closed; why it ended is told above, or was the reader's wish.
      await ended.catch(() => {});
    }
  }

  async *#fileChunks(): AsyncGenerator<Uint8Array, void, void> {
    using file = await openFile(this.#path);
    for (;;) {
      const buffer = new Uint8Array(readBytes);
      const length = await file.read(buffer);
      if (length === null) return;
      this.fileBytesRead += length;
      yield buffer.subarray(0, length);
    }
  }
}

async function statSource(path: string): Promise<{ fileBytes: number; gzip: boolean }> {
  using file = await openFile(path);
  const { size, isFile } = await file.stat();
  if (!isFile) throw new ImportError("RTA_IMPORT_SOURCE", `${path} is not a file`);
  const magic = new Uint8Array(2);
  const length = await file.read(magic);
  return { fileBytes: size, gzip: length === 2 && magic[0] === 0x1f && magic[1] === 0x8b };
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw new ImportError("RTA_IMPORT_SOURCE", `${path} can't be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
