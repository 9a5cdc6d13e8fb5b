/**
 * The roles of the platform in processes of their own, with Kafka between them: what each tells of
 * itself, an event's way through all of them, a start before the broker's, the lag that Kafka's own
 * tools show, and one consumer taking over from another.
 */
import assert from "node:assert/strict";
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from "../../lib/config/exit_codes.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { startKafkaBroker } from "../support/kafka_broker.ts";
import {
  BUSY_MS_MAX,
  getJson,
  type KafkaPlace,
  kafkaPlace,
  postJson,
  produceForeign,
  storeFolderOf,
  waitForLetters,
  waitForStats,
  waitUntilEvents,
  waitUntilStored,
} from "../support/kafka_platform.ts";
import { freePorts } from "../support/kafka_ports.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { runKafkaTool } from "../support/kafka_tool.ts";
import { withAdmin } from "../support/kafka_topic.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import {
  readyUrls,
  type ServerUrls,
  spawnRta,
  startServer,
  type TestServer,
} from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertStoredOnce,
  readStoredRows,
} from "../support/stored_rows.ts";

const kafka = await sharedKafka();
const MINUTE_MS = 60_000;
const PARTITIONS = 4;
const EVENTS_MIN = 20_000;
const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const now = () => new Date().toISOString();

Deno.test(
  kafka.test("serve runs each role in a process of its own when Kafka is between them", async () => {
    const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
    await using ingestion = await startRoles("ingestion", place);
    await using shards = await startRoles("consumer,analytics", place);
    await using metrics = await startRoles("metrics", place);
    const RTA_ANALYTICS_URL = shards.urls.analytics;
    await using gateway = await startRoles("gateway", place, { RTA_ANALYTICS_URL });
    const urls = { ...shards.urls, gateway: gateway.urls.gateway };

    const live = `${urls.gateway}/v1/analytics/live?window_seconds=60`;
    const heard = async () => (await getJson(live)).missing_partitions.length === 0;
    await waitUntil(heard, { what: "live partials of all partitions", deadlineMs: BUSY_MS_MAX });
    const plain = { id: "plain", user_id: "ada", event_type: "click" };
    assert.equal((await postJson(`${ingestion.urls.ingestion}/events`, plain)).success, true);
    const event = {
      ...{ id: "v1", user_id: "ada" },
      event_type: "EVENT_TYPE_USER",
      timestamp: now(),
    };
    const taken = await postJson(`${urls.gateway}/v1/events`, { event });
    assert.equal(taken.event_id, "v1", JSON.stringify(taken));
    await produceForeign(place, [{ partition: 3, value: "no event" }]);

    await waitUntilEvents(urls, 2, endMs - LOAD_SPAN_MS, PARTITIONS);
    const user = `${urls.gateway}/v1/analytics/users/ada?include_events=true`;
    const known = await getJson(user);
    assert.deepEqual(known.events.map((each: { id: string }) => each.id).sort(), ["plain", "v1"]);
    const [letter] = await waitForLetters(urls.gateway, 1);
    assert.deepEqual([letter.topic, letter.partition, letter.reason, letter.payload], [
      place.topic,
      "3",
      "invalid_json",
      "no event",
    ]);
    await waitUntil(async () => {
      const { metrics } = await getJson(live);
      return metrics.find((each: { name: string }) => each.name === "events").value === 2;
    }, { what: "both events in the live answer", deadlineMs: BUSY_MS_MAX });
    await checkReports(
      place,
      { ...urls, ingestion: ingestion.urls.ingestion },
      metrics.urls.metrics,
    );
    for (const each of [gateway, metrics, ingestion, shards]) {
      assert.equal(await each.stop(), EXIT_OK);
    }
  }),
);

/** What each process tells of itself. */
async function checkReports(place: KafkaPlace, urls: ServerUrls, metrics: string): Promise<void> {
  for (const [service, url] of Object.entries({ ...urls, metrics })) {
    const health = await getJson(`${url}/health`);
    assert.deepEqual(
      [health.service, health.status, health.kafka_health, health.log],
      [service, "healthy", "healthy", "kafka"],
    );
    assert.equal((await getJson(`${url}/ready`)).ready, true);
    const text = await (await fetch(`${url}/metrics`)).text();
    assert.match(text, /^kafka_connectivity_status 1$/m, service);
  }
  const counts = { processed_events: 2, failed_events: 1, dlq_events: 1 };
  await waitForStats(urls.consumer, counts);
  await waitUntilStored(urls.consumer, PARTITIONS);
  assert.equal((await getJson(`${urls.ingestion}/stats`)).messages_sent, 1);
  const { lag } = await getJson(`${urls.consumer}/lag`);
  assert.deepEqual(lag, { [place.topic]: { 0: 0, 1: 0, 2: 0, 3: 0 } });
  assert.deepEqual((await getJson(`${urls.consumer}/health`)).partitions, [0, 1, 2, 3]);
}

Deno.test(
  kafka.test("serve waits for a broker that is not up yet, and starts when it is", async () => {
    await using broker = await startKafkaBroker();
    await broker.stop();
    const { env } = kafkaPlace(broker.bootstrap, PARTITIONS);
    await using server = spawnRta(["serve"], { env });
    await waitUntil(
      () => server.entries.some(({ msg }) => msg.startsWith("waiting for Kafka at")),
      { what: "a word about the wait", deadlineMs: BUSY_MS_MAX },
    );
    assert.ok(!server.entries.some(({ msg }) => msg === "ready"));
    await broker.restart();
    const { gateway, ingestion, consumer } = await readyUrls(server);
    const plain = { id: "a", user_id: "ada", event_type: "click" };
    assert.equal((await postJson(`${ingestion}/events`, plain)).success, true);
    await waitUntilEvents({ gateway, consumer }, 1, endMs - LOAD_SPAN_MS, PARTITIONS);
    assert.equal(await server.stop(), EXIT_OK);
  }),
);

Deno.test("serve gives up with the reason when no broker comes in time", async () => {
  const [port] = await freePorts(1);
  const { env } = kafkaPlace(`127.0.0.1:${port}`, PARTITIONS);
  await using server = spawnRta(["serve"], { env: { ...env, RTA_KAFKA_WAIT_SECONDS: "1" } });
  const ended = { what: "the end of the process", deadlineMs: BUSY_MS_MAX };
  assert.equal(await withDeadline(server.ended, ended), EXIT_FAILED);
  const failure = server.entries.find(({ msg }) => msg === "the start failed");
  assert.equal(failure?.code, "RTA_LOG_UNAVAILABLE");
  const reason = `rta: no Kafka broker at 127.0.0.1:${port} after`;
  assert.ok(server.output().includes(reason), server.output());
});

Deno.test("serve ends at once when it is told to while it waits for a broker", async () => {
  const [port] = freePorts(1);
  const { env } = kafkaPlace(`127.0.0.1:${port}`, PARTITIONS);
  await using server = spawnRta(["serve"], { env });
  await waitUntil(
    () => server.entries.some(({ msg }) => msg.startsWith("waiting for Kafka at")),
    { what: "a word about the wait", deadlineMs: BUSY_MS_MAX },
  );
  assert.equal(await server.stop(), EXIT_OK);
});

Deno.test("serve refuses a consumer without analytics, and says what to do", async () => {
  const { env } = kafkaPlace("127.0.0.1:1", PARTITIONS);
  await using server = spawnRta(["serve", "--roles", "consumer"], { env });
  assert.equal(await server.ended, EXIT_CONFIG);
  assert.match(server.output(), /RTA_ROLES="consumer": .*RTA_STORE=duckdb .* add analytics/);
});

Deno.test(
  kafka.test("Kafka's own tools show what is stored as the group's offsets", async () => {
    const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-lag-" });
    try {
      await using server = await startRoles("all", place, {}, dataFolder);
      const records = Array.from({ length: 100 }, (_, n) => (
        { partition: n % 3, value: `{"id":"e${n}","user_id":"u${n}","event_type":"t"}` }
      ));
      await produceForeign(place, records);
      await waitUntilEvents(server.urls, 100, endMs - LOAD_SPAN_MS, PARTITIONS);
      const stored = [34, 33, 33, 0];
      await waitUntil(async () => {
        const committed = await committedOffsets(place);
        return stored.every((offset, partition) => committed[partition] === offset);
      }, { what: "the stored offsets in the group", deadlineMs: BUSY_MS_MAX });

      const { stdout } = await runKafkaTool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        ["--bootstrap-server", kafka.bootstrap, "--describe", "--group", place.group],
      );
      const rows = stdout.split("\n").filter((line) => line.startsWith(place.group))
        .map((line) => line.split(/\s+/)).sort((a, b) => Number(a[2]) - Number(b[2]));
      // Group, topic, partition, offset of the group, end of the log, lag, member, ...
      assert.deepEqual(
        rows.map((row) => row.slice(0, 6)),
        stored.map((offset, partition) => {
          const end = String(offset);
          return [place.group, place.topic, String(partition), end, end, "0"];
        }),
      );
      for (const row of rows) assert.match(row[6], /^rta-/, "a member has the partition");
      assert.equal(await server.stop(), EXIT_OK);
    } finally {
      Deno.removeSync(dataFolder, { recursive: true });
    }
  }),
);

Deno.test(
  kafka.test("a second consumer takes over from the first without losing or doubling", async () => {
    const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-rolling-" });
    const address = new Address();
    await using load = new Load({ address, seed: 9, prefix: "roll", endMs, batchMax: 300 });
    try {
      await using ingestion = await startRoles("ingestion", place);
      await using first = await startRoles("consumer,analytics,gateway", place, {}, dataFolder);
      address.set(ingestion.urls.ingestion);
      load.start();
      await load.moreRequests(40);
      await using second = await startRoles("consumer,analytics,gateway", place, {}, dataFolder);
      await waitUntil(async () => (await partitionsOf(second)).length > 0, {
        what: "partitions of the second consumer",
        deadlineMs: BUSY_MS_MAX,
      });
      await load.moreRequests(40);
      assert.equal(await first.stop(), EXIT_OK);
      await waitUntil(async () => (await partitionsOf(second)).length === PARTITIONS, {
        what: "all partitions with the second consumer",
        deadlineMs: BUSY_MS_MAX,
      });
      while (load.confirmed.size < EVENTS_MIN) await load.moreRequests(20);
      await withDeadline(load.stop(), { what: "the last answers", deadlineMs: BUSY_MS_MAX });
      assert.deepEqual([load.unexpected, [...load.retries]], [[], []]);
      await waitUntilEvents(second.urls, load.sent.size, endMs - LOAD_SPAN_MS, PARTITIONS);
      const answers = await askRollups(second.urls.gateway, endMs - LOAD_SPAN_MS, endMs);
      await waitUntilStored(second.urls.consumer, PARTITIONS);
      for (const each of [ingestion, second]) assert.equal(await each.stop(), EXIT_OK);
      const rows = await readStoredRows(storeFolderOf(dataFolder, place));
      assertStoredOnce(rows, load);
      assert.equal(rows.length, load.sent.size);
      assertRollupsEqualRows(answers, rows);
    } finally {
      Deno.removeSync(dataFolder, { recursive: true });
    }
  }),
);

/** A process with these roles, ready. */
function startRoles(
  roles: string,
  place: KafkaPlace,
  more: Record<string, string> = {},
  dataFolder?: string,
): Promise<TestServer> {
  return startServer({ roles, dataFolder, env: { ...place.env, ...more } });
}

async function partitionsOf({ urls }: TestServer): Promise<readonly number[]> {
  return (await getJson(`${urls.consumer}/health`)).partitions;
}

/** By partition, what the group has committed; -1 = nothing. */
function committedOffsets({ bootstrap, group, topic }: KafkaPlace): Promise<number[]> {
  return withAdmin({ brokers: [bootstrap] }, async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    const offsets: number[] = [];
    for (const { partition, offset } of partitions) offsets[partition] = Number(offset);
    return offsets;
  });
}
