/**
 * What comes through a Kafka topic counts once and nothing else stops it: when a shard ends in the
 * middle of a batch, when clients send the same events again and again, when other producers write
 * garbage among good records, when partitions are added.
 */
import assert from "node:assert/strict";
import { CompressionTypes } from "kafkajs";
import { EXIT_OK, EXIT_WORKER_DIED } from "../../lib/config/exit_codes.ts";
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { withDeadline } from "../support/deadline.ts";
import {
  BUSY_MS_MAX,
  type ForeignRecord,
  getJson,
  type KafkaPlace,
  kafkaPlace,
  metricOf,
  nthReady,
  payloadOf,
  produceForeign,
  sendLines,
  type ShownLetter,
  storeFolderOf,
  waitForLetters,
  waitForStats,
  waitUntilEvents,
} from "../support/kafka_platform.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { withAdmin } from "../support/kafka_topic.ts";
import { Address, lineOf, Load, LOAD_SPAN_MS } from "../support/load.ts";
import { type MixedRecord, mixedRecord } from "../support/mixed_records.ts";
import { type ServerUrls, spawnRta, startServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertSessionsFollowRule,
  assertStoredOnce,
  readStoredRows,
} from "../support/stored_rows.ts";

const kafka = await sharedKafka();
const MINUTE_MS = 60_000;
const EVENTS_MIN = 20_000;
const PARTITIONS = 4;
const SESSION_GAP_MS = 30 * MINUTE_MS;
const REPLACED = "a shard failed and is replaced";
const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const seed = Number(Deno.env.get("RTA_TEST_SEED") ?? Date.now() % 1_000_000);

Deno.test(
  kafka.test("serve on Kafka replaces a shard that throws in a batch, and loses nothing", () =>
    withData(async (dataFolder) => {
      const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
      const address = new Address();
      await using load = loadTo(address, "throw");
      await using server = await startServer({
        dataFolder,
        env: { ...place.env, RTA_FAULT: "shard-throw@3000" },
      });
      address.set(server.urls.ingestion);
      load.start();
      const replaced = await server.waitForEntry(REPLACED, { deadlineMs: BUSY_MS_MAX });
      assert.equal(replaced.shard, 0);
      assert.match(String(replaced.detail), /fault played on request/);
      await finishLoad(load);
      assert.deepEqual([...load.retries], [], "no client saw anything of it");
      const answers = await askWhenStored(server.urls, load);
      assert.equal(await metricOf(server.urls.metrics, "rta_shard_restarts_total"), 1);
      assert.equal(await server.stop(), EXIT_OK, "it is the process that was started");
      await assertLoadStored(dataFolder, place, load, answers);
    })),
);

Deno.test(
  kafka.test("run on Kafka goes on after a shard that died in a batch, and loses nothing", () =>
    withData(async (dataFolder) => {
      const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
      const address = new Address();
      await using load = loadTo(address, "die");
      // The dead process's membership ends with its session: soon, so that the test is.
      const env = {
        ...place.env,
        RTA_FAULT: "shard-die@3000",
        RTA_KAFKA_SESSION_TIMEOUT_MS: "4000",
      };
      await using runner = spawnRta(["run"], { dataFolder, env });
      address.set((await nthReady(runner, 1)).ingestion);
      load.start();
      const ended = await runner.waitForEntry("stopped", { deadlineMs: BUSY_MS_MAX });
      assert.equal(ended.exit_code, EXIT_WORKER_DIED);
      address.set(null);
      const urls = await nthReady(runner, 2);
      address.set(urls.ingestion);
      await finishLoad(load);
      const answers = await askWhenStored(urls, load);
      assert.equal(await runner.stop(), EXIT_OK);
      await assertLoadStored(dataFolder, place, load, answers);
    })),
);

Deno.test(
  kafka.test("serve on Kafka stores events once when clients send them again and again", () =>
    withData(async (dataFolder) => {
      const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
      // What the kill leaves behind in the group ends with its session.
      const env = { ...place.env, RTA_KAFKA_SESSION_TIMEOUT_MS: "4000" };
      const lines = linesTo(EVENTS_MIN, "again");
      const halves = [lines.slice(0, EVENTS_MIN / 2), lines.slice(EVENTS_MIN / 2)];
      {
        await using server = await startServer({ dataFolder, env });
        // Three times at the same time, and within one request.
        await Promise.all(
          [...halves, lines, lines.toReversed()].map((some) =>
            sendLines(server.urls.ingestion, some)
          ),
        );
        await sendLines(server.urls.ingestion, [lines[0], lines[0], lines[0]]);
        const counts = { processed_events: EVENTS_MIN, duplicate_events: 2 * EVENTS_MIN + 3 };
        await waitForStats(server.urls.consumer, counts);
        await waitUntilEvents(server.urls, EVENTS_MIN, endMs - LOAD_SPAN_MS, PARTITIONS);
        await server.kill();
      }
      await using server = await startServer({
        dataFolder,
        env: { ...env, RTA_KAFKA_RECORDS: "batched" },
      });
      await Promise.all(halves.map((some) => sendLines(server.urls.ingestion, some)));
      const counts = { processed_events: 0, duplicate_events: EVENTS_MIN };
      await waitForStats(server.urls.consumer, counts);
      await waitUntilEvents(server.urls, EVENTS_MIN, endMs - LOAD_SPAN_MS, PARTITIONS);
      assert.equal(await server.stop(), EXIT_OK);
      const ids = (await readStoredRows(storeFolderOf(dataFolder, place))).map(({ id }) => id);
      assert.equal(ids.length, EVENTS_MIN);
      assert.deepEqual(new Set(ids), new Set(lines.map((line) => JSON.parse(line).id)));
    })),
);

Deno.test(
  kafka.test("serve on Kafka stores good records once and sets garbage among them aside", () =>
    withData(async (dataFolder) => {
      console.log(`seed ${seed} (RTA_TEST_SEED)`);
      const random = new SeededRandom(seed);
      const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
      const records = Array.from(
        { length: 21_000 },
        (_, n) => mixedRecord(random, n, PARTITIONS, endMs),
      );
      await withAdmin({ brokers: [kafka.bootstrap] }, (admin) =>
        admin.createTopics({
          topics: [{ topic: place.topic, numPartitions: PARTITIONS }],
          waitForLeaders: false,
        }));
      const expected = new Expected(place.topic);
      // Some waits in the topic before the platform is there.
      await produceMixed(place, records.slice(0, 9000), expected);
      await using server = await startServer({ dataFolder, env: place.env });
      await produceMixed(place, records.slice(9000), expected);
      assert.ok(expected.ids.size > EVENTS_MIN);
      await waitUntilEvents(server.urls, expected.ids.size, endMs - LOAD_SPAN_MS, PARTITIONS);
      const letters = await waitForLetters(server.urls.gateway, expected.letters.size);
      expected.check(letters);
      console.log(`${expected.ids.size} events, ${letters.length} dead letters`);

      await waitForStats(server.urls.consumer, {
        processed_events: expected.ids.size,
        failed_events: letters.length,
        dlq_events: letters.length,
      });
      const answers = await askRollups(server.urls.gateway, endMs - LOAD_SPAN_MS, endMs);
      assert.equal(await server.stop(), EXIT_OK);
      const rows = await readStoredRows(storeFolderOf(dataFolder, place));
      assert.equal(rows.length, expected.ids.size);
      assert.deepEqual(new Set(rows.map(({ id }) => id)), expected.ids);
      assertRollupsEqualRows(answers, rows);
    })),
);

Deno.test(
  kafka.test("serve on Kafka takes in partitions that are added while it runs", () =>
    withData(async (dataFolder) => {
      const place = kafkaPlace(kafka.bootstrap, 2);
      await using server = await startServer({ dataFolder, env: place.env });
      await sendLines(server.urls.ingestion, linesTo(10_000, "before"));
      await withAdmin(
        { brokers: [kafka.bootstrap] },
        (admin) => admin.createPartitions({ topicPartitions: [{ topic: place.topic, count: 5 }] }),
      );
      // Ingestion places by the old number until it is started again, other producers by the new.
      await sendLines(server.urls.ingestion, linesTo(5_000, "after"));
      await produceForeign(place, foreignLines(5, 5_000));
      await waitUntilEvents(server.urls, 20_000, endMs - LOAD_SPAN_MS, 5);
      const { lag } = await getJson(`${server.urls.consumer}/lag`);
      assert.deepEqual(Object.keys(lag[place.topic]), ["0", "1", "2", "3", "4"]);
      assert.equal(await server.stop(), EXIT_OK);
      const byPartition = Map.groupBy(
        await readStoredRows(storeFolderOf(dataFolder, place)),
        ({ id, partition }) => partition < 2 ? "old" : id.split("-")[0],
      );
      assert.equal(byPartition.get("old")!.length, 17_000);
      assert.equal(byPartition.get("foreign")!.length, 3_000);
      assert.equal(byPartition.size, 2);

      // Started anew it knows them all, and a user's events of both times are found.
      const { RTA_PARTITIONS: _, ...again } = place.env;
      await using second = await startServer({ dataFolder, env: again });
      await sendLines(second.urls.ingestion, linesTo(1_000, "anew"));
      await waitUntilEvents(second.urls, 21_000, endMs - LOAD_SPAN_MS, 5);
      const user = JSON.parse(linesTo(1, "anew")[0]).user_id;
      const sent = (prefix: string, count: number) =>
        linesTo(count, prefix).filter((line) => JSON.parse(line).user_id === user).length;
      const total = sent("before", 10_000) + sent("after", 5_000) + sent("foreign", 5_000) +
        sent("anew", 1_000);
      const { user_profile: profile } = await getJson(
        `${second.urls.gateway}/v1/analytics/users/${user}`,
      );
      assert.equal(profile.total_events, total);
      assert.equal(await second.stop(), EXIT_OK);
    })),
);

/** What has to come of records that were produced. */
class Expected {
  readonly ids = new Set<string>();
  readonly letters = new Map<string, { reason: string; payload: Uint8Array }>();

  constructor(readonly topic: string) {}

  add({ record, ids, bad }: MixedRecord, offset: number): void {
    const place = `${this.topic}-${record.partition}-${offset}`;
    for (const id of ids) this.ids.add(id ?? place);
    for (const { line, ...letter } of bad) this.letters.set(`${place}-${line}`, letter);
  }

  /** The letters are those, each with the bytes that it came with. */
  check(letters: readonly ShownLetter[]): void {
    assert.deepEqual(
      new Map(letters.map(({ id, reason }) => [id, reason])),
      new Map([...this.letters].map(([id, { reason }]) => [id, reason])),
    );
    for (const letter of letters) {
      const { payload } = this.letters.get(letter.id)!;
      const { topic, partition, offset, line, payload_bytes: bytes } = letter;
      assert.equal(`${topic}-${partition}-${offset}-${line}`, letter.id);
      assert.equal(bytes, payload.length);
      assert.equal(letter.payload_truncated, payload.length > 512 * 1024);
      const kept = payload.subarray(0, 512 * 1024);
      assert.ok(equalBytes(payloadOf(letter), kept), `${letter.id} has the bytes it came with`);
      assert.equal(letter.state, "waiting");
    }
  }
}

/** Compares without printing them: some are half a megabyte. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Produces in requests of some hundred records, compressed now and then. */
async function produceMixed(
  place: KafkaPlace,
  records: readonly MixedRecord[],
  expected: Expected,
): Promise<void> {
  for (let at = 0, request = 0; at < records.length; at += 1000, request++) {
    const some = records.slice(at, at + 1000);
    const compression = request % 3 === 1 ? CompressionTypes.GZIP : CompressionTypes.None;
    const offsets = await produceForeign(place, some.map(({ record }) => record), compression);
    some.forEach((each, index) => expected.add(each, offsets[index]));
  }
}

async function withData(body: (dataFolder: string) => Promise<void>): Promise<void> {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-records-" });
  try {
    await body(dataFolder);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
}

function loadTo(address: Address, prefix: string): Load {
  return new Load({ address, seed, prefix, endMs, batchMax: 300 });
}

/** Lets the clients go on until there is enough, then get their last answers. */
async function finishLoad(load: Load): Promise<void> {
  while (load.confirmed.size < EVENTS_MIN) await load.moreRequests(20);
  const last = { what: "the clients' last answers", deadlineMs: BUSY_MS_MAX };
  await withDeadline(load.stop(), last);
  assert.deepEqual(load.unexpected, []);
}

/** Answers that count everything, when it is stored. */
async function askWhenStored(urls: ServerUrls, load: Load) {
  await waitUntilEvents(urls, load.sent.size, endMs - LOAD_SPAN_MS, PARTITIONS);
  return await askRollups(urls.gateway, endMs - LOAD_SPAN_MS, endMs);
}

async function assertLoadStored(
  dataFolder: string,
  place: KafkaPlace,
  load: Load,
  answers: Awaited<ReturnType<typeof askRollups>>,
): Promise<void> {
  const rows = await readStoredRows(storeFolderOf(dataFolder, place));
  assertStoredOnce(rows, load);
  assert.equal(rows.length, load.sent.size, "all that was sent was confirmed in the end");
  assertSessionsFollowRule(rows, SESSION_GAP_MS);
  assertRollupsEqualRows(answers, rows);
}

/** Events of a hundred users, the same ones for the same prefix. */
function linesTo(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, n) =>
    lineOf({
      id: `${prefix}-${n}`,
      userId: `user-${n % 100}`,
      type: "click",
      timestampMs: endMs - 1 - n % LOAD_SPAN_MS,
      sessionId: null,
      amount: n % 8 / 4,
    }));
}

/** The same as another producer writes them, to each partition in turn. */
function foreignLines(partitions: number, count: number): ForeignRecord[] {
  return linesTo(count, "foreign").map((value, n) => (
    { partition: n % partitions, key: `user-${n % 100}`, value }
  ));
}
