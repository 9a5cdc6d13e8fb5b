/** What the log on Kafka has to say, into a thread's own log. */
import type { KafkaLogging } from "../lib/log/kafka/settings.ts";
import type { Logger } from "../lib/telemetry/logger.ts";

/** Passes warnings on to the logger. */
export function kafkaLogging(logger: Logger): KafkaLogging {
  return { warn: (message, detail) => logger.warn(detail, message) };
}
