/** The log on Apache Kafka. The port is lib/log/event_log.ts. */
export { createKafka } from "./client.ts";
export type { KafkaClientOptions } from "./client.ts";
export { openKafkaDeadLetterSink } from "./dead_letter_topic.ts";
export { openKafkaGroupReader } from "./group_reader.ts";
export type { KafkaGroupReaderOptions } from "./group_reader.ts";
export { openKafkaLogReader } from "./log_reader.ts";
export type { KafkaLogReaderOptions } from "./log_reader.ts";
export { openKafkaLogWriter } from "./log_writer.ts";
export type { KafkaLogWriterOptions } from "./log_writer.ts";
export type { KafkaLogging, KafkaLogSettings, KafkaSettings } from "./settings.ts";
export { TopicProducer } from "./topic_producer.ts";
