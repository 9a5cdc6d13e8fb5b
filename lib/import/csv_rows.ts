/**
 * CSV (RFC 4180) as rows, by the package csv-parse.
 *
 * A quote in the middle of a cell is taken as it stands, and blank lines are passed over. A row
 * with more or fewer cells than the header is faulty: it may have slipped, and then every value of
 * it would land in the wrong place. A quote that is never closed ends the import, because what is
 * a row and what isn't can't be told any more.
 */
import { Parser } from "csv-parse";
import { parse } from "csv-parse/sync";
import { IMPORT_ROW_BYTES_MAX } from "../config/limits.ts";
import type { ColumnMapping } from "./column_mapping.ts";
import { ImportError } from "./import_error.ts";
import type { ImportSource } from "./import_source.ts";
import { deriveId, type RowFault, type RowsStart, type SourceRow } from "./source_row.ts";

const NEWLINE = 0x0a;
/** What the parser puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

const dialect = {
  record_delimiter: ["\r\n", "\n"],
  relax_quotes: true,
  relax_column_count: true,
  skip_empty_lines: true,
};

/** The first row of a file. */
export interface CsvHeader {
  readonly columns: readonly string[];
  /** Where the rows after it begin, bytes. */
  readonly end: number;
}

/** Reads the header. Throws ImportError when there is none in the head of the file. */
export function readCsvHeader(source: ImportSource, delimiter: string): CsvHeader {
  const options = { ...dialect, delimiter, bom: true, info: true, to: 1 };
  let first: { record: string[]; info: { bytes: number } } | undefined;
  try {
    [first] = parse(source.head, options) as unknown as (typeof first)[];
  } catch {
    // An open quote up to the end of the head: no header either way.
  }
  const isCut = first === undefined || (first.info.bytes >= source.head.length);
  if (first === undefined || (isCut && !source.headIsAll)) {
    const what = source.head.length === 0 ? "is empty" : "has no header row";
    throw new ImportError("RTA_IMPORT_SOURCE", `${source.path} ${what}`);
  }
  return { columns: first.record.map((name) => name.trim()), end: first.info.bytes };
}

/**
 * The rows of the chunks, in groups as they come.
 *
 * @param chunks the file from `start.bytes` on, which is where a row begins
 * @throws ImportError when a quote is never closed, or a row is longer than IMPORT_ROW_BYTES_MAX
 */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  start: RowsStart,
  mapping: ColumnMapping,
  delimiter: string,
  fingerprint: string,
): AsyncGenerator<SourceRow[], void, void> {
  const reader = new RecordReader(start, mapping, delimiter, fingerprint);
  try {
    for await (const chunk of chunks) yield await reader.add(chunk);
    yield await reader.end();
  } finally {
    reader.close();
  }
}

class RecordReader {
  readonly #start: RowsStart;
  readonly #mapping: ColumnMapping;
  readonly #fingerprint: string;
  readonly #parser: Parser;
  #ready: SourceRow[] = [];
  #rows: number;
  /** Bytes given to the parser, counted as the parser counts: from `start` on. */
  #given = 0;
  /** The same, up to the end of the last row. */
  #read = 0;
  #endsLine = true;
  #ending = false;

  constructor(start: RowsStart, mapping: ColumnMapping, delimiter: string, fingerprint: string) {
    this.#start = start;
    this.#rows = start.rows;
    this.#mapping = mapping;
    this.#fingerprint = fingerprint;
    this.#parser = new Parser(
      {
        ...dialect,
        delimiter,
        // Called while a chunk is written; taking the rows here spares the stream's read side.
        on_record: (record: string[], { bytes }: { bytes: number }) => this.#take(record, bytes),
      } as ConstructorParameters<typeof Parser>[0],
    );
    this.#parser.on("error", () => {}); // told by the callbacks of write and end
    this.#parser.resume();
  }

  async add(chunk: Uint8Array): Promise<SourceRow[]> {
    this.#given += chunk.length;
    this.#endsLine = chunk.at(-1) === NEWLINE;
    await new Promise<void>((resolve, reject) =>
      this.#parser.write(chunk, (error) => error ? reject(this.#failure(error)) : resolve())
    );
    if (this.#given - this.#read > IMPORT_ROW_BYTES_MAX + chunk.length) {
      throw this.#failure(new Error(`it is longer than ${IMPORT_ROW_BYTES_MAX} bytes`));
    }
    return this.#taken();
  }

  async end(): Promise<SourceRow[]> {
    this.#ending = true;
    await new Promise<void>((resolve, reject) => {
      this.#parser.once("end", resolve);
      this.#parser.once("error", (error) => reject(this.#failure(error)));
      this.#parser.end();
    });
    return this.#taken();
  }

  close(): void {
    this.#parser.destroy();
  }

  #taken(): SourceRow[] {
    const rows = this.#ready;
    this.#ready = [];
    return rows;
  }

  #take(record: string[], bytes: number): null {
    this.#read = bytes;
    const number = ++this.#rows;
    const whole = !(this.#ending && bytes === this.#given && !this.#endsLine);
    const end = this.#start.bytes + bytes;
    this.#ready.push({ number, end, whole, ...this.#eventOf(record, number) });
    return null;
  }

  #eventOf(record: string[], number: number): Pick<SourceRow, "event" | "fault"> {
    const columns = this.#mapping.header.length;
    if (record.length !== columns) {
      const message = `the row has ${record.length} cells, the header ${columns}`;
      return faulty(record, { code: "column_count", message });
    }
    const text = this.#mapping.eventOf(record);
    const id = this.#mapping.idOf(record) ?? deriveId(this.#fingerprint, number, text);
    const event = `{"id":${JSON.stringify(id)}${text === "{}" ? "}" : `,${text.slice(1)}`}`;
    if (!event.includes(REPLACEMENT)) return { event, fault: null };
    const message = "the row is not UTF-8; convert the file with iconv";
    return faulty(record, { code: "invalid_utf8", message });
  }

  #failure(cause: Error): ImportError {
    const row = `row ${this.#rows + 1}, which begins at byte ${this.#start.bytes + this.#read}`;
    const message = `${row}, can't be read (${cause.message}): is a quote not closed there?`;
    return new ImportError("RTA_IMPORT_SOURCE", message, { cause });
  }
}

function faulty(record: string[], fault: RowFault): Pick<SourceRow, "event" | "fault"> {
  return { event: JSON.stringify(record), fault };
}
