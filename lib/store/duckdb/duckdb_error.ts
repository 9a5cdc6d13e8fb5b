/**
 * Turns what DuckDB throws (an Error whose message begins with the kind) into a StoreError with a
 * stable code, and tells whether the database refuses all further work until it is opened again.
 */

import { StoreError, type StoreErrorCode } from "../event_store.ts";

/** First match wins. Texts of DuckDB 1.5 and of the C library it was linked with. */
const KINDS: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/could not set lock on file/i, "RTA_STORE_LOCKED"],
  [
    /no space left on device|disk quota exceeded|file too large|max_temp_directory_size/i,
    "RTA_STORE_FULL",
  ],
  [/newer version|newer duckdb|storage version|version number/i, "RTA_STORE_FORMAT"],
  [
    /not a valid duckdb database|checksum|corrupt|serialization error|failed to deserialize/i,
    "RTA_STORE_CORRUPT",
  ],
  [
    /failure while replaying wal|could not read enough bytes|read out of range/i,
    "RTA_STORE_CORRUPT",
  ],
];

/** The StoreError for `cause`, thrown while `doing` ("commit", "open", ...) on the file `path`. */
export function toStoreError(cause: unknown, doing: string, path: string): StoreError {
  if (cause instanceof StoreError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = KINDS.find(([pattern]) => pattern.test(text))?.[1] ??
    // A read takes as much as is asked for; what a commit takes is not the caller's doing.
    (doing !== "commit" && isOutOfMemory(cause) ? "RTA_STORE_MEMORY" : "RTA_STORE_UNAVAILABLE");
  return new StoreError(code, `store ${path}: ${doing} failed: ${text.trim()}`, { cause });
}

/** True when the work did not fit into the memory limit. */
export function isOutOfMemory(cause: unknown): boolean {
  const text = cause instanceof Error ? cause.message : String(cause);
  return /out of memory|failed to pin block|could not allocate block|failed to allocate data/i
    .test(text);
}

/** True when DuckDB has given the open database up: nothing works on it but closing it. */
export function isInvalidated(cause: unknown): boolean {
  const text = cause instanceof Error ? cause.message : String(cause);
  return /database has been invalidated|^FATAL|^INTERNAL Error|Failed to create checkpoint/i
    .test(text);
}
