/**
 * Checkpoint: how far an import has come, so that it can go on there after an interruption, and a
 * second run of a finished one adds nothing.
 *
 * It is one small JSON file per import, named by what makes an import the same: the file's
 * fingerprint, the mapping, and the platform it goes to. It counts only rows that the platform has
 * answered for. Its place is trusted only while the digest of all bytes before it is the same, so
 * another file with the same beginning is never taken for this one.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ImportError } from "./import_error.ts";

const VERSION = 1;

/** How far an import has come. */
export interface Checkpoint {
  /** Rows answered for, the open one too. */
  readonly rows: number;
  /** How many of them were refused. */
  readonly refused: number;
  /** Unpacked bytes up to the end of the last whole row among them. */
  readonly bytes: number;
  /** Hex SHA-256 of those bytes. */
  readonly sha256: string;
  /**
   * Hex SHA-256 of the last row's event, if the file ended there without a line end: should the
   * file have grown since, that row may read differently, and then counts as a new one.
   */
  readonly openRow: string | null;
}

/** What an import is known by. */
export interface ImportIdentity {
  readonly fingerprint: string;
  /** How rows become events, as text. */
  readonly mapping: string;
  /** Address of the platform. */
  readonly url: string;
}

/** Where the progress of one import is kept. */
export class CheckpointFile {
  readonly path: string;
  readonly #folder: string;

  constructor(folder: string, { fingerprint, mapping, url }: ImportIdentity) {
    const key = JSON.stringify([VERSION, fingerprint, mapping, url]);
    this.#folder = folder;
    this.path = join(folder, `${hexDigest(new TextEncoder().encode(key)).slice(0, 32)}.json`);
  }

  /** What was saved; null = nothing, or nothing that can be read (then rows are sent again). */
  load(): Checkpoint | null {
    let text: string;
    try {
      text = Deno.readTextFileSync(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw this.#failure("read", error);
    }
    return readCheckpoint(text);
  }

  /** Saves it in place of the last one; after a power cut either of them is there. */
  save(checkpoint: Checkpoint, about: Record<string, unknown>): void {
    const next = `${this.path}.next`;
    const text = JSON.stringify({ version: VERSION, ...about, ...checkpoint }, null, 2);
    try {
      Deno.mkdirSync(this.#folder, { recursive: true });
      {
        using file = Deno.openSync(next, { write: true, create: true, truncate: true });
        file.writeSync(new TextEncoder().encode(`${text}\n`));
        file.syncSync();
      }
      Deno.renameSync(next, this.path);
    } catch (error) {
      throw this.#failure("written", error);
    }
  }

  #failure(what: string, cause: unknown): ImportError {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new ImportError(
      "RTA_IMPORT_SOURCE",
      `the progress in ${this.path} can't be ${what}: ${detail}`,
      { cause },
    );
  }
}

/** Hex SHA-256. */
export function hexDigest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function readCheckpoint(text: string): Checkpoint | null {
  let saved: Record<string, unknown>;
  try {
    saved = JSON.parse(text);
  } catch {
    return null;
  }
  const { version, rows, refused, bytes, sha256, openRow } = saved ?? {};
  const isPlace = version === VERSION && isCount(rows) && isCount(refused) && isCount(bytes) &&
    typeof sha256 === "string" && (openRow === null || typeof openRow === "string");
  return isPlace ? { rows, refused, bytes, sha256, openRow } : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
