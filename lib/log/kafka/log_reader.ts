/**
 * Reads any partitions of a topic from any offsets, without a group (EventLogReader): for tools, for
 * topics that every process reads whole, and for the contract suite. A read fetches on demand, so it
 * sees all that was acknowledged before it; what a fetch brought beyond it is kept for the next.
 */
import {
  KAFKA_FETCH_MS_MAX,
  KAFKA_FETCH_PARTITION_BYTES_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
  KAFKA_READ_MS_MAX,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { type EventLogReader, LogError, type LogRecord } from "../event_log.ts";
import { partitionNumbers } from "../partition_numbers.ts";
import { AppendSignal } from "./append_signal.ts";
import type { BrokerLink } from "./broker_link.ts";
import { logEndsBefore } from "./fetch_loop.ts";
import { type FetchedPartition, fetchRequest, type FetchWish } from "./fetch_request.ts";
import { KeptLink } from "./kept_link.ts";
import { PartitionBuffer } from "./partition_buffer.ts";
import { errorName, OFFSET_OUT_OF_RANGE } from "./protocol_errors.ts";
import type { KafkaLogging, KafkaSettings } from "./settings.ts";

export interface KafkaLogReaderOptions {
  readonly settings: KafkaSettings;
  readonly topic: string;
  /** Project of records that name none. */
  readonly projectDefault: string;
  readonly logging: KafkaLogging;
  /** Whether single events are joined to records of many lines. Default: true. */
  readonly join?: boolean;
}

/**
 * Opens a topic for reading.
 * @throws LogError RTA_LOG_UNAVAILABLE when it does not exist or no broker answers.
 */
export async function openKafkaLogReader(options: KafkaLogReaderOptions): Promise<EventLogReader> {
  const { settings, topic } = options;
  const link = new KeptLink(settings, topic);
  const ends = await link.open(() => {}, async (link) => {
    const all = partitionNumbers(link.partitions);
    const offsets = await link.offsets(all, "next");
    return all.map((partition) => offsets.get(partition) ?? 0);
  });
  return new KafkaLogReader(options, link, ends);
}

class KafkaLogReader implements EventLogReader {
  readonly partitions: number;
  readonly #options: KafkaLogReaderOptions;
  readonly #reads: KeptLink;
  /** Of its own, since a fetch that waits for news holds up others on its connection. */
  readonly #polls: KeptLink;
  readonly #signal = new AppendSignal();
  readonly #buffers: PartitionBuffer[];
  /** Ends of partitions as the poll knows them. */
  readonly #ends: number[];
  #polling: Promise<void> | null = null;

  constructor(options: KafkaLogReaderOptions, link: KeptLink, ends: number[]) {
    const { settings, topic, projectDefault, join = true } = options;
    this.#options = options;
    this.#reads = link;
    this.#polls = new KeptLink(settings, topic);
    this.#ends = ends;
    this.partitions = ends.length;
    this.#buffers = ends.map((end, partition) => {
      const buffer = new PartitionBuffer(topic, partition, 0, { projectDefault, join });
      buffer.endOffset = end;
      return buffer;
    });
  }

  async read(partition: number, fromOffset: number, maxBytes: number): Promise<LogRecord[]> {
    const buffer = this.#buffers[partition];
    if (buffer === undefined) throw new RangeError(`${this.#options.topic} has no ${partition}`);
    if (buffer.readOffset !== fromOffset || buffer.failure !== null) buffer.moveTo(fromOffset);
    for (;;) {
      const records = buffer.read(maxBytes);
      if (records.length > 0) return records;
      const before = buffer.fetchOffset;
      const giveUpAtMs = performance.now() + KAFKA_READ_MS_MAX;
      await this.#reads.useUntil(giveUpAtMs, (link) => this.#fetch(link, buffer));
      if (buffer.fetchOffset === before) return [];
    }
  }

  highWater(partition: number): number {
    return this.#buffers[partition].highWater;
  }

  token(): number {
    return this.#signal.token();
  }

  appended(token: number): Promise<void> {
    const appended = this.#signal.appended(token);
    if (this.#signal.isAwaited) this.#polling ??= this.#poll();
    return appended;
  }

  async close(): Promise<void> {
    this.#signal.close();
    await Promise.all([this.#reads.close(), this.#polls.close(), this.#polling]);
  }

  async #fetch(link: BrokerLink, buffer: PartitionBuffer): Promise<void> {
    const { partition, fetchOffset } = buffer;
    const wish = { partition, offset: fetchOffset, bytesMax: KAFKA_FETCH_PARTITION_BYTES_MAX };
    const [answer] = await fetchFrom(link, [wish], 0);
    if (answer.error === OFFSET_OUT_OF_RANGE) return await findPlace(link, buffer);
    if (answer.error !== 0) throw refused(answer);
    buffer.add(answer.records, answer.endOffset);
    this.#noteEnd(partition, answer.endOffset);
  }

  /** While somebody waits: asks all partitions' leaders for what lies behind their ends. */
  async #poll(): Promise<void> {
    while (this.#signal.isAwaited && !this.#polls.isClosed) {
      try {
        await this.#polls.use((link) => this.#pollOnce(link));
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        await this.#polls.wait(KAFKA_RETRY_MS_MAX);
      }
    }
    this.#polling = null;
  }

  async #pollOnce(link: BrokerLink): Promise<void> {
    const wishes = this.#ends.map((offset, partition) => ({ partition, offset, bytesMax: 1 }));
    for (const answer of await fetchFrom(link, wishes, KAFKA_FETCH_WAIT_MS_MAX)) {
      // A log that became shorter is news as well: the next read tells of it.
      if (answer.error === OFFSET_OUT_OF_RANGE) this.#noteEnd(answer.partition, 0);
      else if (answer.error !== 0) throw refused(answer);
      else this.#noteEnd(answer.partition, answer.endOffset);
    }
  }

  #noteEnd(partition: number, end: number): void {
    if (this.#ends[partition] === end) return;
    this.#ends[partition] = end;
    this.#signal.announce();
  }
}

/** Asks each leader for its partitions; those without a leader make it fail. */
async function fetchFrom(
  link: BrokerLink,
  wishes: readonly FetchWish[],
  waitMs: number,
): Promise<FetchedPartition[]> {
  const byLeader = Map.groupBy(wishes, ({ partition }) => link.leaderOf(partition));
  if (byLeader.has(null)) {
    throw new LogError("RTA_LOG_UNAVAILABLE", `a partition of ${link.topic} has no leader`);
  }
  const bounds = { waitMs, bytesMax: KAFKA_FETCH_PARTITION_BYTES_MAX };
  const answers = [...byLeader].map(([leader, own]) =>
    link.send(leader!, fetchRequest(link.topic, own, bounds), KAFKA_FETCH_MS_MAX)
  );
  return (await Promise.all(answers)).flat();
}

/** The place lies before what is kept: goes on at the oldest; or beyond the end: a lost log. */
async function findPlace(link: BrokerLink, buffer: PartitionBuffer): Promise<void> {
  const { partition, fetchOffset } = buffer;
  const oldest = (await link.offsets([partition], "oldest")).get(partition) ?? 0;
  if (fetchOffset < oldest) {
    buffer.skipTo(oldest);
    return;
  }
  const next = (await link.offsets([partition], "next")).get(partition) ?? 0;
  if (fetchOffset > next) throw logEndsBefore(link.topic, partition, fetchOffset, next);
}

function refused({ partition, error }: FetchedPartition): LogError {
  const what = `partition ${partition} cannot be fetched: ${errorName(error)}`;
  return new LogError("RTA_LOG_UNAVAILABLE", what);
}
