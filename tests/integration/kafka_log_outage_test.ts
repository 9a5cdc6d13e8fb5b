/** The writer while its broker is away, killed or hangs. */
import assert from "node:assert/strict";
import { KAFKA_DELIVERY_MS_MAX } from "../../lib/config/limits.ts";
import { type EventLogWriter, LogError } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaLogReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import { type KafkaBroker, startKafkaBroker } from "../support/kafka_broker.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { kafkaSettings, makeTopic, numbered, numbersOf, silent } from "../support/kafka_topic.ts";

const PARTITIONS = 2;
const BYTES_ENOUGH = 1 << 20;
/** Beyond what is promised, for a busy machine. */
const SLACK_MS = 2_000;

const kafka = await sharedKafka();

/** A test with a broker of its own, to be broken. */
function test(name: string, body: (broker: KafkaBroker) => Promise<void>): void {
  Deno.test(kafka.test(name, async () => {
    await using broker = await startKafkaBroker();
    await body(broker);
  }));
}

interface Opened {
  readonly settings: KafkaLogSettings;
  readonly writer: EventLogWriter;
  /** What onAvailability() said. */
  readonly said: boolean[];
}

async function open(broker: KafkaBroker, records: "single" | "batched"): Promise<Opened> {
  const settings = kafkaSettings(broker.bootstrap, { records });
  await makeTopic(settings, PARTITIONS);
  const said: boolean[] = [];
  const writer = await waitUntil(() =>
    openKafkaLogWriter({
      settings,
      partitions: PARTITIONS,
      logging: silent,
      onAvailability: (available) => said.push(available),
    }).catch(() => null), { what: "the writer" });
  return { settings, writer, said };
}

/** The numbers of all events of a partition, in order. */
async function readPartition(settings: KafkaLogSettings, partition: number): Promise<number[]> {
  const { topic } = settings;
  const options = { settings, topic, projectDefault: "default", logging: silent };
  const reader = await waitUntil(() => openKafkaLogReader(options).catch(() => null), {
    what: "the reader",
  });
  const numbers: number[] = [];
  for (let offset = 0;;) {
    const records = await reader.read(partition, offset, BYTES_ENOUGH);
    if (records.length === 0) break;
    numbers.push(...records.flatMap(numbersOf));
    offset = records.at(-1)!.nextOffset;
  }
  await reader.close();
  return numbers;
}

async function rejectionMs(append: Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await assert.rejects(
    append,
    (error) => error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE",
  );
  return performance.now() - startedAt;
}

/** Appends until it goes well. */
async function appendAgain(writer: EventLogWriter, n: number): Promise<void> {
  await waitUntil(() => writer.append([numbered(0, n, n + 1)]).then(() => true, () => false), {
    what: "an append after the broker came back",
    deadlineMs: 20_000,
  });
}

test("append() rejects in time without a broker, soon after that, and recovers", async (broker) => {
  const { settings, writer, said } = await open(broker, "single");
  await writer.append([numbered(0, 0, 1)]);
  await broker.kill();
  const firstMs = await rejectionMs(writer.append([numbered(0, 1, 2)]));
  assert.ok(firstMs < KAFKA_DELIVERY_MS_MAX + SLACK_MS, `${firstMs} ms`);
  assert.deepEqual(said, [false]);
  for (let n = 2; n < 4; n++) {
    const laterMs = await rejectionMs(writer.append([numbered(0, n, n + 1)]));
    assert.ok(laterMs < 1_000, `${laterMs} ms`);
  }
  await broker.restart();
  await appendAgain(writer, 4);
  assert.deepEqual(said, [false, true]);
  await writer.close();
  assert.deepEqual(await readPartition(settings, 0), [0, 4]);
});

test("append() of an unknown outcome does not hide the next one", async (broker) => {
  const { settings, writer } = await open(broker, "batched");
  await writer.append([numbered(0, 0, 1)]);
  broker.pause();
  // The broker gets the request, and will write it when it goes on.
  const unknownMs = await rejectionMs(writer.append([numbered(0, 1, 2)]));
  assert.ok(unknownMs < KAFKA_DELIVERY_MS_MAX + SLACK_MS, `${unknownMs} ms`);
  assert.ok(await rejectionMs(writer.append([numbered(0, 2, 3)])) < 1_000);
  broker.resume();
  await appendAgain(writer, 3);
  await writer.append([numbered(0, 4, 5)]);
  await writer.close();
  const numbers = await readPartition(settings, 0);
  assert.deepEqual(numbers.filter((n) => n !== 1), [0, 3, 4]);
  assert.ok(numbers.filter((n) => n === 1).length <= 1);
});

for (const records of ["single", "batched"] as const) {
  const what = `append() loses nothing acknowledged when the broker is killed, ${records}`;
  test(what, async (broker) => {
    const { settings, writer } = await open(broker, records);
    const acked = [new Set<number>(), new Set<number>()];
    let stopping = false;
    let next = 0;
    const load = async () => {
      while (!stopping) {
        const from = next;
        next += 200;
        const [a, b] = [from + 100, from + 200];
        try {
          await writer.append([numbered(0, from, a), numbered(1, a, b)]);
          for (let n = from; n < b; n++) acked[n < a ? 0 : 1].add(n);
        } catch (error) {
          assert.ok(error instanceof LogError, `${error}`);
        }
      }
    };
    const loading = load();
    for (let round = 0; round < 2; round++) {
      const before = acked[0].size;
      await waitUntil(() => acked[0].size >= before + 2_000, {
        what: "acknowledgements",
        deadlineMs: 30_000,
      });
      await someTime(Math.random() * 50);
      await broker.kill();
      await broker.restart();
    }
    const before = acked[0].size;
    await waitUntil(() => acked[0].size > before, { what: "one more", deadlineMs: 30_000 });
    stopping = true;
    await loading;
    await writer.close();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const numbers = await readPartition(settings, partition);
      const seen = new Set(numbers);
      assert.equal(seen.size, numbers.length, "an event was written twice");
      for (const n of acked[partition]) assert.ok(seen.has(n), `${n} was lost`);
      const inOrder = numbers.filter((n) => acked[partition].has(n));
      assert.deepEqual(inOrder, [...acked[partition]]);
    }
  });
}
