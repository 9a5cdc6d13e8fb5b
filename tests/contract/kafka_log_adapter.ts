/** The log on Kafka for the contract suite, in one of its two forms of records. */
import { LogError } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaLogReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { waitUntil } from "../support/deadline.ts";
import { type SharedKafka, uniqueName } from "../support/kafka_shared.ts";
import { kafkaSettings, makeTopic, silent, withAdmin } from "../support/kafka_topic.ts";
import type { LogAdapter } from "./log_adapter.ts";

type Records = KafkaLogSettings["records"];

/** The adapter on a broker. */
export function kafkaLogAdapter(kafka: SharedKafka, records: Records): LogAdapter {
  return {
    name: `kafka ${records}`,
    moduleUrl: import.meta.url,
    trims: false,
    offsetsCount: records === "single" ? "events" : "records",
    readersHear: "reads",
    test: kafka.test,
    makeLocation: () => Promise.resolve(`${kafka.bootstrap}/${records}/${uniqueName("log")}`),
    async removeLocation(location) {
      const settings = settingsOf(location);
      await withAdmin(settings, async (admin) => {
        const topics = await admin.listTopics();
        if (topics.includes(settings.topic)) await admin.deleteTopics({ topics: [settings.topic] });
      });
    },
    async openWriter(location, partitions) {
      const settings = settingsOf(location);
      const open = () => openKafkaLogWriter({ settings, partitions, logging: silent });
      try {
        return await open();
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
      await makeTopic(settings, partitions);
      return await waitUntil(() => open().catch(unlessUnavailable), { what: "the new topic" });
    },
    openReader(location) {
      const settings = settingsOf(location);
      const { topic } = settings;
      return openKafkaLogReader({ settings, topic, projectDefault: "default", logging: silent });
    },
  };
}

/** For child processes, which are given a location that says all. */
export const adapter: LogAdapter = kafkaLogAdapter(
  {
    bootstrap: "",
    test: (name, fn) => ({ name, fn }),
  },
  "single",
);

/** A location is `host:port/records/topic`. */
function settingsOf(location: string): KafkaLogSettings {
  const [broker, records, topic] = location.split("/");
  return kafkaSettings(broker, { topic, records: records as Records });
}

function isUnavailable(error: unknown): boolean {
  return error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE";
}

function unlessUnavailable(error: unknown): null {
  if (isUnavailable(error)) return null;
  throw error;
}
