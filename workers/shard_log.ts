/**
 * What a shard opens of the log that it is started on: its reader, and where dead letters and live
 * partials go. The Kafka client is loaded only where there is Kafka: it takes memory in each thread.
 */
import { openDeadLetterFile } from "../lib/dead_letter/dead_letter_file.ts";
import type { DeadLetterSink } from "../lib/dead_letter/dead_letter_sink.ts";
import type { EventLogReader } from "../lib/log/event_log.ts";
import type { LiveFrame } from "../lib/live/live_collector.ts";
import { openSqliteLogReader } from "../lib/log/sqlite/mod.ts";
import type { ThreadLogger } from "../lib/telemetry/thread_logger.ts";
import { kafkaLogging } from "./kafka_logging.ts";
import type { StartShard } from "./protocol.ts";

/** The reader; on Kafka it has not joined its group yet. Throws LogError. */
export async function openShardReader(
  { log, partitions, project }: StartShard,
  logger: ThreadLogger,
): Promise<EventLogReader> {
  if (log.kind === "sqlite") {
    return await openSqliteLogReader({ folder: log.folder, signal: log.signal });
  }
  const { openKafkaGroupReader } = await import("../lib/log/kafka/mod.ts");
  return openKafkaGroupReader({
    settings: log.settings,
    partitions,
    projectDefault: project,
    logging: kafkaLogging(logger),
    onGap: (partition, from, to) => {
      logger.error({ partition, from, to }, "the log has forgotten records that were not read yet");
    },
  });
}

/** The embedded log's letters lie beside the store, Kafka's in their topic. */
export async function openDeadLetterSink(
  { log, storeFolder }: StartShard,
  logger: ThreadLogger,
): Promise<DeadLetterSink> {
  if (log.kind === "sqlite") {
    return await openDeadLetterFile({
      folder: storeFolder,
      onForgotten: (letters) => {
        logger.error({ letters }, "dead letters were forgotten to make room for new ones");
      },
    });
  }
  const { openKafkaDeadLetterSink } = await import("../lib/log/kafka/mod.ts");
  return openKafkaDeadLetterSink({
    settings: log.settings,
    topic: log.dlqTopic,
    logging: kafkaLogging(logger),
  });
}

/** Where live partials go beside the main thread. */
export interface LiveTopic {
  publish(frames: readonly LiveFrame[]): Promise<void>;
  close(): Promise<void>;
}

/** The topic metrics-data; null on the embedded log, which has no other process to tell. */
export async function openLiveTopic(
  { log }: StartShard,
  logger: ThreadLogger,
): Promise<LiveTopic | null> {
  if (log.kind === "sqlite") return null;
  const { TopicProducer } = await import("../lib/log/kafka/mod.ts");
  const producer = new TopicProducer(log.settings, log.metricsTopic, kafkaLogging(logger));
  return {
    publish: (frames) =>
      producer.send(frames.map(({ partition, bytes }) => ({ key: `${partition}`, value: bytes }))),
    close: () => producer.close(),
  };
}
