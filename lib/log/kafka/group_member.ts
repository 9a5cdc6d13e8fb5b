/**
 * Membership in the consumer group, and nothing else: kafkajs's consumer joins, says that it lives,
 * joins again at a rebalance and leaves, with all partitions paused, so that it never fetches. What
 * it would fetch, and from where, is fetch_loop.ts's affair: offsets that Kafka keeps for the group
 * are no place to resume from.
 *
 * When the consumer gives up (kafkajs calls it a crash) a new one is made, for as long as it takes.
 */
import type { Socket } from "node:net";
import { type Consumer, type ConsumerGroupJoinEvent, type Kafka } from "kafkajs";
import {
  KAFKA_CONNECT_MS_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
  KAFKA_HEARTBEAT_MS,
  KAFKA_LEAVE_MS_MAX,
  KAFKA_REQUEST_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { createKafka } from "./client.ts";
import type { KafkaLogging, KafkaLogSettings } from "./settings.ts";
import { type OwnShare, stickyAssigner } from "./sticky_assigner.ts";

export interface GroupMemberOptions {
  readonly settings: KafkaLogSettings;
  readonly logging: KafkaLogging;
  /** How often to look for new partitions, ms. */
  readonly metadataMaxAgeMs: number;
  /** Each generation's partitions, ascending. */
  readonly onAssignment: (partitions: readonly number[]) => void;
  /** The membership was lost by an error; a new one is sought already. */
  readonly onCrash: (error: Error) => void;
}

export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #kafka: Kafka;
  readonly #sockets = new Set<Socket>();
  #share: OwnShare = { owned: [], since: 0 };
  #consumer: Consumer | null = null;
  #joined = false;
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #starting: Promise<void> = Promise.resolve();
  #stopped = false;
  #hungUp = false;

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#kafka = createKafka(options.settings, {
      logging: options.logging,
      retry: {
        retries: 3,
        initialRetryTime: KAFKA_RETRY_MS_FIRST,
        maxRetryTime: KAFKA_RETRY_MS_MAX,
      },
      requestTimeoutMs: KAFKA_REQUEST_MS_MAX + KAFKA_CONNECT_MS_MAX,
      onSocket: (socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
        if (this.#hungUp) hangUp(socket);
      },
    });
  }

  /** Begins to seek membership; onAssignment() tells of it. */
  start(): void {
    if (this.#stopped) return;
    this.#starting = this.#start();
  }

  /** Tells the group's coordinator how far we are; rejects when that fails. */
  async report(offsets: ReadonlyMap<number, number>): Promise<void> {
    const { topic } = this.#options.settings;
    if (this.#consumer === null || !this.#joined) throw new Error("no member of the group");
    await this.#consumer.commitOffsets(
      [...offsets].map(([partition, offset]) => ({ topic, partition, offset: `${offset}` })),
    );
  }

  /**
   * Leaves the group. A broker holds a join back until all members have come, or are given up: that
   * is as long as a session, and not waited for.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    const tooLong = setTimeout(() => this.#hangUp(), KAFKA_LEAVE_MS_MAX);
    await this.#starting;
    await this.#discard();
    clearTimeout(tooLong);
  }

  /** Breaks all connections, also those that are tried from now on. */
  #hangUp(): void {
    this.#hungUp = true;
    for (const socket of this.#sockets) hangUp(socket);
  }

  async #start(): Promise<void> {
    const { settings, metadataMaxAgeMs } = this.#options;
    const consumer = this.#kafka.consumer({
      groupId: settings.group,
      allowAutoTopicCreation: false,
      sessionTimeout: settings.sessionTimeoutMs,
      // A member that does not come to a rebalance in time is as good as dead.
      rebalanceTimeout: settings.sessionTimeoutMs,
      heartbeatInterval: Math.min(KAFKA_HEARTBEAT_MS, Math.floor(settings.sessionTimeoutMs / 4)),
      // With everything paused the consumer sleeps so long between two heartbeats.
      maxWaitTimeInMs: Math.min(KAFKA_FETCH_WAIT_MS_MAX, Math.floor(settings.sessionTimeoutMs / 8)),
      metadataMaxAge: metadataMaxAgeMs,
      partitionAssigners: [stickyAssigner(() => this.#share)],
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
    this.#consumer = consumer;
    consumer.on(consumer.events.GROUP_JOIN, (event) => this.#onJoin(consumer, event));
    consumer.on(consumer.events.CRASH, ({ payload }) => this.#onCrash(consumer, payload.error));
    try {
      await consumer.subscribe({ topic: settings.topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: () => Promise.reject(new Error("a paused consumer was given records")),
      });
    } catch (error) {
      this.#onCrash(consumer, error as Error);
    }
  }

  /** Called synchronously before the consumer goes on: nothing is fetched in between. */
  #onJoin(consumer: Consumer, { payload }: ConsumerGroupJoinEvent): void {
    if (consumer !== this.#consumer || this.#stopped) return;
    const { topic } = this.#options.settings;
    consumer.pause([{ topic }]);
    const owned = [...payload.memberAssignment[topic] ?? []].sort((a, b) => a - b);
    this.#share = { owned, since: Date.now() };
    this.#joined = true;
    this.#attempt = 0;
    this.#options.onAssignment(owned);
  }

  #onCrash(consumer: Consumer, error: Error): void {
    if (consumer !== this.#consumer || this.#stopped) return;
    this.#joined = false;
    this.#options.onCrash(error);
    const waitMs = Math.min(KAFKA_RETRY_MS_MAX, KAFKA_RETRY_MS_FIRST * 2 ** this.#attempt++);
    this.#retryTimer = setTimeout(async () => {
      await this.#discard();
      this.start();
    }, waitMs);
  }

  async #discard(): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = null;
    this.#joined = false;
    // A consumer whose brokers are gone cannot say good-bye; the session's end does it.
    await consumer?.disconnect().catch(() => {});
  }
}

/** With an error: kafkajs does not hear of an end without one, and waits for an answer on. */
function hangUp(socket: Socket): void {
  socket.destroy(new Error("the shard ends"));
}
