/** What the log on Kafka has to say, into a thread's own log. */
import type { KafkaLogging } from "../lib/log/kafka/settings.ts";
import type { ThreadLogger } from "../lib/telemetry/thread_logger.ts";

/** Passes warnings on to the logger. */
export function kafkaLogging(logger: ThreadLogger): KafkaLogging {
  return { warn: (message, detail) => logger.warn(detail, message) };
}
