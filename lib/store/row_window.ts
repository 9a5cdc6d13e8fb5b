/**
 * Reads of rows in windows: each is short, leaves nothing open, and says where the next one begins. So
 * whoever reads millions of rows can stop between two windows, for as long as it likes.
 *
 * Rows of a partition are numbered in the order of its log and never change, so that windows up to a
 * number known at the beginning are all of one moment.
 */
import type { RowField } from "../query/event_columns.ts";
import type { Filter } from "../query/filter/filter.ts";

/** Committed rows of a project with fromSeq <= seq < toSeq, narrowed by event time and filter. */
export interface RowWindow {
  readonly project: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** [fromMs, toMs) by event time. */
  readonly fromMs: number;
  readonly toMs: number;
  /** null = all. */
  readonly filter: Filter | null;
}

/**
 * How rows are written as text: events as `POST /events/batch` takes them (`columns` do not matter),
 * or lines of CSV without a header.
 */
export type LineForm = "ndjson" | "csv";

/** Rows as lines, in the order of the log. */
export interface LineWindow extends RowWindow {
  readonly form: LineForm;
  readonly columns: readonly RowField[];
}

export interface RowLines {
  /** UTF-8; at most EXPORT_BLOCK_BYTES unless one row alone is longer. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  /** Where the next window begins: `toSeq`, or before it when the block was full. */
  readonly nextSeq: number;
}

/** Rows to copy into one Parquet file. */
export interface CopyWindow extends RowWindow {
  readonly columns: readonly RowField[];
  /** Of the file, which is made. */
  readonly path: string;
  readonly compression: "zstd" | "snappy";
  /** Whether in the order of the log; it costs memory for all rows of the window. */
  readonly ordered: boolean;
  /** Whether a file is made even if there are no rows: it tells the columns. */
  readonly keepsEmpty: boolean;
}

export interface CopiedRows {
  readonly rows: number;
  /** Of the file; 0 = there were no rows and there is no file. */
  readonly bytes: number;
  /** Where the next window begins: `toSeq`, or before it where rows are very long. */
  readonly nextSeq: number;
}
