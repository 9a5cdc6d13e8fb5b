/**
 * The event log of this process, whichever it is: how many partitions it has, what the writer and
 * the shards are started on, where the store's files lie.
 *
 *     RTA_LOG=sqlite   <data>/log.sqlite, partitions fixed when the folder is made
 *     RTA_LOG=kafka    a topic; the store lies in <data>/kafka/<topic>, so that the offsets of
 *                      different logs never meet in one file
 */
import type { Config, KafkaConfig } from "../lib/config/config.ts";
import { LogError } from "../lib/log/event_log.ts";
import type { KafkaLogSettings } from "../lib/log/kafka/settings.ts";
import { createLogSignal, LogSignal, madePartitions } from "../lib/log/sqlite/mod.ts";
import { partitionNumbers } from "../lib/log/partition_numbers.ts";
import type { Logger } from "../lib/telemetry/logger.ts";
import type { ShardLog } from "../workers/protocol.ts";
import type { WriterLog } from "../workers/writer_port.ts";

/** Topic that events of the embedded log are named by. */
export const EMBEDDED_TOPIC = "analytics-events";

/** Consumer group that its shards are named by. */
const EMBEDDED_GROUP = "rta-consumer";

export interface LogBackend {
  readonly kind: "sqlite" | "kafka";
  /** What a person is told of it. */
  readonly describe: string;
  /** Topic by which partitions are named in metrics, `/lag` and dead letters. */
  readonly topic: string;
  /** Consumer group by which they are named. */
  readonly group: string;
  readonly partitions: number;
  readonly storeFolder: string;
  readonly writerLog: WriterLog;
  /** The cluster and its topics; null with the embedded log. */
  readonly kafka: { readonly settings: KafkaLogSettings; readonly topics: KafkaConfig } | null;
  /** The log as shard `index` of `shards` is to read it. */
  logOf(index: number, shards: number): ShardLog;
  /** Next offset of a partition, where this process knows it without asking a shard; else null. */
  highWater(partition: number): number | null;
}

/** The settings that everything which speaks to Kafka is given. */
export function kafkaSettings(kafka: KafkaConfig): KafkaLogSettings {
  const { brokers, tls, sasl, topic, group, records, compression, sessionTimeoutMs } = kafka;
  const clientId = `rta-${Deno.hostname()}-${Deno.pid}`;
  return { brokers, clientId, tls, sasl, topic, group, records, compression, sessionTimeoutMs };
}

/** The log that the settings name. Throws LogError, or AbortError when `signal` ends its wait. */
export function openLogBackend(
  config: Config,
  dataFolder: string,
  logger: Logger,
  signal?: AbortSignal,
): Promise<LogBackend> | LogBackend {
  return config.kafka === null
    ? embeddedBackend(config, dataFolder, logger)
    : kafkaBackend(config, config.kafka, dataFolder, logger, signal);
}

function embeddedBackend(config: Config, folder: string, logger: Logger): LogBackend {
  const made = madePartitions(folder);
  let { partitions } = config;
  if (made !== null && made !== partitions && !config.partitionsGiven) {
    logger.info({ partitions: made }, "the data folder's number of partitions is kept");
    partitions = made;
  }
  const signal = createLogSignal(partitions);
  const highWaters = new LogSignal(signal);
  return {
    kind: "sqlite",
    describe: "embedded",
    topic: EMBEDDED_TOPIC,
    group: EMBEDDED_GROUP,
    partitions,
    storeFolder: folder,
    writerLog: { kind: "sqlite", folder, partitions, signal },
    kafka: null,
    logOf: (index, shards) => ({
      kind: "sqlite",
      folder,
      signal,
      partitions: partitionNumbers(partitions).filter((partition) => partition % shards === index),
    }),
    highWater: (partition) => highWaters.highWater(partition),
  };
}

async function kafkaBackend(
  config: Config,
  kafka: KafkaConfig,
  dataFolder: string,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<LogBackend> {
  // Loaded only where there is Kafka: the client takes memory and time.
  const { createTopics, planTopics } = await import("../lib/log/kafka/topics.ts");
  const { waitForBroker } = await import("../lib/log/kafka/topics_wait.ts");
  const settings = kafkaSettings(kafka);
  const say = (message: string) => logger.warn(message);
  await waitForBroker(settings, kafka.waitSeconds * 1000, say, signal);
  const plans = planTopics({ ...kafka, partitions: config.partitions });
  const topics = await createTopics(settings, plans);
  for (const { plan, created, partitions } of topics) {
    if (created) logger.info({ topic: plan.name, partitions }, "made a topic");
  }
  const { partitions } = topics.find(({ plan }) => plan.name === kafka.topic)!;
  if (config.partitionsGiven && partitions !== config.partitions) {
    throw new LogError(
      "RTA_LOG_PARTITIONS_CHANGED",
      `the topic ${kafka.topic} has ${partitions} partitions, RTA_PARTITIONS says ` +
        `${config.partitions}: leave RTA_PARTITIONS out, or name another topic`,
    );
  }
  return {
    kind: "kafka",
    describe: `topic ${kafka.topic} on Kafka at ${settings.brokers.join(", ")}`,
    topic: kafka.topic,
    group: kafka.group,
    partitions,
    storeFolder: `${dataFolder}/kafka/${kafka.topic}`,
    writerLog: { kind: "kafka", settings, partitions },
    kafka: { settings, topics: kafka },
    logOf: () => ({
      kind: "kafka",
      settings,
      dlqTopic: kafka.dlqTopic,
      metricsTopic: kafka.metricsTopic,
    }),
    highWater: () => null,
  };
}
