/**
 * The producing side of the log on Kafka (EventLogWriter): an append is record batches to the
 * partitions' leaders, idempotent, acknowledged by all in-sync replicas.
 *
 * While no broker answers, an append fails after KAFKA_DELIVERY_MS_MAX, and the next ones after
 * KAFKA_DELIVERY_AWAY_MS_MAX, until a probe in the background finds brokers again. Nothing is kept
 * back for later: who gets no acknowledgement sends again.
 */
import {
  KAFKA_DELIVERY_AWAY_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { assertBatch } from "../assert_batch.ts";
import { type AppendBatch, type EventLogWriter, LogError } from "../event_log.ts";
import { partitionNumbers } from "../partition_numbers.ts";
import { AppendPlan, type SealedBatch } from "./append_plan.ts";
import { Delivery } from "./delivery.ts";
import { KeptLink } from "./kept_link.ts";
import { errorName, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE } from "./protocol_errors.ts";
import type { KafkaLogging, KafkaLogSettings } from "./settings.ts";

export interface KafkaLogWriterOptions {
  readonly settings: KafkaLogSettings;
  /** What the topic must have: events are placed by this number. */
  readonly partitions: number;
  readonly logging: KafkaLogging;
  /** Hears when appends begin to fail because brokers are away, and when they can go on. */
  readonly onAvailability?: (available: boolean) => void;
}

/**
 * Opens the topic for writing.
 * @throws LogError RTA_LOG_PARTITIONS_CHANGED when it has another number of partitions,
 *   RTA_LOG_UNAVAILABLE when it does not exist or no broker answers.
 */
export async function openKafkaLogWriter(options: KafkaLogWriterOptions): Promise<EventLogWriter> {
  const { settings, partitions } = options;
  const link = new KeptLink(settings, settings.topic);
  const all = partitionNumbers(partitions);
  const ends = await link.open((link) => {
    if (link.partitions === partitions) return;
    const message = `${settings.topic} has ${link.partitions} partitions, not ${partitions}`;
    throw new LogError("RTA_LOG_PARTITIONS_CHANGED", message);
  }, (link) => link.offsets(all, "next"));
  return new KafkaLogWriter(options, link, ends);
}

/** An append's batches of one partition, and where they stand in the append. */
interface PartitionShare {
  readonly plan: AppendPlan;
  readonly items: AppendBatch[];
  readonly indexes: number[];
}

class KafkaLogWriter implements EventLogWriter {
  readonly partitions: number;
  readonly #options: KafkaLogWriterOptions;
  readonly #link: KeptLink;
  readonly #delivery: Delivery;
  readonly #plans: AppendPlan[];
  readonly #nextOffsets: number[];
  #turn: Promise<unknown> = Promise.resolve();
  /** Under way while brokers are away; resolves when they are back, or the writer is closed. */
  #probe: Promise<void> | null = null;

  constructor(options: KafkaLogWriterOptions, link: KeptLink, ends: ReadonlyMap<number, number>) {
    const { settings, partitions } = options;
    this.#options = options;
    this.partitions = partitions;
    this.#link = link;
    this.#delivery = new Delivery(link, settings.topic);
    const all = partitionNumbers(partitions);
    this.#plans = all.map((partition) => new AppendPlan(partition, settings));
    this.#nextOffsets = all.map((partition) => ends.get(partition) ?? 0);
  }

  append(batches: readonly AppendBatch[]): Promise<void> {
    const appended = this.#turn.then(() => this.#append(batches));
    this.#turn = appended.catch(() => {});
    return appended;
  }

  highWater(partition: number): number {
    return this.#nextOffsets[partition];
  }

  /** The broker's retention forgets records. */
  trim(): Promise<number> {
    return Promise.resolve(0);
  }

  async close(): Promise<void> {
    await this.#link.close();
    await Promise.all([this.#turn, this.#probe]);
  }

  async #append(batches: readonly AppendBatch[]): Promise<void> {
    const shares = this.#share(batches);
    if (this.#probe !== null) await this.#awaitBrokers(this.#probe);
    const failed: number[] = [];
    try {
      await this.#deliverAll(shares, failed);
    } catch (error) {
      const away = error instanceof LogError && !this.#link.isUp && !this.#link.isClosed;
      if (away) this.#probe ??= this.#findBrokers(error);
      throw error;
    }
    if (failed.length === 0) return;
    failed.sort((a, b) => a - b);
    const message = `kafka does not take ${failed.length} of ${batches.length} batches`;
    throw new LogError("RTA_LOG_UNAVAILABLE", message, { failedBatches: failed });
  }

  #share(batches: readonly AppendBatch[]): PartitionShare[] {
    const shares = new Map<number, PartitionShare>();
    batches.forEach((batch, index) => {
      const { partition } = batch;
      assertBatch(batch, this.partitions);
      let share = shares.get(partition);
      if (share === undefined) {
        shares.set(partition, share = { plan: this.#plans[partition], items: [], indexes: [] });
      }
      share.items.push(batch);
      share.indexes.push(index);
    });
    for (const { plan, items } of shares.values()) plan.begin(items);
    return [...shares.values()];
  }

  /** Round by round, one record batch of each partition in each; notes items that are given up. */
  async #deliverAll(shares: readonly PartitionShare[], failed: number[]): Promise<void> {
    for (;;) {
      const round = shares.map(({ plan }) => plan.next()).filter((batch) => batch !== null);
      if (round.length === 0) return;
      for (const { batch, error, baseOffset } of await this.#delivery.deliver(round)) {
        if (error === 0) this.#noteOffset(batch, baseOffset);
        else this.#noteRefusal(shares, batch, error, failed);
      }
    }
  }

  #noteOffset({ partition, records }: SealedBatch, baseOffset: number): void {
    const next = baseOffset + records;
    this.#nextOffsets[partition] = Math.max(this.#nextOffsets[partition], next);
  }

  /** Too large can be mended by smaller batches, down to one event; nothing else can. */
  #noteRefusal(
    shares: readonly PartitionShare[],
    batch: SealedBatch,
    error: number,
    failed: number[],
  ): void {
    const { plan, indexes } = shares.find(({ plan }) => plan.partition === batch.partition)!;
    const tooLarge = error === MESSAGE_TOO_LARGE || error === RECORD_LIST_TOO_LARGE;
    const items = tooLarge ? plan.shrink(batch) : plan.giveUp(batch);
    if (items.length === 0) return;
    failed.push(...items.map((item) => indexes[item]));
    const { logging, settings: { topic } } = this.#options;
    const detail = { topic, partition: batch.partition, error: errorName(error) };
    logging.warn("kafka does not take a batch of events", detail);
  }

  async #awaitBrokers(probe: Promise<void>): Promise<void> {
    await Promise.race([probe, this.#link.wait(KAFKA_DELIVERY_AWAY_MS_MAX)]);
    if (this.#probe === null) return;
    throw new LogError("RTA_LOG_UNAVAILABLE", "no broker of kafka answers");
  }

  /** Tries until a broker answers. */
  async #findBrokers(failure: LogError): Promise<void> {
    const { logging, settings: { topic }, onAvailability } = this.#options;
    logging.warn("writing to kafka is interrupted", { topic, error: failure.message });
    onAvailability?.(false);
    for (let waitMs = KAFKA_RETRY_MS_FIRST; !this.#link.isClosed;) {
      try {
        await this.#link.use((link) => link.refresh());
        break;
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        await this.#link.wait(waitMs);
        waitMs = Math.min(2 * waitMs, KAFKA_RETRY_MS_MAX);
      }
    }
    this.#probe = null;
    if (this.#link.isClosed) return;
    logging.warn("writing to kafka goes on", { topic });
    onAvailability?.(true);
  }
}
