/**
 * The named limits of exports and SQL, with their units; see limits.ts.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

// --- SQL -----------------------------------------------------------------------------------------

/** Longest statement, UTF-16 code units. */
export const SQL_CHARS_MAX = 16 * KIB;
/** Longest time from a statement to its answer, ms; `timeout_ms` may say less. */
export const SQL_MS_MAX = 30 * SECOND_MS;
/** Most rows of one answer. */
export const SQL_ROWS_MAX = 100_000;
/** Longest answer, bytes of its rows as text. */
export const SQL_RESULT_BYTES_MAX = 16 * MIB;
/** Rows that the engine hands over in one go, bytes. */
export const SQL_BLOCK_BYTES = MIB;
/** Longest frame between the engine's process and this one, bytes. */
export const SQL_FRAME_BYTES_MAX = 64 * MIB;
/** Memory that the engine plans with, MiB; what does not fit goes to its temporary folder. */
export const SQL_MEMORY_MB = 256;
/**
 * Resident memory at which the engine's process is killed, bytes: functions may ask for any amount at
 * once, past the engine's own limit.
 */
export const SQL_PROCESS_BYTES_MAX = 640 * MIB;
/** How often the engine's process looks at its memory while it works, ms. */
export const SQL_MEMORY_LOOK_MS = 10;
/** Threads of the engine. */
export const SQL_THREADS = 2;
/** What the engine may put into its temporary folder, MiB. */
export const SQL_SPILL_MB = 1_024;
/** Copies of rows that one statement may need, bytes on disk. */
export const SQL_COPY_BYTES_MAX = 2_048 * MIB;
/** Statements that wait while one is answered; more are refused as overloaded. */
export const SQL_WAITING_MAX = 8;
/** The engine's process ends after so long without a statement, ms. */
export const SQL_IDLE_MS = MINUTE_MS;
/** An engine that does not stop within this after it was interrupted is killed, ms. */
export const SQL_INTERRUPT_MS = 500;

// --- Export --------------------------------------------------------------------------------------

/** Rows as text that a shard hands over in one go, bytes; one row alone may be longer. */
export const EXPORT_BLOCK_BYTES = MIB;
/** Properties kept as parts that one read of rows may join, bytes: more of them end its window. */
export const WINDOW_LONG_BYTES_MAX = 8 * MIB;
/** Rows that the first read of an export, or of a copy for SQL, goes through. */
export const WINDOW_ROWS_FIRST = 1_024;
/** Most rows that one read goes through, where few of them match. */
export const WINDOW_ROWS_MAX = 1_048_576;
/** Most rows of one row group of an exported Parquet file. */
export const PARQUET_GROUP_ROWS = 30_720;
/** Size that a row group of an exported Parquet file is to have, bytes. */
export const PARQUET_GROUP_BYTES = 8 * MIB;
/** Rows that one file of a copy for SQL is to have. */
export const SQL_COPY_ROWS = 245_760;
/** Size that one file of a copy for SQL is to have, bytes. */
export const SQL_COPY_FILE_BYTES = 32 * MIB;
/** Partitions that are copied for SQL at the same time. */
export const SQL_COPIES_MAX = 2;
/** Time that one read of rows is to take, ms; longer ones are followed by smaller ones. */
export const WINDOW_MS_GOAL = SECOND_MS;
/** Longest time of one read of an export, ms. */
export const EXPORT_READ_MS_MAX = MINUTE_MS;
/** Exports at the same time; more are refused as overloaded. */
export const EXPORTS_MAX = 4;
/** An export whose client reads nothing for so long is cut, ms. */
export const EXPORT_IDLE_MS = 2 * MINUTE_MS;
/** Most columns that an export may name. */
export const EXPORT_COLUMNS_MAX = 100;
/** Bytes of a file that are sent in one go. */
export const FILE_READ_BYTES = 256 * KIB;
