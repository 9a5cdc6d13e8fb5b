/**
 * Connections to a cluster for one topic, thrown away whole at the first trouble.
 *
 * kafkajs has the connections, their authentication and the cluster's metadata; what goes through
 * them for events is ours: requests are handed to its connections as bytes, and answers taken from
 * them as bytes, because building and reading them by objects costs ten times the rest.
 *
 * A connection of kafkajs that broke is not used again: it keeps the beginning of an answer that was
 * cut off, and takes what it reads next for the rest of it. That is why a link is never mended.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Cluster, PartitionAssigner } from "kafkajs";
import {
  KAFKA_FETCH_MS_MAX,
  KAFKA_METADATA_MS_MAX,
  KAFKA_REQUEST_MS_MAX,
} from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { createKafka } from "./client.ts";
import type { ProducerIdentity } from "./record_batch_writer.ts";
import type { KafkaSettings } from "./settings.ts";

/** A request as bytes; the header in front of it is kafkajs's. */
export interface WireRequest<Answer> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly body: Uint8Array;
  /** Reads the answer's bytes, without its header. */
  readonly decode: (answer: Uint8Array) => Answer;
}

/** Which end of a partition. */
export type LogEnd = "oldest" | "next";

/** What kafkajs's broker has that its types do not name. */
interface BrokerInside {
  readonly connectionPool: { send(request: unknown): Promise<unknown> };
  initProducerId(request: { transactionTimeout: number }): Promise<{
    producerId: bigint | string | number;
    producerEpoch: number;
  }>;
}

/** One set of connections. Every method may reject; then the link is to be closed. */
export class BrokerLink {
  readonly topic: string;
  readonly #cluster: Cluster;
  readonly #sockets: Set<Socket>;
  #closed = false;
  #inFlight = 0;
  #retired: (() => void) | null = null;

  private constructor(topic: string, cluster: Cluster, sockets: Set<Socket>) {
    this.topic = topic;
    this.#cluster = cluster;
    this.#sockets = sockets;
  }

  /**
   * Connects to one of the brokers and asks it for the topic.
   * @param attempt counts up from attempt to attempt, so that each asks another broker first
   * @throws LogError RTA_LOG_UNAVAILABLE when that fails, or the topic does not exist.
   */
  static async open(settings: KafkaSettings, topic: string, attempt = 0): Promise<BrokerLink> {
    const turn = attempt % Math.max(1, settings.brokers.length);
    const brokers = [...settings.brokers.slice(turn), ...settings.brokers.slice(0, turn)];
    const sockets = new Set<Socket>();
    const kafka = createKafka({ ...settings, brokers }, {
      logging: null,
      retry: { retries: 0 },
      requestTimeoutMs: KAFKA_REQUEST_MS_MAX,
      onSocket: (socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      },
    });
    let captured: Cluster | undefined;
    const capture: PartitionAssigner = ({ cluster }) => {
      captured = cluster;
      return { name: "none", version: 0, assign: () => Promise.resolve([]), protocol: noProtocol };
    };
    // A consumer that never runs: a partition assigner is what kafkajs shows its cluster to.
    kafka.consumer({
      groupId: "none",
      allowAutoTopicCreation: false,
      metadataMaxAge: KAFKA_METADATA_MS_MAX,
      partitionAssigners: [capture],
    });
    const link = new BrokerLink(topic, captured!, sockets);
    try {
      await link.#cluster.connect();
      await link.#cluster.addTargetTopic(topic);
      return link;
    } catch (error) {
      await link.close();
      throw unavailable(`cannot reach ${topic} on ${brokers[0]}`, error);
    }
  }

  /** How many partitions the topic has, as of the last refresh. */
  get partitions(): number {
    return this.#cluster.findTopicPartitionMetadata(this.topic).length;
  }

  /** The broker that leads a partition, as of the last refresh; null = none does. */
  leaderOf(partition: number): number | null {
    const all = this.#cluster.findTopicPartitionMetadata(this.topic);
    const leader = all.find(({ partitionId }) => partitionId === partition)?.leader;
    return leader === undefined || leader < 0 ? null : leader;
  }

  /** Asks again where the topic's partitions are. */
  async refresh(): Promise<void> {
    await this.#guard("metadata", this.#cluster.refreshMetadata());
  }

  /** Sends a request to a broker; the answer counts as lost after `timeoutMs`. */
  async send<Answer>(
    node: number,
    request: WireRequest<Answer>,
    timeoutMs: number = KAFKA_FETCH_MS_MAX,
  ): Promise<Answer> {
    const { apiKey, apiVersion, apiName, body } = request;
    const broker = await this.#broker(node);
    // kafkajs wants its own encoder; it looks at nothing but these two fields of it.
    const bytes = Buffer.from(body.buffer as ArrayBuffer, body.byteOffset, body.length);
    const encoded = { buf: bytes, buffer: bytes };
    const sent = broker.connectionPool.send({
      request: { apiKey, apiVersion, apiName, encode: () => Promise.resolve(encoded) },
      response: {
        decode: (answer: Uint8Array) =>
          Promise.resolve({ answer: request.decode(plain(answer)), clientSideThrottleTime: 0 }),
        parse: ({ answer }: { answer: Answer }) => Promise.resolve(answer),
      },
      requestTimeout: timeoutMs,
      logResponseError: false,
    });
    this.#inFlight++;
    try {
      return await this.#guard(apiName, sent) as Answer;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#retired?.();
    }
  }

  /** A new identity for an idempotent producer. */
  async newProducer(): Promise<ProducerIdentity> {
    const controller = await this.#guard("broker", this.#cluster.findControllerBroker());
    const broker = controller as unknown as BrokerInside;
    const made = await this.#guard("InitProducerId", broker.initProducerId(NO_TRANSACTIONS));
    return { id: Number(made.producerId), epoch: made.producerEpoch };
  }

  /** The oldest kept offset of partitions, or the next one to be written; those found out. */
  async offsets(partitions: readonly number[], end: LogEnd): Promise<Map<number, number>> {
    const asked = partitions.map((partition) => ({ partition }));
    const answer = await this.#guard(
      "ListOffsets",
      this.#cluster.fetchTopicsOffset([
        { topic: this.topic, partitions: asked, fromBeginning: end === "oldest" },
      ]),
    );
    return new Map(
      answer.flatMap((topic) =>
        topic.partitions.map(({ partition, offset }) => [partition, Number(offset)] as const)
      ),
    );
  }

  /** Closes as soon as no answer is waited for any more. */
  async retire(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#retired = resolve);
    await this.close();
  }

  /** Breaks all connections; what waits for an answer rejects. Nothing is sent any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const closing = [...this.#sockets].map((socket) => {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.destroy(new Error("the link is closed"));
      return closed;
    });
    await Promise.all(closing);
    // Ends its timers; that it has nobody left to say good-bye to is no news.
    await this.#cluster.disconnect().catch(() => {});
  }

  async #broker(node: number): Promise<BrokerInside> {
    const broker = await this.#guard("broker", this.#cluster.findBroker({ nodeId: `${node}` }));
    return broker as unknown as BrokerInside;
  }

  async #guard<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      if (this.#closed) throw new Error("the link is closed");
      return await work;
    } catch (error) {
      throw error instanceof LogError
        ? error
        : unavailable(`${what} of ${this.topic} failed`, error);
    }
  }
}

const NO_TRANSACTIONS = { transactionTimeout: 60_000 };
const noProtocol = () => ({ name: "none", metadata: Buffer.alloc(0) });

/** Without what makes it a Buffer, whose slice() would not copy. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

function unavailable(what: string, cause: unknown): LogError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LogError("RTA_LOG_UNAVAILABLE", `${what}: ${why}`, { cause });
}
