/** Opens a partition's DuckDB file with the settings the platform runs it with. */

import type { PartitionStore } from "../event_store.ts";
import { toStoreError } from "./duckdb_error.ts";
import { DuckdbPartition } from "./duckdb_partition.ts";
import { duckdbSettings } from "./duckdb_settings.ts";
import { SIDE_RUN_ROWS } from "./side_file.ts";

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
   * Rows that files beside it are made of at a time, at most SIDE_RUN_ROWS, which is the default; the
   * same whenever the file is opened.
   */
  readonly runRows?: number;
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
    sides: {
      runRows: options.runRows ?? SIDE_RUN_ROWS,
      warn: options.warn ?? (() => {}),
    },
  };
  return await DuckdbPartition.open(options.partition, path, settings);
}
