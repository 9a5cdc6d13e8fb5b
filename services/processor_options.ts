/** What the processors of all partitions share of this process's memory, and how they are set. */
import type { Config } from "../lib/config/config.ts";
import {
  CELL_BYTES_MAX,
  CELL_FLUSH_MS,
  DELTA_BYTES_MAX,
  SESSION_BYTES_MAX,
} from "../lib/config/limits.ts";
import type { ProcessorOptions } from "../lib/process/partition_processor.ts";

const MIB = 1024 * 1024;

/** The options of each of `partitions` processors; `topic` is what their log is called. */
export function processorOptions(
  config: Config,
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
): ProcessorOptions {
  return {
    topic,
    dedupWindowMs: config.dedupWindowSeconds * 1000,
    dedupBytesMax: Math.floor(config.dedupMemoryMb * MIB / partitions),
    sessionGapMs: config.sessionGapMinutes * 60_000,
    sessionBytesMax: Math.floor(SESSION_BYTES_MAX / partitions),
    cellBytesMax: Math.floor(CELL_BYTES_MAX / partitions),
    flushIntervalMs: CELL_FLUSH_MS,
    flushBytes: DELTA_BYTES_MAX,
  };
}
