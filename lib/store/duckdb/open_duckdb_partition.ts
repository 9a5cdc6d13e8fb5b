/** Opens a partition's DuckDB file with the settings the platform runs it with. */

import type { PartitionStore } from "../event_store.ts";
import { toStoreError } from "./duckdb_error.ts";
import { DuckdbPartition } from "./duckdb_partition.ts";

/** Where a partition's file is and what it may use. */
export interface DuckdbPartitionOptions {
  /** The data folder; made when it does not exist. */
  readonly folder: string;
  readonly partition: number;
  /** Memory of DuckDB's buffers for this file, MiB. */
  readonly memoryLimitMb: number;
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
  return await DuckdbPartition.open(options.partition, path, duckdbSettings(options.memoryLimitMb));
}

/** Settings of one file. The measurements behind them are in docs/ARCHITECTURE.md. */
export function duckdbSettings(memoryLimitMb: number): Record<string, string> {
  return {
    // One core owns the partition: more threads would only take it from the others.
    threads: "1",
    memory_limit: `${memoryLimitMb}MiB`,
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    checkpoint_threshold: "16MiB",
  };
}
