/** `rta topics` against a real broker: topics made and left alone, listed, described, watched. */
import assert from "node:assert/strict";
import { CompressionTypes, Kafka, logLevel, type Message } from "kafkajs";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "../../services/commands/command_io.ts";
import {
  createCommand,
  describeCommand,
  listCommand,
  tailCommand,
  type TopicsCommandOptions,
} from "../../services/commands/topics_command.ts";
import { capturedIo } from "../support/captured_io.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { sharedKafka, uniqueName } from "../support/kafka_shared.ts";

const kafka = await sharedKafka();

/** The variables of a platform of its own on the shared cluster. */
function environment() {
  return {
    RTA_KAFKA_BROKERS: kafka.bootstrap,
    RTA_KAFKA_WAIT_SECONDS: "10",
    RTA_KAFKA_TOPIC: uniqueName("events"),
    RTA_KAFKA_METRICS_TOPIC: uniqueName("metrics"),
    RTA_KAFKA_DLQ_TOPIC: uniqueName("letters"),
  };
}

type Subcommand = (
  options: TopicsCommandOptions,
  io: ReturnType<typeof capturedIo>,
  env: ReturnType<typeof environment>,
) => Promise<number>;

async function run(
  command: Subcommand,
  options: TopicsCommandOptions,
  env: ReturnType<typeof environment>,
) {
  const io = capturedIo();
  const code = await command(options, io, env);
  return { code, out: io.out(), err: io.err() };
}

async function produce(topic: string, messages: Message[], compression = CompressionTypes.None) {
  const client = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
  const producer = client.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    await producer.send({ topic, messages, compression });
  } finally {
    await producer.disconnect();
  }
}

Deno.test(kafka.test("createCommand() makes the topics, then leaves them as they are", async () => {
  const env = environment();
  const first = await run(createCommand, { partitions: "3", retentionHours: "5" }, env);
  assert.equal(first.code, EXIT_DONE, first.err);
  assert.deepEqual(first.out.trimEnd().split("\n").map((line) => line.split(/ {2,}/)), [
    [env.RTA_KAFKA_TOPIC, "created, 3 partitions, 1 replica"],
    [env.RTA_KAFKA_METRICS_TOPIC, "created, 3 partitions, 1 replica"],
    [env.RTA_KAFKA_DLQ_TOPIC, "created, 1 partition, 1 replica"],
  ]);

  const again = await run(createCommand, { partitions: "4", retentionHours: "6" }, env);
  assert.equal(again.code, EXIT_DONE, again.err);
  assert.deepEqual(again.out.trimEnd().split("\n").map((line) => line.split(/ {2,}/)[1]), [
    "is there with 3 partitions, not 4: left as it is",
    "is there with 3 partitions, not 4: left as it is",
    "is there, 1 partition",
  ]);
  const { out } = await run((...rest) => describeCommand([], ...rest), {}, env);
  assert.equal(out.match(/retention\.ms=18000000\n/g)!.length, 2);
  assert.match(out, /cleanup\.policy=compact,delete\n/);
}));

Deno.test(kafka.test("createCommand() names the topic that the brokers refuse", async () => {
  const env = environment();
  const { code, err } = await run(createCommand, { replication: "9" }, env);
  assert.equal(code, EXIT_NOT_DONE);
  assert.match(err, new RegExp(`${env.RTA_KAFKA_TOPIC}: Replication-factor is invalid`));
}));

Deno.test(
  kafka.test("listCommand() and describeCommand() tell partitions and offsets", async () => {
    const env = environment();
    await run(createCommand, { partitions: "2" }, env);
    const message = { partition: 1, value: "x" };
    await produce(env.RTA_KAFKA_TOPIC, [message, message, message]);

    const list = await run(listCommand, {}, env);
    const line = list.out.split("\n").find((each) => each.includes(env.RTA_KAFKA_TOPIC))!;
    assert.match(line, /\s2\s+1\s+3\s+events$/);
    assert.doesNotMatch(list.out, /__consumer_offsets/);

    const names = [env.RTA_KAFKA_TOPIC, "no-such-topic"];
    const described = await run((...rest) => describeCommand(names, ...rest), {}, env);
    assert.equal(described.code, EXIT_NOT_DONE);
    assert.match(described.out, /\n\s+1\s+1\s+1\s+1\s+0\s+3\n/);
    assert.equal(described.err, "rta topics: not there: no-such-topic\n");
  }),
);

Deno.test(kafka.test("tailCommand() prints key, headers and value of every record", async () => {
  const env = environment();
  await run(createCommand, { partitions: "1" }, env);
  const headers = { project: "shop", format: "json" };
  await produce(env.RTA_KAFKA_TOPIC, [{ key: "u1", headers, value: '{"n":1}', timestamp: "1000" }]);
  const packed = [{ value: '{"n":2}\n{"n":3}\n' }, { key: "u2", value: null }];
  await produce(env.RTA_KAFKA_TOPIC, packed, CompressionTypes.GZIP);

  const tail = await run(
    (...rest) => tailCommand(undefined, ...rest),
    { fromBeginning: true, limit: 3 },
    env,
  );
  assert.equal(tail.code, EXIT_DONE, tail.err);
  const lines = tail.out.split("\n");
  assert.equal(lines[0], "0:0 1970-01-01T00:00:01.000Z key=u1 project=shop format=json");
  assert.equal(lines[1], '{"n":1}');
  assert.match(lines[2], /^0:1 20\S+Z$/);
  assert.deepEqual(lines.slice(3, 5), ['{"n":2}', '{"n":3}']);
  assert.match(lines[5], /^0:2 20\S+Z key=u2$/);
  assert.deepEqual(lines.slice(6), ["null", ""]);
}));

Deno.test(
  kafka.test("tailCommand() begins with what is new, and ends when interrupted", async () => {
    const env = environment();
    await run(createCommand, { partitions: "2" }, env);
    await produce(env.RTA_KAFKA_TOPIC, [{ value: "old", partition: 0 }]);
    const interrupt = new AbortController();
    const io = capturedIo({ signal: interrupt.signal });
    const ended = tailCommand(undefined, {}, io, env);
    // Where the end was when it looked is not to be seen; one of these is behind it.
    await waitUntil(async () => {
      await produce(env.RTA_KAFKA_TOPIC, [{ value: "new", partition: 0 }]);
      return io.out() !== "";
    }, { what: "a new record", deadlineMs: 20_000 });
    interrupt.abort();
    assert.equal(await withDeadline(ended, { what: "the end of tail" }), EXIT_INTERRUPTED);
    assert.match(io.out(), /^0:\d+ \S+\nnew\n/);
    assert.doesNotMatch(io.out(), /old/);
  }),
);

Deno.test(kafka.test("tailCommand() says so when there is no such topic", async () => {
  const { code, err } = await run((...rest) => tailCommand("none", ...rest), {}, environment());
  assert.equal(code, EXIT_NOT_DONE);
  assert.match(err, /rta topics: cannot reach none on /);
}));

Deno.test("createCommand() names a missing setting, or the brokers that are away", async () => {
  const unset = capturedIo();
  assert.equal(await createCommand({}, unset, {}), EXIT_NOT_DONE);
  assert.match(unset.err(), /RTA_KAFKA_BROKERS/);
  const away = capturedIo();
  const env = { RTA_KAFKA_WAIT_SECONDS: "0" };
  assert.equal(await createCommand({ brokers: "127.0.0.1:1" }, away, env), EXIT_NOT_DONE);
  assert.match(away.err(), /no Kafka broker at 127\.0\.0\.1:1 after 0 s: .*ECONNREFUSED/);
});
