/**
 * NDJSON as rows: one event of the plain REST form a line. Lines go out as their own bytes; only an
 * event without an id gets one put in front of its other members.
 */
import { IMPORT_ROW_BYTES_MAX } from "../config/limits.ts";
import { EventScan, SCAN_COMPLETE, SCAN_DEFAULTS, scanEvent } from "../event/scan.ts";
import { ImportError } from "./import_error.ts";
import { deriveId, type RowsStart, type SourceRow } from "./source_row.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CLOSE_OBJECT = 0x7d;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The rows of the chunks, in groups as they come.
 *
 * @param chunks the file from `start.bytes` on
 * @throws ImportError when a line is longer than IMPORT_ROW_BYTES_MAX
 */
export async function* ndjsonRows(
  chunks: AsyncIterable<Uint8Array>,
  start: RowsStart,
  fingerprint: string,
): AsyncGenerator<SourceRow[], void, void> {
  const reader = new LineReader(start, fingerprint);
  for await (const chunk of chunks) yield reader.add(chunk);
  yield reader.end();
}

class LineReader {
  readonly #fingerprint: string;
  readonly #scan = new EventScan();
  /** The beginning of a line whose end is yet to come. */
  #held: Uint8Array = new Uint8Array(0);
  /** Offset of the held bytes in the file. */
  #offset: number;
  #rows: number;

  constructor(start: RowsStart, fingerprint: string) {
    this.#offset = start.bytes;
    this.#rows = start.rows;
    this.#fingerprint = fingerprint;
  }

  add(chunk: Uint8Array): SourceRow[] {
    const bytes = this.#held.length === 0 ? chunk : joined(this.#held, chunk);
    const rows: SourceRow[] = [];
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(NEWLINE, at);
      if (lineEnd < 0) break;
      this.#push(rows, bytes.subarray(at, lineEnd), this.#offset + lineEnd + 1, true);
      at = lineEnd + 1;
    }
    this.#held = bytes.subarray(at);
    this.#offset += at;
    if (this.#held.length > IMPORT_ROW_BYTES_MAX) this.#tooLong();
    return rows;
  }

  end(): SourceRow[] {
    const rows: SourceRow[] = [];
    this.#push(rows, this.#held, this.#offset + this.#held.length, false);
    return rows;
  }

  #push(rows: SourceRow[], line: Uint8Array, end: number, whole: boolean): void {
    if (line.length > IMPORT_ROW_BYTES_MAX) this.#tooLong();
    const isFirst = end - line.length <= 1;
    const text = trimLine(isFirst ? withoutMark(line) : line);
    if (isBlank(text)) return;
    const number = ++this.#rows;
    rows.push({ number, event: this.#withId(text, number), fault: null, end, whole });
  }

  /** The line, with an id put in if it is an object that has none. */
  #withId(line: Uint8Array, row: number): Uint8Array {
    const scan = this.#scan;
    const verdict = scanEvent(line, 0, line.length, Date.now(), scan);
    if (verdict === SCAN_COMPLETE || verdict === SCAN_DEFAULTS) {
      if (scan.idStart >= 0) return line;
      return insertId(line, scan.start, deriveId(this.#fingerprint, row, line));
    }
    const value = parseObject(line);
    if (value === null || (value.id !== undefined && value.id !== null)) return line;
    const id = deriveId(this.#fingerprint, row, line);
    if (value.id === undefined) return insertId(line, line.indexOf(0x7b), id);
    return encoder.encode(JSON.stringify({ ...value, id }));
  }

  #tooLong(): never {
    const what = `row ${this.#rows + 1} is longer than ${IMPORT_ROW_BYTES_MAX} bytes`;
    throw new ImportError("RTA_IMPORT_SOURCE", `${what}: is this one event a line?`);
  }
}

/** The object that a line is, or null: anything else is for the platform to refuse. */
function parseObject(line: Uint8Array): Record<string, unknown> | null {
  try {
    const value = JSON.parse(decoder.decode(line));
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** The object that opens at `open`, with `"id":...` as its first member. */
function insertId(line: Uint8Array, open: number, id: string): Uint8Array {
  let next = open + 1;
  while (line[next] <= 0x20) next++;
  const member = encoder.encode(`"id":"${id}"${line[next] === CLOSE_OBJECT ? "" : ","}`);
  const result = new Uint8Array(line.length + member.length);
  result.set(line.subarray(0, open + 1));
  result.set(member, open + 1);
  result.set(line.subarray(open + 1), open + 1 + member.length);
  return result;
}

function trimLine(line: Uint8Array): Uint8Array {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

/** Without a byte order mark, which some programs put before the first line. */
function withoutMark(line: Uint8Array): Uint8Array {
  return line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line;
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN);
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + tail.length);
  both.set(head);
  both.set(tail, head.length);
  return both;
}
