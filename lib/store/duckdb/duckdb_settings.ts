/** The settings that a partition's database is opened with. */

import type { SideFileOptions } from "./side_file.ts";

/**
 * What one piece of work may need above what is kept, MiB: a commit of long rows and a few reads of
 * them at the same time. Used for moments, and rarely.
 */
const WORKING_MEMORY_MB = 64;

/** Less than this is not worth caching anything in, MiB. */
const KEPT_MEMORY_MB_MIN = 16;

/** A log of writes longer than this is checkpointed even if reads have to wait for it, bytes. */
export const WAL_BYTES_MAX = 16 * 1024 * 1024;

/** The same while rows are scanned, bytes. */
export const WAL_BYTES_SCANNED_MAX = 4 * WAL_BYTES_MAX;

/** How a partition's database is to be set up. */
export interface DuckdbSettings {
  /** DuckDB's settings by name. */
  readonly config: Readonly<Record<string, string>> & { readonly memory_limit: string };
  /** Memory that it may keep between one piece of work and the next, as DuckDB writes sizes. */
  readonly keptMemory: string;
  /** Whether rows are kept; fixed when the file is made. */
  readonly keepsRows: boolean;
  /** How files beside it are made. */
  readonly sides: SideFileOptions;
}

/** Settings of one file; the figures were measured with four files in one process. */
export function duckdbSettings(
  memoryLimitMb: number,
): Omit<DuckdbSettings, "keepsRows" | "sides"> {
  const keptMb = Math.max(KEPT_MEMORY_MB_MIN, memoryLimitMb);
  const config = {
    // One core owns the partition: more threads would only take it from the others.
    threads: "1",
    memory_limit: `${keptMb + WORKING_MEMORY_MB}MiB`,
    preserve_insertion_order: "true",
    // Nothing is fetched or loaded from outside because a statement happens to name it.
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    // Rows since the last checkpoint stand uncompressed in memory: 4 MiB of log keeps that small
    // and its replay after a crash short; 2 MiB costs a quarter more CPU a commit.
    checkpoint_threshold: "4MiB",
    // By default full row groups are compressed as soon as they take 20 % of the memory limit, in
    // the middle of an append, on the worker's own thread (130 ms and more). With these it is part
    // of COMMIT, on another thread; what does not fit into memory waits in the temporary folder.
    write_buffer_row_group_memory_limit: "16GiB",
    write_buffer_row_group_count: "64",
  };
  return { config, keptMemory: `${keptMb}MiB` };
}
