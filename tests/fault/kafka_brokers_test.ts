/**
 * The broker is killed, stopped, and away for long, while clients send: every event whose answer was
 * success is stored once, what the rollups say is a recount of the rows, and nobody has to be
 * restarted for it.
 */
import assert from "node:assert/strict";
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { someTime } from "../support/deadline.ts";
import { type KafkaBroker, startKafkaBroker } from "../support/kafka_broker.ts";
import { EVENTS_MIN, KafkaScene } from "../support/kafka_scene.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { residentBytes } from "../support/process_memory.ts";

const ROUNDS = 2;
/**
 * A broker that comes back knows the members of before, and holds new ones back until it gives those
 * up: far longer than a process may take to end.
 */
const SESSION_TIMEOUT_MS = 30_000;
/** Half with a broker that takes connections and answers nothing, half with none, ms. */
const AWAY_MS = 30_000;
/** What an answer may take: one delivery that is given up (10 s), and the wait for it; ms. */
const ANSWER_MS_MAX = 20_000;
/** How events are refused while the broker is away. */
const REFUSALS: ReadonlySet<string> = new Set(["503 log_unavailable", "429 overloaded"]);
/** What the memory of a process may grow by while it has nowhere to put events, bytes. */
const GROWTH_BYTES_MAX = 100 * 1024 * 1024;

/** Give one to play a failed run's choices again; how threads fall together still varies. */
const seed = Number(Deno.env.get("RTA_TEST_SEED") ?? Date.now() % 1_000_000);

/** Says whether there can be brokers here; these tests have brokers of their own, to be broken. */
const kafka = await sharedKafka();

Deno.test(kafka.test("serve keeps every confirmed event when the broker is killed", async () => {
  await playRestarts((broker) => broker.kill());
}));

Deno.test(kafka.test("serve keeps every confirmed event when the broker is stopped", async () => {
  await playRestarts((broker) => broker.stop());
}));

/** Ends the broker and starts it again, round by round, while clients send. */
async function playRestarts(end: (broker: KafkaBroker) => Promise<void>): Promise<void> {
  await using broker = await startKafkaBroker();
  const sessionTimeoutMs = SESSION_TIMEOUT_MS;
  await using scene = await KafkaScene.open(broker.bootstrap, { seed, sessionTimeoutMs });
  const { load } = scene;
  const random = new SeededRandom(seed);
  const consumer = await scene.startConsumer();
  for (let round = 0; round < ROUNDS; round++) {
    await load.moreConfirmed(EVENTS_MIN / ROUNDS / 2 + random.below(EVENTS_MIN / ROUNDS));
    await end(broker);
    await broker.restart();
  }
  await scene.finish(consumer);
}

Deno.test(kafka.test("serve refuses events while the broker is away, and recovers", async () => {
  await using broker = await startKafkaBroker();
  await using scene = await KafkaScene.open(broker.bootstrap, { seed, load: { clients: 32 } });
  const { load, ingestion } = scene;
  const consumer = await scene.startConsumer();
  await load.moreConfirmed(EVENTS_MIN);
  const before = [ingestion, consumer].map(({ pid }) => residentBytes(pid));

  broker.pause();
  await someTime(AWAY_MS / 2);
  await broker.kill();
  const confirmedBefore = load.confirmed.size;
  await someTime(AWAY_MS / 2);
  assert.equal(load.confirmed.size, confirmedBefore, "no success without a broker");
  const { complete, missing } = await scene.quality(consumer);
  assert.equal(complete, false, "nobody knows what came meanwhile");
  assert.deepEqual(missing, [], "partitions stay where they are");
  const grown = [ingestion, consumer].map(({ pid }, i) => residentBytes(pid) - before[i]);
  await broker.restart();

  await load.moreConfirmed(EVENTS_MIN);
  const refusals = [...load.retries.keys()];
  assert.ok(refusals.includes("503 log_unavailable"), "events were refused");
  assert.deepEqual(refusals.filter((each) => !REFUSALS.has(each)), []);
  assert.ok(load.slowestMs <= ANSWER_MS_MAX, `an answer took ${Math.round(load.slowestMs)} ms`);
  console.log("grown by", grown.map((bytes) => `${Math.round(bytes / 1024 / 1024)} MiB`));
  for (const bytes of grown) assert.ok(bytes <= GROWTH_BYTES_MAX, `grown by ${bytes} bytes`);
  await scene.finish(consumer);
}));
