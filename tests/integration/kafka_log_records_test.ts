/** What our records are to others, and theirs to us: Kafka's own Java tools are the other side. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type CompressionTypes, Kafka, logLevel, type Message } from "kafkajs";
import { linePlace, type LogRecord } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaLogReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import { waitUntil } from "../support/deadline.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { kafkaSettings, linesOf, makeTopic, silent } from "../support/kafka_topic.ts";
import { runKafkaTool } from "../support/kafka_tool.ts";

const kafka = await sharedKafka();
const PARTITIONS = 7;
const BYTES_ENOUGH = 1 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const USERS = ["u", "user-1", "ünï", "", "00000000-0000-7000-8000-000000000000", "☃", "a b\\c"];

function keyPartition(key: string): number {
  const bytes = encoder.encode(key);
  return partitionOf(bytes, 0, bytes.length, PARTITIONS);
}

async function topicOf(changes: Partial<KafkaLogSettings> = {}): Promise<KafkaLogSettings> {
  const settings = kafkaSettings(kafka.bootstrap, changes);
  await makeTopic(settings, PARTITIONS);
  return settings;
}

/** All records of all partitions. */
async function readTopic(settings: KafkaLogSettings, join = true): Promise<LogRecord[]> {
  const { topic } = settings;
  const reader = await openKafkaLogReader({
    settings,
    topic,
    join,
    projectDefault: "default",
    logging: silent,
  });
  const all: LogRecord[] = [];
  for (let partition = 0; partition < reader.partitions; partition++) {
    for (let offset = 0;;) {
      const records = await reader.read(partition, offset, BYTES_ENOUGH);
      if (records.length === 0) break;
      all.push(...records);
      offset = records.at(-1)!.nextOffset;
    }
  }
  await reader.close();
  return all;
}

/** Writes by Kafka's console producer; lines of `key:value`, or of values when no line has a key. */
async function produceByJava(
  settings: KafkaLogSettings,
  lines: readonly string[],
  more: readonly string[] = [],
): Promise<void> {
  await runKafkaTool(
    "org.apache.kafka.tools.ConsoleProducer",
    ["--bootstrap-server", kafka.bootstrap, "--topic", settings.topic, ...more],
    { input: lines.map((line) => `${line}\n`).join("") },
  );
}

interface JavaRecord {
  readonly partition: number;
  readonly timestamp: number;
  readonly headers: string;
  readonly key: string;
  readonly value: string;
}

/** Reads `count` records by Kafka's console consumer. */
async function consumeByJava(settings: KafkaLogSettings, count: number): Promise<JavaRecord[]> {
  const printed = ["partition", "timestamp", "headers", "key", "value"];
  const { stdout } = await runKafkaTool("org.apache.kafka.tools.consumer.ConsoleConsumer", [
    ...["--bootstrap-server", kafka.bootstrap, "--topic", settings.topic, "--from-beginning"],
    ...["--max-messages", `${count}`, "--timeout-ms", "20000"],
    ...printed.flatMap((name) => ["--property", `print.${name}=true`]),
    // Values may hold newlines.
    ...[
      "--property",
      "line.separator=\u0001",
      "--property",
      "key.separator=\t",
    ],
  ]);
  return stdout.split("\u0001").slice(0, -1).map((line) => {
    const [timestamp, partition, headers, key, ...value] = line.split("\t");
    return {
      partition: Number(partition.replace("Partition:", "")),
      timestamp: Number(timestamp.replace("CreateTime:", "")),
      headers,
      key,
      value: value.join("\t"),
    };
  });
}

function eventOf(user: string, n: number): string {
  return JSON.stringify({ id: `e${n}`, user_id: user, event_type: "x", timestamp: 1, n });
}

Deno.test(kafka.test("events are placed where Java's default partitioner places them", async () => {
  const settings = await topicOf();
  const keys = [
    ...USERS.filter((user) => user !== ""),
    ...Array.from({ length: 60 }, (_, i) => {
      return `user-${i}${"x".repeat(i % 9)}`;
    }),
  ];
  const parse = ["parse.key=true", "key.separator=|"].flatMap((each) => [
    "--property",
    each,
  ]);
  await produceByJava(settings, keys.map((key) => `${key}|${key}`), parse);
  const records = await readTopic(settings);
  const placed = records.flatMap(({ partition, value }) =>
    linesOf(value).map((key): [string, number] => [key, partition])
  );
  assert.equal(placed.length, keys.length);
  for (const [key, partition] of placed) assert.equal(partition, keyPartition(key), key);
}));

Deno.test(kafka.test("single records are for other consumers what they expect", async () => {
  const settings = await topicOf({ records: "single" });
  const writer = await openKafkaLogWriter({ settings, partitions: PARTITIONS, logging: silent });
  await writer.append(USERS.map((user, n) => ({
    partition: keyPartition(user),
    project: "projekt-ä",
    receivedAtMs: 1_767_225_600_000.5 + n,
    events: 1,
    value: encoder.encode(`${eventOf(user, n)}\n`),
  })));
  await writer.close();
  const seen = await consumeByJava(settings, USERS.length);
  for (const { partition, timestamp, headers, key, value } of seen) {
    const event = JSON.parse(value);
    assert.equal(key, event.user_id);
    assert.equal(value, eventOf(key, event.n));
    assert.equal(partition, keyPartition(key));
    const [project, receivedAt, format] = headers.split(",");
    assert.deepEqual([project, format], ["project:projekt-ä", "format:json"]);
    assert.equal(timestamp, Math.floor(Number(receivedAt.replace("received_at:", ""))));
  }
  assert.deepEqual(seen.map(({ key }) => key).sort(), [...USERS].sort());
}));

const TRACEPARENT = `00-${"0af7651916cd43dd".repeat(2)}-b7ad6b7169203331-01`;

for (const records of ["single", "batched"] as const) {
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const what = `${records} records by ${compression} are read by Java and by us`;
    Deno.test(kafka.test(what, async () => {
      const settings = await topicOf({ records, compression });
      const writer = await openKafkaLogWriter({
        settings,
        partitions: PARTITIONS,
        logging: silent,
      });
      const lines = Array.from({ length: 200 }, (_, n) => eventOf(`user-${n % 10}`, n));
      const traceparent = compression === "gzip" ? TRACEPARENT : null;
      await writer.append([0, 100].map((from) => ({
        partition: 3,
        project: "p",
        receivedAtMs: 1_767_225_600_000,
        traceparent,
        events: 100,
        value: encoder.encode(lines.slice(from, from + 100).map((line) => `${line}\n`).join("")),
      })));
      await writer.close();
      const byJava = await consumeByJava(settings, records === "single" ? 200 : 1);
      const text = byJava.map(({ value }) => value).join(records === "single" ? "\n" : "");
      assert.equal(text.trimEnd(), lines.join("\n"));
      const said = records === "single" ? "format:json" : "format:ndjson,events:200";
      const trace = traceparent === null ? "" : `,traceparent:${traceparent}`;
      const headers = `project:p,received_at:1767225600000,${said}${trace}`;
      assert.ok(byJava.every((record) => record.headers === headers), byJava[0].headers);
      const byUs = await readTopic(settings);
      assert.deepEqual(byUs.flatMap(({ value }) => linesOf(value)), lines);
      assert.ok(byUs.every((record) => (record.traceparent ?? null) === traceparent));
    }));
  }
}

for (const codec of ["gzip", "snappy", "lz4", "zstd"]) {
  Deno.test(kafka.test(`foreign records packed by ${codec} are read`, async () => {
    const settings = await topicOf();
    const lines = Array.from({ length: 3_000 }, (_, n) => eventOf(`user-${n}`, n));
    await produceByJava(settings, lines, ["--compression-codec", codec, "--batch-size", "200000"]);
    const records = await readTopic(settings);
    assert.ok(records.every(({ foreign }) => foreign));
    const read = records.flatMap(({ value }) => linesOf(value));
    assert.deepEqual(read.sort(), [...lines].sort());
  }));
}

/** Writes by kafkajs, which leaves keys, values and headers to us. */
async function produceRaw(
  { brokers, topic }: KafkaLogSettings,
  messages: Message[],
  codec = 0,
): Promise<void> {
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic, messages, compression: codec as CompressionTypes });
  await producer.disconnect();
}

Deno.test(kafka.test("foreign records of any kind are read as they are", async () => {
  const settings = await topicOf();
  const pretty = JSON.stringify({ user_id: "u" }, null, 2);
  const garbage = Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x80]);
  const values = ["a", "b", pretty, garbage, null, "", "c\n", "d"];
  const timestamp = "1767225600123";
  await produceRaw(
    settings,
    values.map((value, n) => ({
      key: ["k", null, "", garbage][n % 4],
      value,
      timestamp,
      headers: n === 7 ? { project: "theirs", trace: "1" } : {},
    })),
  );
  const records = await readTopic(settings);
  assert.deepEqual(
    records.map(({ offset, nextOffset, events, value, format, project }) => [
      offset,
      nextOffset,
      events,
      decoder.decode(value),
      format,
      project,
    ]),
    [
      [0, 2, 2, "a\nb\n", "ndjson", "default"],
      [2, 3, 1, pretty, "json", "default"],
      [3, 4, 1, decoder.decode(garbage), "json", "default"],
      [4, 5, 1, "", "json", "default"],
      [5, 6, 1, "", "json", "default"],
      [6, 7, 1, "c\n", "json", "default"],
      [7, 8, 1, "d\n", "ndjson", "theirs"],
    ],
  );
  assert.ok(
    records.every(({ foreign, receivedAtMs }) => foreign && `${receivedAtMs}` === timestamp),
  );
  assert.deepEqual(records[2].value, Uint8Array.from(garbage));
  const alone = await readTopic(settings, false);
  const whole = values.map((value) => value === null ? "" : value);
  assert.deepEqual(
    alone.map(({ value }) => decoder.decode(value)),
    whole.map((value) => typeof value === "string" ? value : decoder.decode(value)),
  );
}));

Deno.test(
  kafka.test("events of aborted transactions are not read, and count for no lag", async () => {
    const settings = await topicOf();
    const client = new Kafka({ brokers: [...settings.brokers], logLevel: logLevel.NOTHING });
    const producer = client.producer({
      createPartitioner: () => () => 0,
      transactionalId: settings.topic,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    // Of now, like those of the ends: an old time would begin a new segment, and end fetches there.
    const timestamp = `${Date.now()}`;
    for (const [value, commit] of [["a", true], ["b", false], ["c", true], ["d", false]] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: settings.topic, messages: [{ value, timestamp }] });
      await (commit ? transaction.commit() : transaction.abort());
    }
    await producer.disconnect();
    const { topic } = settings;
    const reader = await openKafkaLogReader({
      settings,
      topic,
      projectDefault: "default",
      logging: silent,
    });
    // The broker answers the end of a transaction before it has marked it in the log.
    const [record, ...more] = await waitUntil(async () => {
      const records = await reader.read(0, 0, BYTES_ENOUGH);
      return records.at(-1)?.nextOffset === 8 ? records : null;
    }, { what: "the ends of the transactions" });
    assert.deepEqual(more, []);
    assert.deepEqual(linesOf(record.value), ["a", "c"]);
    // a, its end, b, its end, c, its end, d, its end.
    assert.deepEqual([0, 1].map((line) => linePlace(record, line).offset), [0, 4]);
    assert.deepEqual(await reader.read(0, 8, BYTES_ENOUGH), []);
    assert.equal(reader.highWater(0), 8);
    assert.deepEqual(await reader.read(0, 6, BYTES_ENOUGH), []);
    assert.equal(reader.highWater(0), 6);
    await reader.close();
  }),
);
