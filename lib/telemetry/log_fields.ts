/** What every line of a log carries. */

/** The five steps of an event's life; the log field `stage`. */
export type Stage = "ingest" | "log" | "process" | "store" | "query";

/** The fields of a logger. */
export interface LogFields {
  readonly stage?: Stage;
  /** The role that writes. */
  readonly service?: string;
}
