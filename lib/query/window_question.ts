/**
 * Questions to the rows of one partition, window by window (lib/store/row_window.ts): those of exports
 * and of copies for SQL.
 */
import type { RowField } from "./event_columns.ts";
import type { Filter } from "./filter/filter.ts";

/** Where the rows of a partition end now: windows up to there are all of one moment. */
export interface RowsEndQuestion {
  readonly kind: "rows_end";
}

/** Rows of one partition with fromSeq <= seq < toSeq, as lib/store/row_window.ts has them. */
interface WindowQuestion {
  readonly project: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** [fromMs, toMs), ms since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly filter: Filter | null;
  readonly columns: readonly RowField[];
}

/** Rows of one partition as lines of text. */
export interface RowLinesQuestion extends WindowQuestion {
  readonly kind: "row_lines";
  readonly form: "ndjson" | "csv";
}

/** Rows of one partition, to be copied to a Parquet file. */
export interface RowCopyQuestion extends WindowQuestion {
  readonly kind: "row_copy";
  readonly path: string;
  readonly compression: "zstd" | "snappy";
  /** In the order of the log. */
  readonly ordered: boolean;
  /** A file even if there are no rows. */
  readonly keepsEmpty: boolean;
}

/** Text of rows, and where the next window begins. */
export interface RowLinesPartial {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly nextSeq: number;
}

/** Rows and bytes of a file that was written; 0 bytes = none was. */
export interface RowCopyPartial {
  readonly rows: number;
  readonly bytes: number;
  readonly nextSeq: number;
}

/** Each of them with the answer of its partition. */
export interface WindowQuestions {
  rows_end: { question: RowsEndQuestion; partial: number };
  row_lines: { question: RowLinesQuestion; partial: RowLinesPartial };
  row_copy: { question: RowCopyQuestion; partial: RowCopyPartial };
}

/**
 * Whether a question is about rows up to a number that was told before: all of them are committed, so
 * that nothing has to be for its sake.
 */
export function isAboutWindow({ kind }: { readonly kind: string }): boolean {
  return kind === "row_lines" || kind === "row_copy";
}
