/**
 * Fetches the partitions of one shard in the background: one request at a time to each broker, for
 * all partitions that it leads and that have room, into bounded buffers.
 *
 *     started partitions -> by leader -> Fetch -> PartitionBuffer -> read()
 *
 * A partition above its share of KAFKA_BUFFER_BYTES_MAX is paused until half of that is read. A broker
 * without news answers within KAFKA_FETCH_WAIT_MS_MAX; at the first trouble the connections are
 * given up and made anew, for as long as it takes, while what is buffered can be read.
 */
import {
  KAFKA_BUFFER_BYTES_MAX,
  KAFKA_FETCH_BYTES_MAX,
  KAFKA_FETCH_MS_MAX,
  KAFKA_FETCH_PARTITION_BYTES_MAX,
  KAFKA_FETCH_PAUSED_WAIT_MS_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { BrokerLink } from "./broker_link.ts";
import { type FetchedPartition, fetchRequest, type FetchWish } from "./fetch_request.ts";
import { PartitionBuffer } from "./partition_buffer.ts";
import { errorName, OFFSET_OUT_OF_RANGE } from "./protocol_errors.ts";
import type { JoinOptions } from "./record_joiner.ts";
import type { KafkaLogging, KafkaSettings } from "./settings.ts";

export interface FetchLoopOptions extends JoinOptions {
  readonly settings: KafkaSettings;
  readonly topic: string;
  readonly logging: KafkaLogging;
  /** Records were deleted before they were read: those from `from` up to `to`. */
  readonly onGap: (partition: number, from: number, to: number) => void;
  /** Something can be read, or read() has something else to say. */
  readonly onNews: () => void;
}

interface Lane {
  readonly buffer: PartitionBuffer;
  /** More waits to be read than its share of the memory. */
  paused: boolean;
  /** A request for it is under way. */
  fetching: boolean;
}

/** Not to be asked again for a while. */
interface Rest {
  attempt: number;
  untilMs: number;
}

/** Where brokers are numbered from 0: partitions that none leads, ... */
const NO_LEADER = -1;
/** ... and the way to any broker at all. */
const CONNECTING = -2;

export class FetchLoop {
  readonly #options: FetchLoopOptions;
  readonly #lanes = new Map<number, Lane>();
  /** Brokers that a request is under way to. */
  readonly #busy = new Set<number>();
  /** Brokers in trouble. */
  readonly #resting = new Map<number, Rest>();
  readonly #running = new Set<Promise<void>>();
  #link: BrokerLink | null = null;
  #links = 0;
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;
  #wakeAtMs = Infinity;
  #troubled = false;
  #closed = false;

  constructor(options: FetchLoopOptions) {
    this.#options = options;
  }

  /** Partitions of the topic, as far as known; 0 = unknown. */
  get partitions(): number {
    return this.#link?.partitions ?? 0;
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const { buffer } of this.#lanes.values()) bytes += buffer.bytes;
    return bytes;
  }

  /** False from the first failure of a connection on until a broker answers. */
  get connected(): boolean {
    return !this.#troubled;
  }

  get pausedPartitions(): number[] {
    return [...this.#lanes].filter(([, { paused }]) => paused).map(([partition]) => partition);
  }

  bufferOf(partition: number): PartitionBuffer | undefined {
    return this.#lanes.get(partition)?.buffer;
  }

  /** Fetches the partition from `offset` on; what was buffered of it is forgotten. */
  start(partition: number, offset: number): void {
    const { topic } = this.#options;
    // A new lane, so that an answer under way to the old one is not taken for its own.
    const buffer = new PartitionBuffer(topic, partition, offset, this.#options);
    this.#lanes.set(partition, { buffer, paused: false, fetching: false });
    this.kick();
  }

  stop(partition: number): void {
    this.#lanes.delete(partition);
  }

  /** Sends what can be sent; to be called after something was read, for paused partitions. */
  kick(): void {
    if (this.#closed || this.#lanes.size === 0) return;
    const link = this.#link;
    if (link === null) {
      if (this.#mayAsk(CONNECTING)) this.#run(CONNECTING, null, this.#connect());
      return;
    }
    for (const [node, lanes] of this.#lanesByLeader(link)) {
      const work = node === NO_LEADER ? this.#findLeaders(link) : this.#fetch(link, node, lanes);
      this.#run(node, link, work);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#wakeTimer);
    this.#lanes.clear();
    const link = this.#link;
    this.#link = null;
    await link?.close();
    await Promise.all(this.#running);
  }

  /** Whether a broker is neither busy nor resting; a resting one is tried again in time. */
  #mayAsk(node: number): boolean {
    if (this.#busy.has(node)) return false;
    const untilMs = this.#resting.get(node)?.untilMs ?? 0;
    const now = performance.now();
    if (untilMs <= now) return true;
    if (untilMs < this.#wakeAtMs) {
      clearTimeout(this.#wakeTimer);
      this.#wakeAtMs = untilMs;
      this.#wakeTimer = setTimeout(() => {
        this.#wakeAtMs = Infinity;
        this.kick();
      }, untilMs - now);
    }
    return false;
  }

  /** Keeps one piece of work per broker, looks after its failure, and goes on. */
  #run(node: number, link: BrokerLink | null, work: Promise<void>): void {
    this.#busy.add(node);
    this.#track(
      work
        .then(() => this.#recovered(node), (error) => this.#trouble(node, link, error))
        .finally(() => {
          this.#busy.delete(node);
          this.kick();
        }),
    );
  }

  #track(work: Promise<void>): void {
    const running: Promise<void> = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #connect(): Promise<void> {
    const { settings, topic } = this.#options;
    const link = await BrokerLink.open(settings, topic, this.#links++);
    if (this.#closed) await link.close();
    else this.#link = link;
  }

  async #findLeaders(link: BrokerLink): Promise<void> {
    await link.refresh();
    const missing = [...this.#lanes.keys()].filter((each) => link.leaderOf(each) === null);
    if (missing.length > 0) throw new Error(`partitions ${missing} have no leader`);
  }

  /** Lanes that want something, by brokers that can be asked. */
  #lanesByLeader(link: BrokerLink): Map<number, Lane[]> {
    const share = this.#share();
    const byLeader = new Map<number, Lane[]>();
    for (const [partition, lane] of this.#lanes) {
      const { bytes, failure } = lane.buffer;
      if (bytes >= share) lane.paused = true;
      else if (bytes <= share / 2) lane.paused = false;
      if (lane.paused || lane.fetching || failure !== null) continue;
      const leader = link.leaderOf(partition) ?? NO_LEADER;
      const others = byLeader.get(leader);
      if (others !== undefined) others.push(lane);
      else if (this.#mayAsk(leader)) byLeader.set(leader, [lane]);
    }
    return byLeader;
  }

  #share(): number {
    return Math.floor(KAFKA_BUFFER_BYTES_MAX / this.#lanes.size);
  }

  async #fetch(link: BrokerLink, node: number, lanes: readonly Lane[]): Promise<void> {
    const bytesMax = Math.min(KAFKA_FETCH_PARTITION_BYTES_MAX, this.#share());
    const wishes = lanes.map(({ buffer: { partition, fetchOffset: offset } }): FetchWish => ({
      partition,
      offset,
      bytesMax,
    }));
    const paused = this.pausedPartitions.length > 0;
    const waitMs = paused ? KAFKA_FETCH_PAUSED_WAIT_MS_MAX : KAFKA_FETCH_WAIT_MS_MAX;
    const request = fetchRequest(link.topic, wishes, { waitMs, bytesMax: KAFKA_FETCH_BYTES_MAX });
    for (const lane of lanes) lane.fetching = true;
    try {
      for (const answer of await link.send(node, request, KAFKA_FETCH_MS_MAX)) {
        const lane = lanes.find(({ buffer }) => buffer.partition === answer.partition);
        // Stopped, or started elsewhere, while the answer was under way: then it is nobody's.
        if (lane === undefined || this.#lanes.get(answer.partition) !== lane) continue;
        await this.#take(link, lane.buffer, answer);
      }
    } finally {
      for (const lane of lanes) lane.fetching = false;
    }
  }

  async #take(link: BrokerLink, buffer: PartitionBuffer, answer: FetchedPartition): Promise<void> {
    if (answer.error === OFFSET_OUT_OF_RANGE) {
      await this.#findPlace(link, buffer);
    } else if (answer.error !== 0) {
      throw new Error(`partition ${answer.partition}: ${errorName(answer.error)}`);
    } else {
      const endBefore = buffer.highWater;
      buffer.add(answer.records, answer.endOffset);
      if (buffer.isEmpty && buffer.highWater === endBefore) return;
    }
    this.#options.onNews();
  }

  /** The place lies before what is kept, which is a gap, or beyond the end, which is a lost log. */
  async #findPlace(link: BrokerLink, buffer: PartitionBuffer): Promise<void> {
    const { partition, fetchOffset } = buffer;
    const oldest = (await link.offsets([partition], "oldest")).get(partition) ?? 0;
    const next = (await link.offsets([partition], "next")).get(partition) ?? 0;
    if (fetchOffset < oldest) {
      this.#options.onGap(partition, fetchOffset, oldest);
      buffer.skipTo(oldest);
    } else if (fetchOffset > next) {
      buffer.failure = logEndsBefore(link.topic, partition, fetchOffset, next);
    }
  }

  /** Gives the connections up, and lets the broker rest for a while that grows. */
  #trouble(node: number, link: BrokerLink | null, error: unknown): void {
    if (this.#closed) return;
    if (link !== null && link === this.#link) {
      this.#link = null;
      this.#track(link.retire());
    }
    for (const { buffer } of this.#lanes.values()) buffer.endOffset = -1;
    if (!this.#troubled) {
      const { topic, logging } = this.#options;
      const why = error instanceof Error ? error.message : String(error);
      logging.warn("reading from kafka is interrupted; trying again", { topic, error: why });
    }
    this.#troubled = true;
    const attempt = (this.#resting.get(node)?.attempt ?? 0) + 1;
    const waitMs = Math.min(KAFKA_RETRY_MS_MAX, KAFKA_RETRY_MS_FIRST * 2 ** (attempt - 1));
    this.#resting.set(node, { attempt, untilMs: performance.now() + waitMs });
  }

  #recovered(node: number): void {
    this.#resting.delete(node);
    if (!this.#troubled || node < 0 || this.#resting.size > 0) return;
    this.#troubled = false;
    const { topic, logging } = this.#options;
    logging.warn("reading from kafka goes on", { topic });
  }
}

/** What reading from beyond the end of a partition fails with. */
export function logEndsBefore(
  topic: string,
  partition: number,
  offset: number,
  end: number,
): LogError {
  return new LogError(
    "RTA_LOG_CORRUPT",
    `partition ${partition} of ${topic} ends at ${end}, before the offset ${offset} that was read ` +
      "already: the log was replaced or has lost records",
  );
}
