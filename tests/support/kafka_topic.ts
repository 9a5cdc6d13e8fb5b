/** Topics, settings and numbered events for tests of the log on Kafka. */
import type { Admin } from "kafkajs";
import type { AppendBatch, LogRecord } from "../../lib/log/event_log.ts";
import { createKafka, type KafkaLogging, type KafkaLogSettings } from "../../lib/log/kafka/mod.ts";
import { uniqueName } from "./kafka_shared.ts";

const REQUEST_MS_MAX = 10_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Says nothing. */
export const silent: KafkaLogging = { warn: () => {} };

/** Settings for a topic of its own name, which does not exist yet. */
export function kafkaSettings(
  bootstrap: string,
  changes: Partial<KafkaLogSettings> = {},
): KafkaLogSettings {
  const topic = changes.topic ?? uniqueName("topic");
  return {
    brokers: [bootstrap],
    clientId: "rta-test",
    tls: null,
    sasl: null,
    group: `${topic}-group`,
    records: "single",
    compression: "none",
    sessionTimeoutMs: 6_000,
    ...changes,
    topic,
  };
}

/** Makes the topic; its partitions may have no leaders for a moment. */
export async function makeTopic(
  settings: KafkaLogSettings,
  partitions: number,
  config: Readonly<Record<string, string>> = {},
): Promise<void> {
  // The times of these tests may lie before any retention.
  const entries = Object.entries({ "retention.ms": "-1", ...config });
  const plan = {
    topic: settings.topic,
    numPartitions: partitions,
    replicationFactor: 1,
    configEntries: entries.map(([name, value]) => ({ name, value })),
  };
  // kafkajs gives up waiting for leaders when the broker has not heard of the topic yet.
  const options = { topics: [plan], waitForLeaders: false };
  await withAdmin(settings, (admin) => admin.createTopics(options));
}

/** Lends kafkajs's own admin client. */
export async function withAdmin<T>(
  settings: Pick<KafkaLogSettings, "brokers"> & Partial<KafkaLogSettings>,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const all = { clientId: "rta-test", tls: null, sasl: null, ...settings };
  const options = { logging: null, retry: {}, requestTimeoutMs: REQUEST_MS_MAX };
  const admin = createKafka(all, options).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** A batch of the events `{"n":from}` up to `{"n":to - 1}`, padded to `lineBytes` each. */
export function numbered(
  partition: number,
  from: number,
  to: number,
  lineBytes = 0,
): AppendBatch {
  const lines: string[] = [];
  for (let n = from; n < to; n++) lines.push(`${`{"n":${n}}`.padEnd(lineBytes - 1)}\n`);
  const value = encoder.encode(lines.join(""));
  // Of now: a broker that was killed forgets producers whose last records are a day old.
  return { partition, project: "p", receivedAtMs: Date.now(), events: to - from, value };
}

/** The numbers of a record's events. */
export function numbersOf({ value }: LogRecord): number[] {
  return linesOf(value).map((line) => JSON.parse(line).n);
}

/** The lines of a value, without their newlines. */
export function linesOf(value: Uint8Array): string[] {
  return decoder.decode(value).split("\n").slice(0, -1);
}
