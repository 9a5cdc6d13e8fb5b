/**
 * Gets record batches acknowledged: sends each to the leader of its partition, again where that is
 * needed, until every one is answered or the time is up.
 *
 * Sending again is safe because a batch keeps its producer id and sequence: a broker that has it
 * already says so. When the time is up with an outcome unknown, the producer id is given up, lest the
 * next batch gets a sequence that the broker has seen and is taken for a repetition of the lost one.
 * A partition that an answer leaves out counts as not answered.
 */
import {
  KAFKA_DELIVERY_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import type { SealedBatch } from "./append_plan.ts";
import type { BrokerLink } from "./broker_link.ts";
import { type ProduceAnswer, produceRequest } from "./produce_request.ts";
import {
  DUPLICATE_SEQUENCE_NUMBER,
  errorName,
  INVALID_PRODUCER_EPOCH,
  isRetriable,
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  UNKNOWN_PRODUCER_ID,
} from "./protocol_errors.ts";
import { type ProducerIdentity, stampBatch } from "./record_batch_writer.ts";

/** What became of one batch. */
export interface DeliveredBatch {
  readonly batch: SealedBatch;
  /** 0 = it is in the log; otherwise it is not, for good, and this is why (protocol_errors.ts). */
  readonly error: number;
  /** Where its first record stands; -1 = not known. */
  readonly baseOffset: number;
}

/** What a delivery needs of a link. */
export type ProduceLink = Pick<BrokerLink, "newProducer" | "leaderOf" | "send" | "refresh">;

/** What a delivery needs of kept_link.ts. */
export interface ProduceLinks {
  readonly isClosed: boolean;
  use<T>(work: (link: ProduceLink) => Promise<T>): Promise<T>;
  wait(ms: number): Promise<void>;
}

/** Sequences go from 0 to 2^31 - 1 and begin anew. */
const SEQUENCE_MASK = 0x7fffffff;

export class Delivery {
  readonly #links: ProduceLinks;
  readonly #topic: string;
  #producer: ProducerIdentity | null = null;
  /** Of each partition's next batch under #producer. */
  readonly #sequences = new Map<number, number>();
  /** What each batch was stamped with last. */
  readonly #stamps = new WeakMap<SealedBatch, ProducerIdentity>();

  constructor(links: ProduceLinks, topic: string) {
    this.#links = links;
    this.#topic = topic;
  }

  /**
   * Delivers the batches, one of each partition at most.
   * @throws LogError RTA_LOG_UNAVAILABLE after KAFKA_DELIVERY_MS_MAX, the outcome being unknown.
   */
  async deliver(batches: readonly SealedBatch[]): Promise<DeliveredBatch[]> {
    const giveUpAtMs = performance.now() + KAFKA_DELIVERY_MS_MAX;
    const pending = new Map(batches.map((batch) => [batch.partition, batch]));
    const delivered: DeliveredBatch[] = [];
    for (let waitMs = KAFKA_RETRY_MS_FIRST;; waitMs = Math.min(2 * waitMs, KAFKA_RETRY_MS_MAX)) {
      let failure: unknown = null;
      try {
        failure = await this.#links.use((link) => this.#try(link, pending, delivered, giveUpAtMs));
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        failure = error;
      }
      if (pending.size === 0) return delivered;
      if (performance.now() + waitMs > giveUpAtMs || this.#links.isClosed) {
        this.#producer = null;
        const why = failure instanceof Error ? failure.message : String(failure);
        const message = `${pending.size} batches were not acknowledged by kafka: ${why}`;
        throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: failure });
      }
      await this.#links.wait(waitMs);
    }
  }

  /** One attempt; returns why something is still pending. Rejects when connections broke. */
  async #try(
    link: ProduceLink,
    pending: Map<number, SealedBatch>,
    delivered: DeliveredBatch[],
    giveUpAtMs: number,
  ): Promise<unknown> {
    await this.#stampAll(link, pending.values());
    const byLeader = Map.groupBy(pending.values(), ({ partition }) => link.leaderOf(partition));
    let failure: unknown = byLeader.has(null) ? new Error("a partition has no leader") : null;
    byLeader.delete(null);
    const timeoutMs = Math.max(1, Math.ceil(giveUpAtMs - performance.now()));
    const answers = await Promise.allSettled(
      [...byLeader].map(([leader, own]) =>
        link.send(leader!, produceRequest(this.#topic, own, timeoutMs), timeoutMs)
      ),
    );
    for (const answer of answers) {
      if (answer.status === "rejected") continue;
      for (const each of answer.value) failure = this.#settle(each, pending, delivered) ?? failure;
    }
    const broken = answers.find((answer) => answer.status === "rejected");
    if (broken !== undefined) throw broken.reason;
    if (pending.size > 0) await link.refresh();
    return failure ?? new Error("the broker left partitions out of its answer");
  }

  async #stampAll(link: ProduceLink, batches: Iterable<SealedBatch>): Promise<void> {
    if (this.#producer === null) {
      this.#producer = await link.newProducer();
      this.#sequences.clear();
    }
    for (const batch of batches) {
      if (this.#stamps.get(batch) === this.#producer) continue;
      stampBatch(batch.bytes, this.#producer, this.#sequences.get(batch.partition) ?? 0);
      this.#stamps.set(batch, this.#producer);
    }
  }

  /** Takes one answer in; returns what is wrong when the batch is to be sent again. */
  #settle(
    { partition, error, baseOffset }: ProduceAnswer,
    pending: Map<number, SealedBatch>,
    delivered: DeliveredBatch[],
  ): Error | null {
    const batch = pending.get(partition);
    if (batch === undefined) return null;
    const acknowledged = error === 0 || error === DUPLICATE_SEQUENCE_NUMBER;
    if (!acknowledged) {
      // The broker knows another producer by that id, or none: a new id, and all sequences anew.
      if (PRODUCER_ERRORS.has(error)) this.#producer = null;
      if (PRODUCER_ERRORS.has(error) || isRetriable(error)) {
        return new Error(`partition ${partition}: ${errorName(error)}`);
      }
    } else {
      const sequence = this.#sequences.get(partition) ?? 0;
      this.#sequences.set(partition, (sequence + batch.records) & SEQUENCE_MASK);
    }
    pending.delete(partition);
    delivered.push({ batch, error: acknowledged ? 0 : error, baseOffset });
    return null;
  }
}

const PRODUCER_ERRORS: ReadonlySet<number> = new Set([
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  INVALID_PRODUCER_EPOCH,
  UNKNOWN_PRODUCER_ID,
]);
