/**
 * DuckDB's C API by way of its Node addon.
 *
 * The layers above the addon (@duckdb/node-api) build one JavaScript value per cell; the store
 * moves whole vectors, so it uses the addon itself. The addon's properties are not enumerable,
 * which is why its functions are reached through the default export.
 */

import * as bindings from "@duckdb/node-bindings";

export type {
  Appender,
  Connection,
  Database,
  DataChunk,
  Type,
  Value,
  Vector,
} from "@duckdb/node-bindings";

export const native = (bindings as unknown as { default: typeof bindings }).default;

/** Rows in one data chunk, at most (STANDARD_VECTOR_SIZE). */
export const CHUNK_ROWS = 2048;

/** Bytes of one `duckdb_string_t`: u32 length, then 12 bytes of text or a prefix and a pointer. */
export const STRING_BYTES = 16;

/** Text of up to this many bytes stands inside its duckdb_string_t. */
export const STRING_INLINE_MAX = 12;
