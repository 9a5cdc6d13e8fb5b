/**
 * Tables of one partition's file, and the version number of their layout.
 *
 * No primary keys and no indexes: they slow every append, and the reads here either scan numeric
 * columns or prune by the min and max that DuckDB keeps for each row group.
 */

/** Layout of the file; raised whenever a table below changes. */
export const FORMAT_VERSION = 1;

/** The name that the file is attached under. */
export const CATALOG = "store";

/** Statements that make an empty partition. */
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
  id VARCHAR,
  id_hash UBIGINT,
  user_id VARCHAR,
  user_hash UBIGINT,
  session_id VARCHAR,
  session_hash UBIGINT,
  source VARCHAR,
  properties VARCHAR,
  amount DOUBLE);
CREATE TABLE cells(
  level UTINYINT,
  bucket INTEGER,
  series_id INTEGER,
  events BIGINT,
  min_ts TIMESTAMP_MS,
  max_ts TIMESTAMP_MS,
  amount_count BIGINT,
  amount_sum DOUBLE,
  users BLOB,
  sessions BLOB,
  amounts BLOB);
CREATE TABLE deltas(id BIGINT, bytes BLOB);
INSERT INTO state VALUES (${FORMAT_VERSION}, 0, 0, make_timestamp_ms(0));
`;
