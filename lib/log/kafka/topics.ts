/**
 * The platform's topics on a Kafka cluster: made, listed, described, and waited for.
 *
 *     events        analytics-events       as many partitions as the platform is to have
 *     metrics       metrics-data           the same number: what the shards count, for live answers
 *     dead letters  analytics-events-dlq   one partition; records with the same id are one
 *
 * A topic that is there is never changed. kafkajs asks for metadata in a way that makes a broker
 * create the topic asked for, if it is set to; so only topics that are known to be there are named.
 */
import { type Admin, ConfigResourceTypes } from "kafkajs";
import {
  KAFKA_REQUEST_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
  KAFKA_TOPIC_READY_MS_MAX,
} from "../../config/limits.ts";
import { waitUnlessAborted } from "../../wait/abortable_wait.ts";
import { LogError } from "../event_log.ts";
import { createKafka } from "./client.ts";
import type { KafkaSettings } from "./settings.ts";

/** What the topics are called and how they are made. */
export interface TopicLayout {
  readonly topic: string;
  readonly metricsTopic: string;
  readonly dlqTopic: string;
  /** Of the first two. */
  readonly partitions: number;
  /** How many brokers keep each record. */
  readonly replication: number;
  /** How long events and dead letters are kept. */
  readonly retentionHours: number;
}

/** One topic as it is to be made. */
export interface TopicPlan {
  readonly name: string;
  readonly purpose: "events" | "metrics" | "dead letters";
  readonly partitions: number;
  readonly replication: number;
  /** Settings of the topic, as Kafka names them; all others are the brokers' own. */
  readonly config: Readonly<Record<string, string>>;
}

/** What came of a plan. */
export interface PlannedTopic {
  readonly plan: TopicPlan;
  /** False: it was there already, and is as it was. */
  readonly created: boolean;
  /** How many it has. */
  readonly partitions: number;
}

/** A topic in a list. */
export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  /** From the oldest kept offset to the next one, of all partitions; records or a little more. */
  readonly offsets: number;
}

/** All that is told of a topic. */
export interface TopicDescription extends TopicSummary {
  readonly partitionList: readonly PartitionDescription[];
  /** Settings that are the topic's own, and those that matter to us, by name. */
  readonly config: Readonly<Record<string, string>>;
}

/** One partition. */
export interface PartitionDescription {
  readonly partition: number;
  /** Node ids. */
  readonly leader: number;
  readonly replicas: readonly number[];
  /** Those of the replicas that have every record. */
  readonly inSync: readonly number[];
  /** The oldest offset that is kept. */
  readonly begin: number;
  /** The offset that the next record will have. */
  readonly end: number;
}

const HOUR_MS = 3_600_000;
/** Live answers reach back one hour; docs/METRICS_DATA.md. */
const metricsRetentionMs = 2 * HOUR_MS;
/** Only whole segments are deleted, so they have to be shorter than what is kept. */
const metricsSegmentMs = HOUR_MS / 2;
/** With so many replicas, one may be away while each record is still on two. */
const replicasForTwoInSync = 3;

/** Settings that describeTopics() tells also where they are the brokers' own. */
const ESSENTIAL_CONFIG = [
  "cleanup.policy",
  "max.message.bytes",
  "min.insync.replicas",
  "retention.ms",
];
/** What brokers say of a topic that was made a moment ago. */
const NOT_LED_YET = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
]);
/** Of a setting in kafkajs's answer: it was set for this topic. */
const SOURCE_TOPIC = 1;

/** The topics that the platform needs. */
export function planTopics(layout: TopicLayout): TopicPlan[] {
  const { partitions, replication, retentionHours } = layout;
  const safe: Record<string, string> = replication >= replicasForTwoInSync
    ? { "min.insync.replicas": "2" }
    : {};
  const retention = `${retentionHours * HOUR_MS}`;
  return [
    {
      name: layout.topic,
      purpose: "events",
      partitions,
      replication,
      config: { ...safe, "cleanup.policy": "delete", "retention.ms": retention },
    },
    {
      name: layout.metricsTopic,
      purpose: "metrics",
      partitions,
      replication,
      config: {
        ...safe,
        "cleanup.policy": "delete",
        "retention.ms": `${metricsRetentionMs}`,
        "segment.ms": `${metricsSegmentMs}`,
      },
    },
    {
      name: layout.dlqTopic,
      purpose: "dead letters",
      partitions: 1,
      replication,
      config: { ...safe, "cleanup.policy": "compact,delete", "retention.ms": retention },
    },
  ];
}

/**
 * Creates what is not there, and waits until each partition has a leader.
 *
 * @throws LogError RTA_LOG_UNAVAILABLE when the brokers are away or refuse
 */
export function createTopics(
  settings: KafkaSettings,
  plans: readonly TopicPlan[],
): Promise<PlannedTopic[]> {
  return withAdmin(settings, async (admin) => {
    const topics: PlannedTopic[] = [];
    for (const plan of plans) {
      const created = await createTopic(admin, plan);
      topics.push({ plan, created, partitions: await waitForLeaders(admin, plan.name) });
    }
    return topics;
  });
}

/**
 * The topics of the cluster in the order of their names, without Kafka's own.
 *
 * @throws LogError RTA_LOG_UNAVAILABLE
 */
export function listTopics(settings: KafkaSettings): Promise<TopicSummary[]> {
  return withAdmin(settings, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata();
    const ours = topics.filter(({ name }) => !name.startsWith("__"));
    const summaries = ours.map(({ name }) => describePartitions(admin, name));
    return (await Promise.all(summaries)).sort((a, b) => a.name < b.name ? -1 : 1);
  });
}

/**
 * Describes topics; those that are not there are left out.
 *
 * @throws LogError RTA_LOG_UNAVAILABLE
 */
export function describeTopics(
  settings: KafkaSettings,
  names: readonly string[],
): Promise<TopicDescription[]> {
  return withAdmin(settings, async (admin) => {
    const there = new Set(await admin.listTopics());
    const known = names.filter((name) => there.has(name));
    return await Promise.all(known.map(async (name) => {
      return { ...await describePartitions(admin, name), config: await configOf(admin, name) };
    }));
  });
}

/** Gives whether it is new. */
async function createTopic(admin: Admin, plan: TopicPlan): Promise<boolean> {
  const configEntries = Object.entries(plan.config).map(([name, value]) => ({ name, value }));
  const { name: topic, partitions: numPartitions, replication: replicationFactor } = plan;
  return await admin.createTopics({
    topics: [{ topic, numPartitions, replicationFactor, configEntries }],
    // kafkajs takes a broker that has not heard of the topic yet for a failure.
    waitForLeaders: false,
    timeout: KAFKA_REQUEST_MS_MAX,
  });
}

/** Waits until every partition of a topic has a leader; gives how many partitions there are. */
async function waitForLeaders(admin: Admin, name: string): Promise<number> {
  const giveUpAt = performance.now() + KAFKA_TOPIC_READY_MS_MAX;
  for (;;) {
    try {
      const { topics: [topic] } = await admin.fetchTopicMetadata({ topics: [name] });
      if (topic.partitions.every(({ leader }) => leader >= 0)) {
        // A broker may be named as a leader a moment before it acts as one.
        await admin.fetchTopicOffsets(name);
        return topic.partitions.length;
      }
    } catch (error) {
      const { type } = error as { type?: string };
      if (type === undefined || !NOT_LED_YET.has(type)) throw error;
    }
    if (performance.now() > giveUpAt) {
      const seconds = KAFKA_TOPIC_READY_MS_MAX / 1000;
      throw new Error(`the topic ${name} has partitions without a leader after ${seconds} s`);
    }
    await waitUnlessAborted(KAFKA_RETRY_MS_FIRST, undefined);
  }
}

/** Of a topic that is there. */
async function describePartitions(
  admin: Admin,
  name: string,
): Promise<Omit<TopicDescription, "config">> {
  const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [name] });
  const offsets = await admin.fetchTopicOffsets(name);
  const partitionList = partitions.map(({ partitionId, leader, replicas, isr }) => {
    const found = offsets.find(({ partition }) => partition === partitionId);
    const begin = Number(found?.low ?? 0);
    const end = Number(found?.high ?? 0);
    return { partition: partitionId, leader, replicas, inSync: isr, begin, end };
  }).sort((a, b) => a.partition - b.partition);
  return {
    name,
    partitions: partitions.length,
    replication: Math.max(...partitions.map(({ replicas }) => replicas.length)),
    offsets: partitionList.reduce((sum, { begin, end }) => sum + end - begin, 0),
    partitionList,
  };
}

async function configOf(admin: Admin, name: string): Promise<Record<string, string>> {
  const { resources: [{ configEntries }] } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name }],
  });
  const told = configEntries.filter((entry) =>
    ESSENTIAL_CONFIG.includes(entry.configName) || Number(entry.configSource) === SOURCE_TOPIC
  );
  const byName = told.map(({ configName, configValue }) => [configName, configValue] as const);
  return Object.fromEntries(byName.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Lends a connected client; whatever goes wrong names the brokers. */
async function withAdmin<T>(
  settings: KafkaSettings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = createKafka(settings, {
    logging: null,
    retry: {
      retries: 4,
      initialRetryTime: KAFKA_RETRY_MS_FIRST,
      maxRetryTime: KAFKA_RETRY_MS_MAX,
    },
    requestTimeoutMs: KAFKA_REQUEST_MS_MAX,
  }).admin();
  try {
    await admin.connect();
    return await use(admin);
  } catch (error) {
    const where = `Kafka at ${settings.brokers.join(", ")}`;
    const message = `${where}: ${reasonOf(error)}`;
    throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: error });
  } finally {
    await admin.disconnect();
  }
}

/** kafkajs keeps the broker's own words about a topic a level below. */
function reasonOf(error: unknown): string {
  const { message, errors } = error as { message?: string; errors?: readonly TopicFailure[] };
  if (errors === undefined) return message ?? String(error);
  return errors.map(({ topic, message }) => `topic ${topic}: ${message}`).join("; ");
}

interface TopicFailure {
  readonly topic: string;
  readonly message: string;
}
