/**
 * What the process with the SQL engine and the one that started it say to each other: requests over
 * its stdin, answers over its stdout, each a frame (sql_frames.ts). One request at a time; a block of
 * rows may follow another before the answer that ends it.
 */
import type { EventColumn } from "../query/event_columns.ts";

/** How rows are written: arrays of JSON with commas between them, or lines of CSV (RFC 4180). */
export type SqlFormat = "json" | "csv";

/** What a statement reads of `events`. */
export interface SqlPlan {
  /** Whether it reads the table at all. */
  readonly reads: boolean;
  /** Columns it needs; none for a count of rows. */
  readonly columns: readonly EventColumn[];
}

/** A statement to run over rows that were copied to Parquet files. */
export interface SqlRun {
  readonly sql: string;
  /** Folder of the files; nothing else can be read. */
  readonly folder: string;
  /** Names of the files in it. */
  readonly files: readonly string[];
  /** Columns that the files have. */
  readonly columns: readonly EventColumn[];
  /** Folder for what does not fit into memory. */
  readonly spillFolder: string;
  readonly format: SqlFormat;
}

/** A column of an answer. */
export interface SqlColumn {
  readonly name: string;
  /** As DuckDB writes it: VARCHAR, BIGINT, TIMESTAMP. */
  readonly type: string;
}

export type SqlRequest =
  | { readonly kind: "plan"; readonly sql: string }
  | ({ readonly kind: "run" } & SqlRun)
  /** Ends the request under way, if there is one. */
  | { readonly kind: "interrupt" };

/** Said with the end of each request: whether the process has kept a lot of memory. */
interface Ended {
  readonly isLarge: boolean;
}

export type SqlReply =
  | ({ readonly kind: "planned"; readonly plan: SqlPlan } & Ended)
  /** Begins an answer. */
  | { readonly kind: "columns"; readonly columns: readonly SqlColumn[] }
  /** The frame's body is text of rows. */
  | { readonly kind: "rows" }
  /** Ends an answer. */
  | ({ readonly kind: "ran"; readonly rows: number } & Ended)
  | ({ readonly kind: "refused"; readonly code: SqlErrorCode; readonly message: string } & Ended);

/**
 * Why there is no answer: the statement can't be answered, the answer is too large, it needs too much
 * memory or disk, it was interrupted, or the engine failed.
 */
export type SqlErrorCode =
  | "invalid_sql"
  | "result_too_large"
  | "resources_exceeded"
  | "interrupted"
  | "failed";

/** There is no answer. The message is for whoever sent the statement. */
export class SqlError extends Error {
  constructor(readonly code: SqlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SqlError";
  }
}

/** What the process writes to stderr when it has more memory than it may, then waits to be killed. */
export const MEMORY_ALARM = "RTA_SQL_MEMORY";
