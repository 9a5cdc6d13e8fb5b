/**
 * Opens a file for import: its format, its mapping, and a reader of its rows from any place on.
 */
import { type ColumnMapping, type MappingOptions, resolveMapping } from "./column_mapping.ts";
import { csvRows, readCsvHeader } from "./csv_rows.ts";
import { ImportError } from "./import_error.ts";
import {
  guessFormat,
  type ImportSource,
  inspectSource,
  type SourceFormat,
} from "./import_source.ts";
import { ndjsonRows } from "./ndjson_rows.ts";
import type { RowsStart, SourceRow } from "./source_row.ts";

/** How a file is to be read. */
export interface ReadOptions extends MappingOptions {
  /** Default: by the file's name and first bytes. */
  readonly format?: SourceFormat;
  /** Between the cells of a CSV row; default a comma, in a .tsv file a tab. */
  readonly delimiter?: string;
}

/** A file whose rows can be read. */
export interface OpenedImport {
  readonly source: ImportSource;
  readonly format: SourceFormat;
  /** null = NDJSON. */
  readonly mapping: ColumnMapping | null;
  /** The way from row to event as text; two imports are the same only if it is. */
  readonly mappingText: string;
  /** Where the first row begins. */
  readonly start: RowsStart;
  /** The rows of the chunks, which begin at `start`. */
  rows(
    chunks: AsyncIterable<Uint8Array>,
    start: RowsStart,
  ): AsyncGenerator<SourceRow[], void, void>;
}

/** Throws ImportError when the file can't be read or the mapping does not fit it. */
export async function openImport(path: string, options: ReadOptions): Promise<OpenedImport> {
  const source = await inspectSource(path);
  const { fingerprint } = source;
  const format = options.format ?? guessFormat(source);
  if (format !== "csv" && format !== "ndjson") {
    throw new ImportError("RTA_IMPORT_SOURCE", `--format takes csv or ndjson, not ${format}`);
  }
  if (format === "ndjson") {
    refuseMapping(options);
    return {
      source,
      format,
      mapping: null,
      mappingText: "ndjson",
      start: { bytes: 0, rows: 0 },
      rows: (chunks, start) => ndjsonRows(chunks, start, fingerprint),
    };
  }
  const delimiter = checkDelimiter(options.delimiter ?? (/\.tsv(\.gz)?$/i.test(path) ? "\t" : ","));
  const header = readCsvHeader(source, delimiter);
  const mapping = resolveMapping(options, header.columns);
  return {
    source,
    format,
    mapping,
    mappingText: JSON.stringify(["csv", delimiter, ...mapping.description]),
    start: { bytes: header.end, rows: 0 },
    rows: (chunks, start) => csvRows(chunks, start, mapping, delimiter, fingerprint),
  };
}

function refuseMapping({ map, property, set, onlyMapped }: ReadOptions): void {
  if (!map?.length && !property?.length && !set?.length && !onlyMapped) return;
  throw new ImportError(
    "RTA_IMPORT_MAPPING",
    "a mapping is for CSV; NDJSON holds events as POST /events takes them",
  );
}

function checkDelimiter(delimiter: string): string {
  if (delimiter !== "" && !/["\r\n]/.test(delimiter)) return delimiter;
  throw new ImportError(
    "RTA_IMPORT_MAPPING",
    "--delimiter takes a character, no quote or line end",
  );
}
