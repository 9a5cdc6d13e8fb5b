/**
 * A shard's reader on Kafka (AssignedLogReader): a member of the consumer group that says which
 * partitions are its own, and a fetch loop that brings their records from where the store is.
 *
 * Partitions are kept through trouble: while the brokers are away, or the membership is lost, what
 * was started stays started, and only the next generation says what is to be let go. That is safe,
 * since nobody else writes to a partition's store as long as we hold its lock.
 */
import { KAFKA_METADATA_MS_MAX } from "../../config/limits.ts";
import { type AssignedLogReader, LogError, type LogRecord } from "../event_log.ts";
import { AppendSignal } from "./append_signal.ts";
import { FetchLoop } from "./fetch_loop.ts";
import { GroupMember } from "./group_member.ts";
import type { KafkaLogging, KafkaLogSettings } from "./settings.ts";

export interface KafkaGroupReaderOptions {
  readonly settings: KafkaLogSettings;
  /** Of the topic, as known at the start. */
  readonly partitions: number;
  /** Project of records that name none. */
  readonly projectDefault: string;
  readonly logging: KafkaLogging;
  /** Records were deleted before they were read: those from `from` up to `to`. */
  readonly onGap: (partition: number, from: number, to: number) => void;
  /** The membership was lost by an error; the reader seeks a new one by itself. Default: logged. */
  readonly onCrash?: (error: Error) => void;
  /** How often to look for new partitions, ms. */
  readonly metadataMaxAgeMs?: number;
}

/** Makes the reader; nothing is connected before join() or startPartition(). */
export function openKafkaGroupReader(options: KafkaGroupReaderOptions): AssignedLogReader {
  return new KafkaGroupReader(options);
}

class KafkaGroupReader implements AssignedLogReader {
  readonly #options: KafkaGroupReaderOptions;
  readonly #signal = new AppendSignal();
  readonly #fetches: FetchLoop;
  #member: GroupMember | null = null;
  #partitions: number;
  #reporting: Promise<void> | null = null;
  /** Ends join() when the reader is closed before the first generation. */
  #giveUp: (error: LogError) => void = () => {};
  /** Trouble that was told and is not over: it is not told again at each attempt. */
  #isLost = false;
  #isUnreported = false;
  #closed = false;

  constructor(options: KafkaGroupReaderOptions) {
    this.#options = options;
    this.#partitions = options.partitions;
    const { settings, logging, projectDefault } = options;
    this.#fetches = new FetchLoop({
      settings,
      topic: settings.topic,
      logging,
      projectDefault,
      join: true,
      onGap: options.onGap,
      onNews: () => this.#signal.announce(),
    });
  }

  get partitions(): number {
    this.#partitions = Math.max(this.#partitions, this.#fetches.partitions);
    return this.#partitions;
  }

  get bufferedBytes(): number {
    return this.#fetches.bufferedBytes;
  }

  get connected(): boolean {
    return this.#fetches.connected;
  }

  get pausedPartitions(): readonly number[] {
    return this.#fetches.pausedPartitions;
  }

  join(onAssignment: (partitions: readonly number[]) => void): Promise<void> {
    const { settings, logging, metadataMaxAgeMs = KAFKA_METADATA_MS_MAX } = this.#options;
    if (this.#closed) return Promise.reject(closedBefore());
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      this.#member = new GroupMember({
        settings,
        logging,
        metadataMaxAgeMs,
        onAssignment: (partitions) => {
          this.#isLost = false;
          onAssignment(partitions);
          resolve();
        },
        onCrash: this.#options.onCrash ?? ((error) => {
          const { group } = settings;
          const detail = { group, error: error.message };
          if (!this.#isLost) logging.warn("membership in the group was lost", detail);
          this.#isLost = true;
        }),
      });
      this.#member.start();
    });
  }

  startPartition(partition: number, offset: number): void {
    this.#fetches.start(partition, offset);
  }

  stopPartition(partition: number): void {
    this.#fetches.stop(partition);
  }

  // deno-lint-ignore require-await -- the port is asynchronous, buffers are not
  async read(partition: number, fromOffset: number, maxBytes: number): Promise<LogRecord[]> {
    const buffer = this.#fetches.bufferOf(partition);
    if (buffer === undefined) return [];
    if (buffer.readOffset !== fromOffset) {
      throw new RangeError(
        `partition ${partition} stands at ${buffer.readOffset}, not at ${fromOffset}: start it there`,
      );
    }
    const records = buffer.read(maxBytes);
    this.#fetches.kick();
    return records;
  }

  highWater(partition: number): number {
    return this.#fetches.bufferOf(partition)?.highWater ?? 0;
  }

  token(): number {
    return this.#signal.token();
  }

  appended(token: number): Promise<void> {
    return this.#signal.appended(token);
  }

  async reportStored(offsets: ReadonlyMap<number, number>): Promise<void> {
    if (this.#member === null || offsets.size === 0) return;
    // One report at a time; whoever comes meanwhile reports again soon.
    if (this.#reporting !== null) return await this.#reporting;
    this.#reporting = this.#member.report(offsets).then(() => {
      this.#isUnreported = false;
    }, (error) => {
      const { logging, settings: { group } } = this.#options;
      const why = error instanceof Error ? error.message : String(error);
      const isNews = !this.#isUnreported && !this.#closed;
      if (isNews) logging.warn("stored offsets were not reported", { group, error: why });
      this.#isUnreported = true;
    });
    await this.#reporting;
    this.#reporting = null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#giveUp(closedBefore());
    this.#signal.close();
    await Promise.all([this.#fetches.close(), this.#member?.stop()]);
  }
}

function closedBefore(): LogError {
  return new LogError("RTA_LOG_UNAVAILABLE", "the reader was closed before it joined the group");
}
