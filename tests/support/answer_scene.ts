/**
 * AnswerScene: all of the platform that lies between an event and an answer, in this thread and
 * without a socket, for tests that put many questions to many sets of events.
 *
 *     EventAcceptor -> log (SQLite) -> ShardLoop -> PartitionProcessor -> DuckDB, a file a partition
 *                                          |
 *                   AnalyticsPorts <- ShardAnswers
 *
 * The parts are the real ones; only the threads between them are missing, with the ring of the
 * writer and the messages of the shards. A set of events is best given a project of its own: a
 * project sees nothing of the others, and opening files costs more than filling them.
 */
import { join } from "node:path";
import type { BatchMediaType } from "../../lib/http/media_type.ts";
import type { EventLogReader, EventLogWriter } from "../../lib/log/event_log.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import {
  createLogSignal,
  openSqliteLogReader,
  openSqliteLogWriter,
} from "../../lib/log/sqlite/mod.ts";
import {
  PartitionProcessor,
  type ProcessorOptions,
} from "../../lib/process/partition_processor.ts";
import { RowBatchPool } from "../../lib/process/row_batch_pool.ts";
import { createRing, RingWriter } from "../../lib/ring/ring.ts";
import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import type { PartitionStore } from "../../lib/store/event_store.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import type { RowAnswer, RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts } from "../../services/analytics/answer_query.ts";
import { type BatchAnswer, EventAcceptor } from "../../services/ingestion/accept_events.ts";
import type { AppendFailure, AppendPart } from "../../services/ingestion/durable_producer.ts";
import { LiveFeed } from "../../workers/live_feed.ts";
import { ShardAnswers } from "../../workers/shard_answers.ts";
import { ShardLoop } from "../../workers/shard_loop.ts";
import { waitUntil, withDeadline } from "./deadline.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const RING_BYTES = MIB;
const commitIntervalMs = 500;
/** Few, so that a small set of events comes to several runs. */
const RUN_ROWS = 200;

/** How a scene is set. */
export interface AnswerSceneOptions {
  readonly partitions: number;
  /** Loops that share the partitions; default 2, or 1 of one partition. */
  readonly shards?: number;
  /** What time it is when questions are asked, ms since the epoch; default: what it is. */
  readonly now?: () => number;
  /** Of PartitionProcessor; defaults are those of the platform. */
  readonly processor?: Partial<ProcessorOptions>;
}

const PROCESSOR_PRESETS: ProcessorOptions = {
  topic: "events",
  dedupWindowMs: HOUR_MS,
  dedupBytesMax: 4 * MIB,
  sessionGapMs: HOUR_MS / 2,
  sessionBytesMax: 4 * MIB,
  cellBytesMax: 4 * MIB,
  flushIntervalMs: 60_000,
  flushBytes: 8 * MIB,
};

/** One shard of a scene. */
interface Shard {
  readonly loop: ShardLoop;
  readonly answers: ShardAnswers;
  readonly live: LiveFeed;
  readonly reader: EventLogReader;
  readonly stores: PartitionStore[];
  ended: Promise<void>;
}

export class AnswerScene implements AsyncDisposable {
  /** What answers are made from. */
  readonly ports: AnalyticsPorts;
  readonly #folder: string;
  readonly #writer: EventLogWriter;
  readonly #shards: readonly Shard[];
  readonly #acceptor: EventAcceptor;
  #receivedAtMs = 0;
  #questions = 0;

  private constructor(
    folder: string,
    writer: EventLogWriter,
    shards: readonly Shard[],
    now: () => number,
  ) {
    this.#folder = folder;
    this.#writer = writer;
    this.#shards = shards;
    const receivedAt = () => this.#receivedAtMs;
    this.#acceptor = new EventAcceptor({
      producer: {
        appendAll: (parts) => this.#append(parts),
        tryEnqueue: () => {
          throw new Error("events are accepted durably here");
        },
      },
      partitions: writer.partitions,
      metrics: createMetrics(0, receivedAt),
      now: receivedAt,
    });
    this.ports = {
      now,
      askShards: async (plan) => {
        const answers = await Promise.all(shards.map((shard) => shard.answers.rollups(plan)));
        return { partials: answers.map(({ partial }) => partial), missing: [] };
      },
      askUser: (question, signal) => {
        return this.#ask(question.userId, signal, (answers, id, partition) => {
          return answers.user(id, question, partition);
        });
      },
      askRows: (question, signal, userId) => this.#askRows(question, signal, userId),
    };
  }

  /** Opens a scene on a folder of its own, with empty partitions. */
  static async open(options: AnswerSceneOptions): Promise<AnswerScene> {
    const { partitions, shards: count = Math.min(2, partitions), now = Date.now } = options;
    const folder = Deno.makeTempDirSync({ prefix: "rta_answer_scene_" });
    const signal = createLogSignal(partitions);
    const writer = await openSqliteLogWriter({ folder, partitions, signal });
    const shards: Shard[] = [];
    for (let index = 0; index < count; index++) {
      const shard = openShard(await openSqliteLogReader({ folder, signal }));
      const pool = new RowBatchPool();
      for (let partition = index; partition < partitions; partition += count) {
        const store = await openDuckdbPartition({
          folder: join(folder, "store"),
          partition,
          memoryLimitMb: 16,
          runRows: RUN_ROWS,
        });
        shard.stores.push(store);
        const settings = { ...PROCESSOR_PRESETS, ...options.processor };
        shard.loop.add(await PartitionProcessor.open(store, settings, pool, Date.now()), null);
      }
      shard.ended = shard.loop.run();
      shards.push(shard);
    }
    return new AnswerScene(folder, writer, shards, now);
  }

  get partitions(): number {
    return this.#writer.partitions;
  }

  /**
   * Takes a batch of events in (form `plain`), as if it came in at `receivedAtMs`. Resolves when it
   * is in the log. Throws ProblemError as the ingestion port would.
   */
  async accept(
    project: string,
    body: string,
    receivedAtMs: number,
    mediaType: BatchMediaType = "ndjson",
  ): Promise<BatchAnswer> {
    this.#receivedAtMs = receivedAtMs;
    const options = { form: "plain", mode: "durable", project } as const;
    return await this.#acceptor.acceptBatch(new TextEncoder().encode(body), mediaType, options);
  }

  /** Resolves when all that was accepted is processed and committed. */
  async settle(): Promise<void> {
    for (const { loop } of this.#shards) {
      for (const processor of loop.processors) {
        const end = this.#writer.highWater(processor.partition);
        const isApplied = () => processor.nextOffset >= end;
        await waitUntil(isApplied, { what: `events of partition ${processor.partition}` });
        await loop.commitApplied(processor.partition);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { loop, live, reader, stores, ended } of this.#shards) {
      loop.stop();
      await withDeadline(ended, { what: "the end of a shard's loop" });
      await live.end();
      await reader.close();
      for (const store of stores) await store.close();
    }
    await this.#writer.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #append(parts: readonly AppendPart[]): Promise<(AppendFailure | null)[]> {
    // Lines are the acceptor's own again after this call: they are copied before the first wait.
    const batches = parts.map(({ partition, project, receivedAtMs, lines }) => {
      const value = new Uint8Array(lines.byteLength);
      lines.copyInto(0, lines.count, value, 0);
      return { partition, project, receivedAtMs, events: lines.count, value };
    });
    await this.#writer.append(batches);
    return parts.map(() => null);
  }

  async #askRows<Q extends RowQuestion>(question: Q, signal: AbortSignal, userId?: string) {
    return await this.#ask(userId, signal, async (shard, id, partition) => {
      // The shard answers with the partial that goes with the question's kind.
      return await shard.rows(id, question, partition) as RowAnswer<RowPartialOf<Q>>[];
    });
  }

  /** Asks the shards of all partitions, or of the one of a user. */
  async #ask<Answer>(
    userId: string | undefined,
    signal: AbortSignal,
    ask: (shard: ShardAnswers, id: number, partition: number | null) => Promise<Answer[]>,
  ): Promise<{ answers: Answer[]; missing: number[] }> {
    signal.throwIfAborted();
    const partition = userId === undefined ? null : this.#partitionOf(userId);
    const asked = partition === null ? this.#shards : [this.#shardOf(partition)];
    const id = ++this.#questions;
    const cancel = () => asked.forEach(({ answers }) => answers.cancel(id));
    signal.addEventListener("abort", cancel);
    try {
      const answers = await Promise.all(asked.map((shard) => ask(shard.answers, id, partition)));
      return { answers: answers.flat(), missing: [] };
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #partitionOf(userId: string): number {
    const bytes = new TextEncoder().encode(userId);
    return partitionOf(bytes, 0, bytes.length, this.partitions);
  }

  #shardOf(partition: number): Shard {
    return this.#shards[partition % this.#shards.length];
  }
}

/** A shard without partitions. */
function openShard(reader: EventLogReader): Shard {
  const warn = (message: string, detail: Record<string, unknown>) => {
    throw new Error(`${message}: ${JSON.stringify(detail)}`);
  };
  const ring = new RingWriter(createRing(RING_BYTES));
  const now = Date.now;
  const live = new LiveFeed({
    ring,
    publish: null,
    completeUntilMs: (partition) => loop.storedUntilMs(partition),
    appliedUntilMs: (processor) => loop.completeUntilMs(processor),
    now,
    warn,
  });
  const sink = {
    put: () => Promise.reject(new Error("a line of the log is no event")),
    close: () => Promise.resolve(),
  };
  const loop: ShardLoop = new ShardLoop({
    reader,
    aside: { sink, topic: PROCESSOR_PRESETS.topic },
    progress: ring,
    commitIntervalMs,
    playFault: () => {},
    live,
    now,
    warn,
  });
  const answers = new ShardAnswers(loop);
  return { loop, answers, live, reader, stores: [], ended: Promise.resolve() };
}
