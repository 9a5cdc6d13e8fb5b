/**
 * RefusedRows: the file that keeps every row that the platform did not take, with the reason, so
 * that it can be mended and imported again. One JSON object a line:
 *
 *     {"row":17,"code":"too_long","field":"user_id","message":"...","event":{...}}
 *
 * `event` is what was sent; where that is no JSON it is `text`, where it is no text `base64`; the
 * cells of a CSV row that could not be made into an event are an array in `event`.
 *
 * A row may stand there twice after a crash in the middle of an import, never not at all.
 */
import { Buffer } from "node:buffer";
import type { RefusedRow } from "./import_batch.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Appends to the file; makes it with the first row. */
export class RefusedRows {
  #begins: boolean;

  /** @param begins whether the import begins anew: what the file held before is of no use then */
  constructor(readonly path: string, begins: boolean) {
    this.#begins = begins;
  }

  /** Adds the rows; they are on disk when this returns. */
  add(rows: readonly RefusedRow[]): void {
    if (this.#begins) {
      this.#begins = false;
      removeIfThere(this.path);
    }
    if (rows.length === 0) return;
    const lines = rows.map((row) => `${refusedLine(row)}\n`).join("");
    using file = Deno.openSync(this.path, { append: true, create: true });
    const bytes = new TextEncoder().encode(lines);
    for (let written = 0; written < bytes.length;) {
      written += file.writeSync(bytes.subarray(written));
    }
    file.syncDataSync();
  }
}

function refusedLine({ row, code, field, message, event }: RefusedRow): string {
  const head = JSON.stringify({ row, code, field, message }).slice(0, -1);
  let text: string;
  try {
    text = decoder.decode(event);
  } catch {
    return `${head},"base64":"${Buffer.from(event).toString("base64")}"}`;
  }
  return isOneLineOfJson(text)
    ? `${head},"event":${text}}`
    : `${head},"text":${JSON.stringify(text)}}`;
}

function isOneLineOfJson(text: string): boolean {
  try {
    JSON.parse(text);
    return !/[\r\n]/.test(text);
  } catch {
    return false;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
