/** The embedded EventStore: one DuckDB file for each partition. */

export { type DuckdbPartitionOptions, openDuckdbPartition } from "./open_duckdb_partition.ts";
