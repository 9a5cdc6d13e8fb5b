/** What a topic's own limits do to the writer. */
import assert from "node:assert/strict";
import { LogError } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaLogReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { waitUntil } from "../support/deadline.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import {
  kafkaSettings,
  makeTopic,
  numbered,
  numbersOf,
  silent,
  withAdmin,
} from "../support/kafka_topic.ts";

const kafka = await sharedKafka();
const BYTES_ENOUGH = 1 << 22;

async function readAll(settings: KafkaLogSettings): Promise<number[]> {
  const { topic } = settings;
  const options = { settings, topic, projectDefault: "default", logging: silent };
  const reader = await openKafkaLogReader(options);
  const numbers: number[] = [];
  for (let offset = 0;;) {
    const records = await reader.read(0, offset, BYTES_ENOUGH);
    if (records.length === 0) break;
    numbers.push(...records.flatMap(numbersOf));
    offset = records.at(-1)!.nextOffset;
  }
  await reader.close();
  return numbers;
}

for (const records of ["single", "batched"] as const) {
  const what = `append() makes ${records} batches that the topic takes, and names the others`;
  Deno.test(kafka.test(what, async () => {
    const settings = kafkaSettings(kafka.bootstrap, { records });
    await makeTopic(settings, 1, { "max.message.bytes": "50000" });
    const options = { settings, partitions: 1, logging: silent };
    const writer = await waitUntil(() => openKafkaLogWriter(options).catch(() => null), {
      what: "the writer",
    });
    await writer.append([numbered(0, 0, 100, 8_000)]);
    await assert.rejects(
      writer.append([
        numbered(0, 100, 110, 8_000),
        numbered(0, 110, 111, 60_000),
        numbered(0, 111, 120, 8_000),
      ]),
      (error) => error instanceof LogError && `${error.failedBatches}` === "1",
    );
    await writer.append([numbered(0, 120, 121)]);
    await writer.close();
    const expected = Array.from({ length: 121 }, (_, n) => n).filter((n) => n !== 110);
    assert.deepEqual(await readAll(settings), expected);
  }));
}

Deno.test(
  kafka.test("append() goes on when partitions are added, a new writer refuses", async () => {
    const settings = kafkaSettings(kafka.bootstrap);
    await makeTopic(settings, 1);
    const options = { settings, partitions: 1, logging: silent };
    const writer = await waitUntil(() => openKafkaLogWriter(options).catch(() => null), {
      what: "the writer",
    });
    await writer.append([numbered(0, 0, 1)]);
    await withAdmin(
      settings,
      (admin) => admin.createPartitions({ topicPartitions: [{ topic: settings.topic, count: 3 }] }),
    );
    await writer.append([numbered(0, 1, 2)]);
    await writer.close();
    await assert.rejects(
      openKafkaLogWriter(options),
      (error) => error instanceof LogError && error.code === "RTA_LOG_PARTITIONS_CHANGED",
    );
    assert.deepEqual(await readAll(settings), [0, 1]);
  }),
);
