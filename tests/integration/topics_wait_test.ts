/** Brokers that come late, go away, or refuse: what waits for them, and what goes on after them. */
import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import type { LogError } from "../../lib/log/event_log.ts";
import type { KafkaSettings } from "../../lib/log/kafka/settings.ts";
import { createTopics, planTopics } from "../../lib/log/kafka/topics.ts";
import { tailTopic } from "../../lib/log/kafka/topics_tail.ts";
import { waitForBroker } from "../../lib/log/kafka/topics_wait.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { startKafkaBroker } from "../support/kafka_broker.ts";
import { SASL_USER } from "../support/kafka_properties.ts";
import { sharedKafka, uniqueName } from "../support/kafka_shared.ts";

// Says whether brokers can be had; these tests stop theirs, so each has its own.
const kafka = await sharedKafka();
const waitMsMax = 60_000;

function settingsOf(...brokers: string[]): KafkaSettings {
  return { brokers, clientId: "rta-test", tls: null, sasl: null };
}

Deno.test(
  kafka.test("waitForBroker() says what it waits for, and goes on when it is there", async () => {
    await using broker = await startKafkaBroker();
    await broker.stop();
    const said: string[] = [];
    // One broker of the list is enough, wherever it stands.
    const settings = settingsOf("127.0.0.1:1", broker.bootstrap);
    const waiting = waitForBroker(settings, waitMsMax, (message) => void said.push(message));
    await waitUntil(() => said.length > 0, { what: "a word about the wait" });
    await broker.restart();
    await withDeadline(waiting, { what: "the end of the wait", deadlineMs: 30_000 });
    const where = `127.0.0.1:1, ${broker.bootstrap}`;
    assert.ok(said[0].startsWith(`waiting for Kafka at ${where}, 60 s more: `), said[0]);
  }),
);

Deno.test(
  kafka.test("waitForBroker() gives up at once when the brokers refuse the user", async () => {
    await using broker = await startKafkaBroker({ listeners: ["sasl"] });
    const here = settingsOf(broker.address("sasl"));
    const noWord = (message: string) => assert.fail(message);
    const sasl = { mechanism: "scram-sha-256", ...SASL_USER } as const;
    await waitForBroker({ ...here, sasl }, waitMsMax, noWord);
    const refused = waitForBroker(
      { ...here, sasl: { ...sasl, password: "wrong" } },
      waitMsMax,
      noWord,
    );
    await assert.rejects(refused, (error: LogError) => {
      assert.equal(error.code, "RTA_LOG_UNAVAILABLE");
      assert.match(error.message, /refuse us: .*invalid credentials/);
      return true;
    });
  }),
);

Deno.test("waitForBroker() gives up after the limit, or when it is told to", async () => {
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const settings = settingsOf("127.0.0.1:1", "127.0.0.1:2");
  await assert.rejects(waitForBroker(settings, 0, say), (error: LogError) => {
    assert.equal(error.code, "RTA_LOG_UNAVAILABLE");
    assert.match(error.message, /^no Kafka broker at 127\.0\.0\.1:1, 127\.0\.0\.1:2 after 0 s: /);
    return true;
  });
  assert.deepEqual(said, []);

  const stop = new AbortController();
  const waiting = waitForBroker(settings, waitMsMax, (message) => {
    say(message);
    stop.abort();
  }, stop.signal);
  await assert.rejects(waiting, { name: "AbortError" });
  assert.equal(said.length, 1);
});

Deno.test(kafka.test("tailTopic() goes on where it was when the broker was away", async () => {
  await using broker = await startKafkaBroker();
  const settings = settingsOf(broker.bootstrap);
  const names = { topic: "events", metricsTopic: "metrics", dlqTopic: "letters" };
  const sizes = { partitions: 2, replication: 1, retentionHours: 1 };
  await createTopics(settings, planTopics({ ...names, ...sizes }).slice(0, 1));
  const client = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
  const produce = async (...values: string[]) => {
    const producer = client.producer();
    await producer.connect();
    const messages = values.map((value, index) => ({ value, partition: index % 2 }));
    await producer.send({ topic: "events", messages });
    await producer.disconnect();
  };
  await produce("a", "b");

  const [seen, troubles]: string[][] = [[], []];
  const end = new AbortController();
  const tail = tailTopic(settings, "events", {
    fromBeginning: true,
    signal: end.signal,
    onTrouble: (message) => void troubles.push(message),
  });
  const reading = (async () => {
    for await (const { value } of tail) seen.push(new TextDecoder().decode(value!));
  })();
  await waitUntil(() => seen.length === 2, { what: "the first records" });
  await broker.kill();
  await waitUntil(() => troubles.length > 0, { what: "the news that the broker is away" });
  await broker.restart();
  await produce("c", "d");
  await waitUntil(() => seen.length >= 4, { what: "the other records", deadlineMs: 20_000 });
  end.abort();
  await withDeadline(reading, { what: "the end of the reading" });
  assert.deepEqual(seen.toSorted(), ["a", "b", "c", "d"]);
}));

Deno.test(
  kafka.test("tailTopic() waits for a topic that is not there yet when asked to", async () => {
    const settings = settingsOf(kafka.bootstrap);
    const topic = uniqueName("late");
    const troubles: string[] = [];
    const end = new AbortController();
    const options = {
      fromBeginning: true,
      signal: end.signal,
      onTrouble: (message: string) => void troubles.push(message),
    };
    await assert.rejects(tailTopic(settings, topic, options).next(), {
      code: "RTA_LOG_UNAVAILABLE",
    });
    assert.deepEqual(troubles, []);

    const first = tailTopic(settings, topic, { ...options, isPatient: true }).next();
    await waitUntil(() => troubles.length > 0, { what: "the news that it waits" });
    const names = { topic, metricsTopic: `${topic}-metrics`, dlqTopic: `${topic}-dlq` };
    const sizes = { partitions: 1, replication: 1, retentionHours: 1 };
    await createTopics(settings, planTopics({ ...names, ...sizes }).slice(0, 1));
    const client = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
    const producer = client.producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ value: "a" }] });
    await producer.disconnect();
    const { value } = await withDeadline(first, { what: "the record", deadlineMs: 20_000 });
    assert.equal(new TextDecoder().decode(value!.value!), "a");
    end.abort();
  }),
);
