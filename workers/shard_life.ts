/**
 * The life of one shard worker: opens the log's reader and the partitions that are its own, runs the
 * loop over them, and closes everything, in an order in which nothing is open twice.
 *
 *     embedded log   its partitions are fixed, and open before it is ready
 *     Kafka          it is a member of the consumer group; partitions come and go with each
 *                    generation (assignments.ts)
 *
 * A partition's lock is taken before its store is opened and released after it was closed.
 */
import { STORED_REPORT_MS } from "../lib/config/limits.ts";
import { lockPartition, type PartitionLock } from "../lib/data_folder/partition_lock.ts";
import type { DeadLetterSink } from "../lib/dead_letter/dead_letter_sink.ts";
import type { LiveOrder } from "../lib/live/live_definition.ts";
import type { AssignedLogReader, EventLogReader, LogRecord } from "../lib/log/event_log.ts";
import { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { RowBatchPool } from "../lib/process/row_batch_pool.ts";
import { RingWriter } from "../lib/ring/ring.ts";
import { openDuckdbPartition } from "../lib/store/duckdb/mod.ts";
import type { PartitionStore } from "../lib/store/event_store.ts";
import type { ThreadLogger } from "../lib/telemetry/thread_logger.ts";
import { Assignments } from "./assignments.ts";
import { playFault } from "./play_fault.ts";
import type { FromShard, StartShard, Suspect } from "./protocol.ts";
import { LiveFeed } from "./live_feed.ts";
import { type LiveTopic, openDeadLetterSink, openLiveTopic, openShardReader } from "./shard_log.ts";
import { ShardLoop } from "./shard_loop.ts";

/** A partition that is open. */
interface OpenPartition {
  readonly lock: PartitionLock;
  readonly store: PartitionStore;
}

export class ShardLife {
  readonly loop: ShardLoop;
  readonly #start: StartShard;
  readonly #logger: ThreadLogger;
  readonly #tell: (message: FromShard) => void;
  readonly #suspects: () => readonly Suspect[];
  readonly #reader: EventLogReader;
  /** The same reader, when it is a member of a group. */
  readonly #member: AssignedLogReader | null;
  readonly #deadLetters: DeadLetterSink;
  readonly #liveTopic: LiveTopic | null;
  readonly #live: LiveFeed;
  readonly #pool = new RowBatchPool();
  readonly #open = new Map<number, OpenPartition>();
  readonly #assignments: Assignments;

  private constructor(
    start: StartShard,
    logger: ThreadLogger,
    tell: (message: FromShard) => void,
    suspects: () => readonly Suspect[],
    reader: EventLogReader,
    deadLetters: DeadLetterSink,
    liveTopic: LiveTopic | null,
  ) {
    this.#start = start;
    this.#logger = logger;
    this.#tell = tell;
    this.#suspects = suspects;
    this.#reader = reader;
    this.#member = "join" in reader ? reader as AssignedLogReader : null;
    this.#deadLetters = deadLetters;
    this.#liveTopic = liveTopic;
    const ring = new RingWriter(start.progress);
    const warn = (message: string, detail: Record<string, unknown>) => logger.warn(detail, message);
    this.#live = new LiveFeed({
      ring,
      publish: this.#liveTopic?.publish ?? null,
      completeUntilMs: (partition) => this.loop.storedUntilMs(partition),
      appliedUntilMs: (processor) => this.loop.completeUntilMs(processor),
      now: Date.now,
      warn,
    });
    this.loop = new ShardLoop({
      reader,
      aside: { sink: deadLetters, topic: start.topic },
      progress: ring,
      live: this.#live,
      commitIntervalMs: start.commitIntervalMs,
      playFault: (record: LogRecord, applied: number) => playFault(start.fault, record, applied),
      now: Date.now,
      warn,
    });
    const home = {
      open: (partition: number, signal: AbortSignal) => this.#openPartition(partition, signal),
      close: (partition: number) => this.#letGo(partition),
    };
    this.#assignments = new Assignments(
      home,
      () => this.#tellOwned(),
      (error) => this.loop.fail(error),
    );
  }

  /** Opens what the shard needs to begin. Throws LogError or StoreError. */
  static async begin(
    start: StartShard,
    logger: ThreadLogger,
    tell: (message: FromShard) => void,
    suspects: () => readonly Suspect[],
  ): Promise<ShardLife> {
    const reader = await openShardReader(start, logger);
    const deadLetters = await openDeadLetterSink(start, logger).catch(async (error) => {
      await reader.close();
      throw error;
    });
    const liveTopic = await openLiveTopic(start, logger);
    return new ShardLife(start, logger, tell, suspects, reader, deadLetters, liveTopic);
  }

  /** Runs until it is stopped; `ready` is called once it is able to answer. */
  async run(ready: () => void): Promise<void> {
    const { log } = this.#start;
    if (log.kind === "sqlite") {
      for (const partition of log.partitions) await this.#openPartition(partition, NEVER);
      await this.loop.checkPlaces();
      this.#tell({ kind: "owned", partitions: log.partitions, awaited: [] });
      ready();
      return await this.loop.run();
    }
    const running = this.loop.run();
    const joined = this.#member!.join((partitions) => this.#assignments.assign(partitions));
    // Whichever fails first ends the shard; the other one is settled in close().
    joined.then(ready, (error) => this.loop.fail(error));
    const report = setInterval(() => this.#report(), STORED_REPORT_MS);
    try {
      await running;
    } finally {
      clearInterval(report);
    }
  }

  /** What live streams want to know from now on. */
  watchLive(orders: readonly LiveOrder[]): void {
    this.#live.order(orders);
  }

  /** Closes all that is open; whoever waits for its partitions gets them. */
  async close(): Promise<void> {
    await this.loop.settle();
    if (this.#start.log.kind === "kafka") await this.#assignments.release();
    for (const partition of [...this.#open.keys()]) await this.#closeFiles(partition);
    await this.#live.end();
    if (!this.loop.hasFailed) await this.#reportStored();
    await this.#reader.close();
    await this.#deadLetters.close();
    await this.#liveTopic?.close();
  }

  async #openPartition(partition: number, signal: AbortSignal): Promise<boolean> {
    const { storeFolder, storeMemoryMb, keepsRows, processor: options } = this.#start;
    const waits = () => {
      this.#logger.warn({ partition }, "waits for the partition's files: somebody has them open");
      this.#tellOwned();
    };
    const lock = await lockPartition(storeFolder, partition, signal, waits);
    if (lock === null) return false;
    let store: PartitionStore | null = null;
    try {
      store = await openDuckdbPartition({
        folder: storeFolder,
        partition,
        memoryLimitMb: storeMemoryMb,
        keepsRows,
        warn: (message, detail) => this.#logger.warn({ partition, ...detail }, message),
      });
      const processor = await PartitionProcessor.open(store, options, this.#pool, Date.now());
      this.#open.set(partition, { lock, store });
      const suspect = this.#suspects().find((each) => each.partition === partition) ?? null;
      this.#member?.startPartition(partition, processor.nextOffset);
      this.loop.add(processor, suspect);
      return true;
    } catch (error) {
      await store?.close();
      lock.release();
      this.#open.delete(partition);
      throw error;
    }
  }

  async #closeFiles(partition: number): Promise<void> {
    const { lock, store } = this.#open.get(partition)!;
    this.#open.delete(partition);
    await store.close();
    lock.release();
  }

  async #letGo(partition: number): Promise<void> {
    await this.loop.remove(partition);
    this.#member?.stopPartition(partition);
    await this.#closeFiles(partition);
  }

  #report(): void {
    void this.#reportStored();
    const { connected, bufferedBytes, pausedPartitions: paused } = this.#member!;
    this.#tell({ kind: "intake", intake: { connected, bufferedBytes, paused } });
  }

  async #reportStored(): Promise<void> {
    await this.#member?.reportStored(this.loop.storedOffsets);
  }

  #tellOwned(): void {
    const { open: partitions, awaited } = this.#assignments;
    this.#tell({ kind: "owned", partitions, awaited });
  }
}

/** Partitions of the embedded log are waited for however long it takes. */
const NEVER = new AbortController().signal;
