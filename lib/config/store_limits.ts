/** Limits of the store, beside those of limits.ts. */

/** Memory that a partition's database may use for a scan that did not fit into the usual, MiB. */
export const SCAN_MEMORY_MB = 512;
/** Reads of one partition's store that run at the same time; more wait. */
export const STORE_READS_MAX = 4;
/** The same of reads about one user, which take places of their own. */
export const STORE_USER_READS_MAX = 4;
/** Longest that opening a partition's store waits for a lock that is about to be let go, ms. */
export const STORE_LOCK_MS_MAX = 500;
/** Properties that a partition keeps columns of, by the questions asked. */
export const PROPERTY_COLUMNS_MAX = 16;
/** Those asked for most lately that stay when it is opened again. */
export const PROPERTY_COLUMNS_KEPT = 8;
/** What is made of rows does not follow them when nobody has asked for it for so long, ms. */
export const SIDE_IDLE_MS = 3_600_000;
/** Longest text of a value in such a column, bytes of JSON. */
export const PROPERTY_TEXT_BYTES_MAX = 1_000;
/** Average of a run of rows, above which a property is not worth a column, bytes a row. */
export const PROPERTY_ROW_BYTES_MAX = 64;
