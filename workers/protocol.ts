/**
 * Control messages between the main thread and the shard workers. Data goes through rings; these
 * go by postMessage, so everything here is structured-clone safe.
 */
import type { LogLevel } from "../lib/config/config.ts";
import type { LiveOrder } from "../lib/live/live_definition.ts";
import type { KafkaLogSettings } from "../lib/log/kafka/settings.ts";
import type { RollupPartial } from "../lib/query/partial.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import type { RowAnswer, RowQuestion } from "../lib/query/row_question.ts";
import type { ProcessorOptions } from "../lib/process/partition_processor.ts";
import type { UserPart, UserQuestion } from "../lib/process/user_question.ts";

/**
 * A fault to play in a test. After so many events were applied by this worker, the loop throws, the
 * thread never comes back, or an error that nobody catches ends the worker with its files open; or
 * the loop throws whenever it meets an event of this type, in any worker.
 */
export type ShardFault =
  | { readonly kind: "throw" | "hang" | "die"; readonly afterEvents: number }
  | { readonly kind: "poison"; readonly eventType: string };

/** Where the log is and which part of it a shard reads. */
export type ShardLog =
  | {
    readonly kind: "sqlite";
    /** Data folder. */
    readonly folder: string;
    /** Signal memory of the embedded log. */
    readonly signal: SharedArrayBuffer;
    readonly partitions: readonly number[];
  }
  /** The shard is a member of the group; its partitions are what the group gives it. */
  | {
    readonly kind: "kafka";
    readonly settings: KafkaLogSettings;
    readonly dlqTopic: string;
    readonly metricsTopic: string;
  };

/** Where a shard failed: records of a partition from `offset` to before `nextOffset`. */
export interface SuspectPlace {
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;
}

/** A place that has failed shards so many times; from POISON_FAILURES on it is set aside. */
export interface Suspect extends SuspectPlace {
  readonly failures: number;
}

/** Opens the log and the partitions and starts the loop; answered by `ready` or `failed`. */
export interface StartShard {
  readonly kind: "start";
  readonly log: ShardLog;
  /** Partitions of the log when this process started. */
  readonly partitions: number;
  /** Topic by which dead letters and events without an id are named. */
  readonly topic: string;
  /** Of records that name none. */
  readonly project: string;
  /** Folder of the partitions' stores and locks, and of the dead letters. */
  readonly storeFolder: string;
  readonly suspects: readonly Suspect[];
  /** Ring that takes progress frames to the main thread. */
  readonly progress: SharedArrayBuffer;
  /** Heartbeats: Int32 by worker, counted up every HEARTBEAT_MS while the worker's loop turns. */
  readonly health: SharedArrayBuffer;
  readonly healthIndex: number;
  readonly processor: ProcessorOptions;
  /** Whether the stores keep events one by one. */
  readonly keepsRows: boolean;
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

/** About one user: every partition of the shard, or the one that the user's events are in. */
export interface AskUser {
  readonly kind: "user";
  readonly id: number;
  readonly partition: number | null;
  readonly question: UserQuestion;
}

/** To the rows of every partition of the shard, or of the one named. */
export interface AskRows {
  readonly kind: "rows";
  readonly id: number;
  readonly partition: number | null;
  readonly question: RowQuestion;
}

/** Nobody waits for the answer of these rows, or about this user, any more. */
export interface CancelRows {
  readonly kind: "cancel";
  readonly id: number;
}

/** Commits all that was applied, closes, answers `stopped`. */
export interface StopShard {
  readonly kind: "stop";
}

/** All places that have failed shards of this process: partitions move from one to another. */
export interface TellSuspects {
  readonly kind: "suspects";
  readonly suspects: readonly Suspect[];
}

/** What live streams want to know from now on: all of it, each time. */
export interface WatchLive {
  readonly kind: "live";
  readonly orders: readonly LiveOrder[];
}

export type ToShard =
  | StartShard
  | AskRollups
  | AskUser
  | AskRows
  | CancelRows
  | TellSuspects
  | WatchLive
  | StopShard;

/** A shard's part of an answer, and the partitions that it is made of. */
export interface RollupAnswer {
  readonly partial: RollupPartial;
  readonly partitions: readonly number[];
}

/** How a shard gets on with what it reads from Kafka. */
export interface Intake {
  /** Whether the brokers answer. */
  readonly connected: boolean;
  /** Fetched and not processed yet. */
  readonly bufferedBytes: number;
  /** Partitions that are not fetched for now, because too much waits. */
  readonly paused: readonly number[];
}

export type FromShard =
  | { readonly kind: "ready" }
  | { readonly kind: "rollups"; readonly id: number; readonly answer: RollupAnswer }
  | { readonly kind: "user"; readonly id: number; readonly answers: readonly UserPart[] }
  | { readonly kind: "rows"; readonly id: number; readonly answers: readonly RowAnswer[] }
  /** Partitions that run now, and those assigned whose files somebody else still has open. */
  | {
    readonly kind: "owned";
    readonly partitions: readonly number[];
    readonly awaited: readonly number[];
  }
  /** The question failed, the shard goes on; a StoreError's code, else RTA_SHARD_FAULT. */
  | {
    readonly kind: "refused";
    readonly id: number;
    readonly code: string;
    readonly message: string;
  }
  /** On Kafka, once a second. */
  | { readonly kind: "intake"; readonly intake: Intake }
  /**
   * Records, or their commit, have made the shard throw: said before its files are closed, so that
   * whoever opens the partition next knows.
   */
  | { readonly kind: "suspect"; readonly at: SuspectPlace }
  /** The shard threw: its files are closed, the worker is done. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "stopped" };
