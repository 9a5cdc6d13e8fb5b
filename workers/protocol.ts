/**
 * Control messages between the main thread and the shard workers. Data goes through rings; these
 * go by postMessage, so everything here is structured-clone safe.
 */
import type { LogLevel } from "../lib/config/config.ts";
import type { RollupPartial } from "../lib/query/partial.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import type { ProcessorOptions } from "../lib/process/partition_processor.ts";
import type { StoredEvent, UserEventsQuery, UserTotals } from "../lib/store/event_store.ts";

/**
 * A fault to play in a test after so many events were applied by this worker: the loop throws, the
 * thread never comes back, or an error that nobody catches ends the worker with its files open.
 */
export interface ShardFault {
  readonly kind: "throw" | "hang" | "die";
  readonly afterEvents: number;
}

/** Opens the partitions and starts the loop; answered by `ready` or `failed`. */
export interface StartShard {
  readonly kind: "start";
  readonly partitions: readonly number[];
  /** Data folder of the log and the store. */
  readonly folder: string;
  /** Signal memory of the embedded log. */
  readonly signal: SharedArrayBuffer;
  /** Ring that takes progress frames to the main thread. */
  readonly progress: SharedArrayBuffer;
  /** Heartbeats: Int32 by worker, counted up every HEARTBEAT_MS while the worker's loop turns. */
  readonly health: SharedArrayBuffer;
  readonly healthIndex: number;
  readonly processor: ProcessorOptions;
  /** Memory limit of each partition's store, MB. */
  readonly storeMemoryMb: number;
  /** Longest time from applying an event to its commit when caught up, ms. */
  readonly commitIntervalMs: number;
  readonly fault: ShardFault | null;
  readonly logLevel: LogLevel;
}

export interface AskRollups {
  readonly kind: "rollups";
  readonly id: number;
  readonly plan: RollupPlan;
}

export interface AskUser {
  readonly kind: "user";
  readonly id: number;
  readonly partition: number;
  readonly query: UserEventsQuery;
}

/** Commits all that was applied, closes, answers `stopped`. */
export interface StopShard {
  readonly kind: "stop";
}

export type ToShard = StartShard | AskRollups | AskUser | StopShard;

export interface UserAnswer {
  readonly totals: UserTotals | null;
  readonly events: readonly StoredEvent[];
  /** Everything received before this is among the rows, ms since the epoch. */
  readonly completeUntilMs: number;
}

export type FromShard =
  | { readonly kind: "ready" }
  | { readonly kind: "rollups"; readonly id: number; readonly partial: RollupPartial }
  | { readonly kind: "user"; readonly id: number; readonly answer: UserAnswer }
  /** The question failed, the shard goes on; a StoreError's code, else RTA_SHARD_FAULT. */
  | {
    readonly kind: "refused";
    readonly id: number;
    readonly code: string;
    readonly message: string;
  }
  /** The shard threw: its files are closed, the worker is done. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "stopped" };
