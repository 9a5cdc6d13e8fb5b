/** Topics full of events, as the platform's ingest would have written them. */
import type { GeneratorOptions } from "../../lib/import/event_generator.ts";
import { openKafkaLogWriter } from "../../lib/log/kafka/mod.ts";
import type { FilledTopic } from "./kafka_peers.ts";
import type { KafkaTestbed, RecordForm } from "./kafka_testbed.ts";
import { madeLoad } from "./made_events.ts";
import { fillLog } from "./prepared_log.ts";

/** Makes a topic and fills it by the platform's own writer. */
export async function fillTopic(
  kafka: KafkaTestbed,
  records: RecordForm,
  partitions: number,
  load: Pick<GeneratorOptions, "events" | "seed" | "startMs" | "endMs">,
): Promise<FilledTopic> {
  const topic = await kafka.createTopic("backlog", partitions);
  const writer = await openKafkaLogWriter({
    settings: kafka.settings(topic, records),
    partitions,
    logging: { warn: (message, detail) => console.error(message, detail) },
  });
  try {
    await fillLog(writer, madeLoad(load));
  } finally {
    await writer.close();
  }
  const kafkaRecords = await kafka.countRecords(topic);
  const { bootstrap } = kafka;
  return { bootstrap, topic, partitions, records, events: load.events, kafkaRecords };
}
