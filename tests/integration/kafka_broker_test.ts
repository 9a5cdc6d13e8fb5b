/** The broker that other tests stand on: it starts, keeps what it has, ends, and leaves nothing. */
import assert from "node:assert/strict";
import { Kafka, logLevel, type SASLOptions } from "kafkajs";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { startKafkaBroker } from "../support/kafka_broker.ts";
import { KafkaStartError } from "../support/kafka_process.ts";
import { SASL_USER } from "../support/kafka_properties.ts";
import { sharedKafka, uniqueName } from "../support/kafka_shared.ts";
import { runKafkaTool } from "../support/kafka_tool.ts";

const kafka = await sharedKafka();
const TOPICS = "org.apache.kafka.tools.TopicCommand";

async function createTopic(bootstrap: string, topic: string): Promise<void> {
  const args = ["--bootstrap-server", bootstrap, "--create", "--topic", topic];
  await runKafkaTool(TOPICS, [...args, "--partitions", "3"]);
}

async function hasTopic(bootstrap: string, topic: string): Promise<boolean> {
  const { stdout } = await runKafkaTool(TOPICS, ["--bootstrap-server", bootstrap, "--list"]);
  return stdout.split("\n").includes(topic);
}

/** Whether a process runs; one that ended and is not yet taken note of does not. */
function isAlive(pid: number): boolean {
  const { stdout } = new Deno.Command("ps", { args: ["-o", "stat=", "-p", `${pid}`] }).outputSync();
  return /^[^Z]/.test(new TextDecoder().decode(stdout).trim());
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test(kafka.test("sharedKafka() gives a broker that Kafka's own tools work with", async () => {
  const topic = uniqueName("tools");
  const server = ["--bootstrap-server", kafka.bootstrap, "--topic", topic];
  await createTopic(kafka.bootstrap, topic);
  await runKafkaTool("org.apache.kafka.tools.ConsoleProducer", server, { input: "one\ntwo\n" });
  const { stdout } = await runKafkaTool(
    "org.apache.kafka.tools.consumer.ConsoleConsumer",
    [...server, "--from-beginning", "--max-messages", "2"],
  );
  assert.deepEqual(stdout.trim().split("\n").sort(), ["one", "two"]);
}));

Deno.test(
  kafka.test("KafkaBroker keeps topics and address through stop, kill and restart", async () => {
    await using broker = await startKafkaBroker();
    const { bootstrap, pid } = broker;
    const topic = uniqueName("kept");
    await createTopic(bootstrap, topic);
    await broker.stop();
    assert.equal(isAlive(pid), false);
    await broker.restart();
    assert.equal(broker.bootstrap, bootstrap);
    assert.equal(await hasTopic(bootstrap, topic), true);
    await broker.kill();
    await broker.restart();
    assert.equal(await hasTopic(bootstrap, topic), true);
  }),
);

Deno.test(
  kafka.test("KafkaBroker answers nothing while it is paused, then goes on", async () => {
    await using broker = await startKafkaBroker();
    const admin = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      broker.pause();
      const answer = admin.listTopics();
      const inTime = withDeadline(answer, { what: "the answer", deadlineMs: 500 });
      await assert.rejects(inTime, /the answer: not within/);
      broker.resume();
      assert.deepEqual(await answer, []);
    } finally {
      await admin.disconnect();
    }
  }),
);

Deno.test(
  kafka.test("KafkaBroker lets in by password and by TLS, and nobody else", async () => {
    await using broker = await startKafkaBroker({ listeners: ["sasl", "ssl"] });
    const ca = Deno.readTextFileSync(broker.certificates!.caFile);
    const topics = async (options: { address: string; sasl?: SASLOptions; ssl?: object }) => {
      const { address, ...rest } = options;
      const retry = { retries: 0 };
      const client = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry, ...rest });
      const admin = client.admin();
      try {
        await admin.connect();
        return await admin.listTopics();
      } finally {
        await admin.disconnect();
      }
    };
    const sasl = broker.address("sasl");
    for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
      const right = { mechanism, ...SASL_USER } as SASLOptions;
      assert.deepEqual(await topics({ address: sasl, sasl: right }), [], mechanism);
      const wrong = { mechanism, ...SASL_USER, password: "wrong" } as SASLOptions;
      await assert.rejects(topics({ address: sasl, sasl: wrong }), { name: /SASL/ }, mechanism);
    }
    const address = broker.address("ssl");
    assert.deepEqual(await topics({ address, ssl: { ca: [ca] } }), []);
    await assert.rejects(topics({ address, ssl: {} }), /certificate/);
  }),
);

Deno.test(
  kafka.test("startKafkaBroker() fails with the end of its log, and leaves nothing", async () => {
    const temporary = Deno.makeTempDirSync();
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", temporary);
    try {
      const refused = startKafkaBroker({ properties: { "log.retention.hours": "many" } });
      await assert.rejects(refused, /log\.retention\.hours/);
      const ended = startKafkaBroker({ properties: { "metric.reporters": "NoSuchClass" } });
      await assert.rejects(
        ended,
        (error) => error instanceof KafkaStartError && /NoSuchClass/.test(error.message),
      );
      assert.deepEqual([...Deno.readDirSync(temporary)], []);
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      Deno.removeSync(temporary, { recursive: true });
    }
  }),
);

Deno.test(
  kafka.test("KafkaProcess ends, and its folder goes, when its parent is killed", async () => {
    const source = new URL("../support/kafka_broker.ts", import.meta.url).href;
    const code = `import { startKafkaBroker } from "${source}";
      const broker = await startKafkaBroker();
      console.log(JSON.stringify({ pid: broker.pid, folder: broker.folder }));
      await new Promise(() => setInterval(() => {}, 1000));`;
    const parent = new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      stdout: "piped",
      stdin: "null",
    }).spawn();
    try {
      const reader = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!text.includes("\n")) text += (await reader.read()).value;
      const { pid, folder } = JSON.parse(text);
      assert.equal(isAlive(pid), true);
      parent.kill("SIGKILL");
      await waitUntil(() => !isAlive(pid), { what: "the broker's end" });
      await waitUntil(() => !isThere(folder), { what: "the removal of its folder" });
      await reader.cancel();
    } finally {
      if (isAlive(parent.pid)) parent.kill("SIGKILL");
      await parent.status;
    }
  }),
);
