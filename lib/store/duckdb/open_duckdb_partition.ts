/** Opens a partition's DuckDB file with the settings the platform runs it with. */

import type { PartitionStore } from "../event_store.ts";
import { toStoreError } from "./duckdb_error.ts";
import { DuckdbPartition, type DuckdbSettings } from "./duckdb_partition.ts";
import { SESSION_RUN_ROWS } from "./session_parts.ts";

/**
 * What one piece of work may need above what is kept, MiB: a commit of long rows and a few reads of
 * them at the same time. Used for moments, and rarely.
 */
const WORKING_MEMORY_MB = 64;

/** Less than this is not worth caching anything in, MiB. */
const KEPT_MEMORY_MB_MIN = 16;

/** Where a partition's file is and what it may use. */
export interface DuckdbPartitionOptions {
  /** The data folder; made when it does not exist. */
  readonly folder: string;
  readonly partition: number;
  /**
   * Memory of DuckDB's that this file keeps between one piece of work and the next, MiB; 16 is
   * enough. Four files of 16 in one process took 90 MB at rest and 145 MB in the middle of commits
   * of 65,536 rows, one after the other, at 780,000 rows/s on one core; of 32, 155 and 200 MB.
   */
  readonly memoryLimitMb: number;
  /** False: it is, or is made, one that keeps no rows. Default true. */
  readonly keepsRows?: boolean;
  /**
   * Rows that are added up by user and session at a time, at most SESSION_RUN_ROWS, which is the
   * default; the same whenever the file is opened.
   */
  readonly sessionRunRows?: number;
  /** Told of what makes answers slower and fails nothing; nobody if missing. */
  readonly warn?: (message: string, detail: Record<string, unknown>) => void;
}

/** Opens `events-NNN.duckdb`, or makes it. Throws StoreError. */
export async function openDuckdbPartition(
  options: DuckdbPartitionOptions,
): Promise<PartitionStore> {
  const name = `events-${String(options.partition).padStart(3, "0")}.duckdb`;
  const path = `${options.folder}/${name}`;
  try {
    await Deno.mkdir(options.folder, { recursive: true });
  } catch (error) {
    throw toStoreError(error, "open", path);
  }
  const settings = {
    ...duckdbSettings(options.memoryLimitMb),
    keepsRows: options.keepsRows ?? true,
    parts: {
      runRows: options.sessionRunRows ?? SESSION_RUN_ROWS,
      warn: options.warn ?? (() => {}),
    },
  };
  return await DuckdbPartition.open(options.partition, path, settings);
}

/** Settings of one file; the figures were measured with four files in one process. */
export function duckdbSettings(
  memoryLimitMb: number,
): Omit<DuckdbSettings, "keepsRows" | "parts"> {
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
