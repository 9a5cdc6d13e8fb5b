/**
 * Puts records on a topic other than the log's own, a few at a time: dead letters, live partials.
 * The client's own partitioner places them by key as Java's does; events take log_writer.ts.
 *
 * Not idempotent: a send whose answer was lost is sent again, and a record may be there twice. Both
 * topics have readers that take the second one for what it is.
 */
import { Buffer } from "node:buffer";
import { type Kafka, Partitioners, type Producer } from "kafkajs";
import {
  KAFKA_DELIVERY_MS_MAX,
  KAFKA_REQUEST_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { createKafka } from "./client.ts";
import type { KafkaLogging, KafkaSettings } from "./settings.ts";

/** One record. */
export interface TopicRecord {
  /** Left out: placed by the key. */
  readonly partition?: number;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export class TopicProducer {
  readonly #topic: string;
  readonly #kafka: Kafka;
  #producer: Promise<Producer> | null = null;
  #closed = false;

  /** Nothing is connected before the first send. */
  constructor(settings: KafkaSettings, topic: string, logging: KafkaLogging) {
    this.#topic = topic;
    this.#kafka = createKafka(settings, {
      logging,
      retry: {
        initialRetryTime: KAFKA_RETRY_MS_FIRST,
        maxRetryTime: KAFKA_RETRY_MS_MAX,
        retries: Math.ceil(KAFKA_DELIVERY_MS_MAX / KAFKA_RETRY_MS_MAX),
      },
      requestTimeoutMs: KAFKA_REQUEST_MS_MAX,
    });
  }

  /** Resolves when all in-sync replicas have every record. Throws LogError RTA_LOG_UNAVAILABLE. */
  async send(records: readonly TopicRecord[]): Promise<void> {
    if (records.length === 0) return;
    try {
      const producer = await this.#connected();
      const answers = await producer.send({
        topic: this.#topic,
        acks: -1,
        messages: records.map(({ value, headers, ...record }) => (
          { ...record, value: asBuffer(value), headers: { ...headers } }
        )),
      });
      const refused = answers.find(({ errorCode }) => errorCode !== 0);
      if (refused) throw new Error(`partition ${refused.partition}: error ${refused.errorCode}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `cannot write to the topic ${this.#topic}: ${why}`;
      throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const producer = await this.#producer?.catch(() => null);
    await producer?.disconnect();
  }

  #connected(): Promise<Producer> {
    if (this.#closed) throw new Error("the producer is closed");
    this.#producer ??= this.#connect().catch((error) => {
      this.#producer = null;
      throw error;
    });
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    });
    await producer.connect();
    return producer;
  }
}

/** The same bytes as kafkajs wants them. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
