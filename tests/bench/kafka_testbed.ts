/**
 * A broker of its own for each study of the Kafka cases, its topics, and how a platform is started
 * on it. The broker optimises as in production; its data lies in the temporary folder, and goes with
 * the study.
 */
import type { Admin } from "kafkajs";
import { createKafka, type KafkaLogSettings } from "../../lib/log/kafka/mod.ts";
import { waitUntil } from "../support/deadline.ts";
import { type KafkaBroker, startKafkaBroker } from "../support/kafka_broker.ts";
import { readProcessorSeconds } from "./process_usage.ts";

/** How the platform writes records, and the peers find them. */
export type RecordForm = "single" | "batched";

export const RECORD_FORMS: readonly RecordForm[] = ["batched", "single"];
/** What the platform compresses with by default; ProducerPerformance gets the same. */
export const COMPRESSION = "zstd";
const requestMsMax = 30_000;
/** Members that start together find each other before anyone works; Kafka's own default is 3 s. */
const BROKER_PROPERTIES = { "group.initial.rebalance.delay.ms": "1000" };

/** What a platform does on which topic. */
export interface PlatformOnKafka {
  readonly topic: string;
  /** Those of the topic. */
  readonly partitions: number;
  readonly records: RecordForm;
  /** As RTA_ROLES has it. */
  readonly roles: string;
}

/** Starts a broker, lets `use` work with it, and ends it, whatever happens. */
export async function withKafka<T>(use: (kafka: KafkaTestbed) => Promise<T>): Promise<T> {
  await using broker = await startKafkaBroker({ speed: "full", properties: BROKER_PROPERTIES });
  const testbed = new KafkaTestbed(broker);
  try {
    await testbed.connect();
    return await use(testbed);
  } finally {
    await testbed.disconnect();
  }
}

/** A running broker. */
export class KafkaTestbed {
  readonly bootstrap: string;
  readonly #broker: KafkaBroker;
  readonly #admin: Admin;
  #names = 0;

  constructor(broker: KafkaBroker) {
    this.#broker = broker;
    this.bootstrap = broker.bootstrap;
    const options = { logging: null, retry: {}, requestTimeoutMs: requestMsMax };
    this.#admin = createKafka(this.settings("", "single"), options).admin();
  }

  /** Also has the broker make its topic of groups, which else whoever is measured first waits for. */
  async connect(): Promise<void> {
    await this.#admin.connect();
    await waitUntil(
      () => this.#succeeds(() => this.#admin.fetchOffsets({ groupId: this.#newName("group") })),
      { what: "the group coordinator", deadlineMs: requestMsMax },
    );
  }

  disconnect(): Promise<void> {
    return this.#admin.disconnect();
  }

  /** Processor time that the broker has used so far, s. */
  get cpuSeconds(): number {
    return readProcessorSeconds(this.#broker.pid);
  }

  /** A topic of a new name. */
  async createTopic(prefix: string, partitions: number): Promise<string> {
    const topic = this.#newName(prefix);
    await this.#admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }],
      waitForLeaders: true,
    });
    // Leaders are told of a little before they are that themselves.
    const isServed = () => this.#succeeds(() => this.countRecords(topic));
    await waitUntil(isServed, { what: `the leaders of ${topic}` });
    return topic;
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [topic] });
  }

  /** Kafka records in a topic from which nothing was deleted. */
  async countRecords(topic: string): Promise<number> {
    const partitions = await this.#admin.fetchTopicOffsets(topic);
    return partitions.reduce((sum, { high }) => sum + Number(high), 0);
  }

  /** How the platform's own log reaches a topic of this broker. */
  settings(topic: string, records: RecordForm): KafkaLogSettings {
    return {
      brokers: [this.bootstrap],
      clientId: "rta-bench",
      tls: null,
      sasl: null,
      topic,
      group: "rta-bench",
      records,
      compression: COMPRESSION,
      sessionTimeoutMs: 10_000,
    };
  }

  /** Environment of a platform on a topic; its group and its other topics are new ones. */
  platformEnvironment(
    { topic, partitions, records, roles }: PlatformOnKafka,
  ): Record<string, string> {
    return {
      RTA_LOG: "kafka",
      RTA_ROLES: roles,
      RTA_PARTITIONS: String(partitions),
      RTA_KAFKA_BROKERS: this.bootstrap,
      RTA_KAFKA_TOPIC: topic,
      RTA_KAFKA_RECORDS: records,
      RTA_KAFKA_COMPRESSION: COMPRESSION,
      RTA_KAFKA_GROUP: this.#newName("group"),
      RTA_KAFKA_METRICS_TOPIC: this.#newName("metrics"),
      RTA_KAFKA_DLQ_TOPIC: this.#newName("dlq"),
    };
  }

  /** False: it failed, as it may while something is being made, and may be tried again. */
  async #succeeds(request: () => Promise<unknown>): Promise<boolean> {
    try {
      await request();
      return true;
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable === true) return false;
      throw error;
    }
  }

  #newName(prefix: string): string {
    return `${prefix}-${++this.#names}`;
  }
}
