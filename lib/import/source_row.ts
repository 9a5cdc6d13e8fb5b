/**
 * SourceRow: one row of an imported file, made into the JSON text of one event.
 *
 * A row is not judged here: what the platform refuses it refuses with its own words. Only a row
 * that can't be made into an event at all carries a `fault`.
 */
import { createHash, hash } from "node:crypto";

/** Why a row can't even be sent. */
export interface RowFault {
  /** `column_count`: not as many fields as the header. `invalid_utf8`: not text. */
  readonly code: "column_count" | "invalid_utf8";
  readonly message: string;
}

/** One row. */
export interface SourceRow {
  /** Counted from 1; blank lines and the CSV header don't count. */
  readonly number: number;
  /** JSON text of the event, with an id; of a faulty row what there is of it. */
  readonly event: string | Uint8Array;
  readonly fault: RowFault | null;
  /** Unpacked bytes of the file up to the end of this row. */
  readonly end: number;
  /** False: the file ends here without a line end, so that the row may be unfinished. */
  readonly whole: boolean;
}

/** Where rows begin: after `bytes` unpacked bytes and `rows` rows. */
export interface RowsStart {
  readonly bytes: number;
  readonly rows: number;
}

/**
 * The id of an event whose source gives none: the same for the same row of the same file, so that
 * a second import sends the same ids and adds nothing while the platform knows them.
 *
 * File, place and content all count: two equal rows of a file are two events, and a row that was
 * changed is another event. 128 bits of SHA-256.
 */
export function deriveId(fingerprint: string, row: number, event: string | Uint8Array): string {
  const place = `${fingerprint} ${row} `;
  // One call for the text of CSV rows, where this is a good part of the work; the digest is the same.
  const digest = typeof event === "string"
    ? hash("sha256", place + event, "hex")
    : createHash("sha256").update(place).update(event).digest("hex");
  return `imp-${digest.slice(0, 32)}`;
}
