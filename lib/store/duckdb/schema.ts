/**
 * Tables of one partition's file, and the version number of their layout.
 *
 * No primary keys and no indexes: they slow every append, and the reads here either scan numeric
 * columns or prune by the min and max that DuckDB keeps for each row group.
 */

/**
 * Longest text or blob in one value, bytes. DuckDB works on 2,048 values at a time and holds all of
 * them in memory, in every read and commit that runs: with 32 KiB of properties or 16 KiB of sketch
 * that would be more than a partition has. Longer ones are therefore kept as parts.
 */
export const PART_BYTES_MAX = 1000;

// Naming the compression spares trying them all: a quarter of the CPU of a large commit. It also
// keeps DuckDB from a dictionary of user ids, which every look-up of one user has to unpack.
const HASH = "UBIGINT USING COMPRESSION 'uncompressed'";
const TEXT = "VARCHAR USING COMPRESSION 'zstd'";

/** Layout of the file; raised whenever a table below changes. */
export const FORMAT_VERSION = 1;

/** The name that the file is attached under. */
export const CATALOG = "store";

/**
 * What a partition without rows has beside the tables below, and how it is known: what dedup and
 * sessions need of recent events. `derived` is false when the client named the session.
 */
export const CREATE_RECENT = `
CREATE TABLE recent(
  received_at TIMESTAMP_MS USING COMPRESSION 'bitpacking',
  id_hash ${HASH},
  user_hash ${HASH},
  session_hash ${HASH},
  timestamp TIMESTAMP_MS USING COMPRESSION 'bitpacking',
  derived BOOLEAN);
`;

/** The name that the file of properties' columns is attached under (property_columns.ts). */
export const PROPERTIES_CATALOG = "property_columns";

/**
 * What that file has beside a table `property_ID(seq, json)` of each property: of each run its end,
 * the hash of its last event's id and the times of its events, and the properties.
 */
export const CREATE_PROPERTY_COLUMNS = `
CREATE TABLE IF NOT EXISTS ${PROPERTIES_CATALOG}.runs(
  end_seq BIGINT, id_hash UBIGINT, first_at TIMESTAMP_MS, last_at TIMESTAMP_MS);
CREATE TABLE IF NOT EXISTS ${PROPERTIES_CATALOG}.properties(
  id INTEGER, key VARCHAR, end_seq BIGINT, asked_at TIMESTAMP_MS);
`;

/** The name that the file of the tables below is attached under. */
export const SESSIONS_CATALOG = "sessions";

/**
 * Tables of a file of its own (session_parts.ts): what rows come to by user, session and hour, in
 * runs of rows of the log, and of each run its end and the hash of its last event's id. Within a run
 * parts are in order of users, so that those of a user are together. Session ids are uncompressed:
 * few are read at a time.
 */
export const CREATE_SESSION_PARTS = `
CREATE TABLE IF NOT EXISTS ${SESSIONS_CATALOG}.runs(end_seq BIGINT, id_hash UBIGINT);
CREATE TABLE IF NOT EXISTS ${SESSIONS_CATALOG}.session_parts(
  user_hash ${HASH},
  session_hash ${HASH},
  session_id VARCHAR USING COMPRESSION 'uncompressed',
  min_seq BIGINT,
  max_seq BIGINT,
  first_at TIMESTAMP_MS,
  last_at TIMESTAMP_MS,
  first_series INTEGER,
  last_series INTEGER,
  events INTEGER,
  transactions INTEGER,
  revenue DOUBLE);
`;

/**
 * Statements that make an empty partition. An event whose properties are longer than one value has
 * '' there (which is no JSON) and its text in the parts of `long_properties`; `cell_parts.sketch`
 * is the WANT_* bit of the sketch.
 */
export const CREATE_TABLES = `
CREATE TABLE state(
  format INTEGER, next_offset BIGINT, next_seq BIGINT, last_received_at TIMESTAMP_MS);
CREATE TABLE series(id INTEGER, project VARCHAR, type VARCHAR);
CREATE TABLE events(
  seq BIGINT,
  series_id INTEGER,
  category UTINYINT,
  timestamp TIMESTAMP_MS,
  received_at TIMESTAMP_MS,
  id ${TEXT},
  id_hash ${HASH},
  user_id ${TEXT},
  user_hash ${HASH},
  session_id VARCHAR,
  session_hash ${HASH},
  source VARCHAR,
  properties ${TEXT},
  amount DOUBLE);
CREATE TABLE long_properties(seq BIGINT, part USMALLINT, text ${TEXT});
CREATE TABLE cells(
  level UTINYINT,
  bucket INTEGER,
  series_id INTEGER,
  events BIGINT,
  min_ts TIMESTAMP_MS,
  max_ts TIMESTAMP_MS,
  amount_count BIGINT,
  amount_sum DOUBLE);
CREATE TABLE cell_parts(
  level UTINYINT,
  bucket INTEGER,
  series_id INTEGER,
  sketch UTINYINT,
  sketch_bytes INTEGER,
  part USMALLINT,
  bytes BLOB);
CREATE TABLE deltas(id BIGINT, bytes BLOB);
INSERT INTO state VALUES (${FORMAT_VERSION}, 0, 0, make_timestamp_ms(0));
`;
