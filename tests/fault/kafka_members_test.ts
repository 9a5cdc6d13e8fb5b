/**
 * Processes that share the partitions of a topic are killed, come and go, and are stopped for longer
 * than their session, while clients send: every event whose answer was success is stored once, and
 * what the rollups say is a recount of the rows.
 */
import assert from "node:assert/strict";
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import { getJson } from "../support/kafka_platform.ts";
import { EVENTS_MIN, KafkaScene, PARTITIONS } from "../support/kafka_scene.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { readyUrls, type TestServer } from "../support/server.ts";

const SESSION_TIMEOUT_MS = 3_000;
const KILLS = 3;
/** About as long as a start takes until its shards are members, ms. */
const STARTING_MS_MAX = 2_000;
/** How long a second process stays, and stays away, ms. */
const TURN_MS = 5_000;
/** For how long it comes and goes, ms. */
const TURNS_MS = 30_000;
/** Longest that a change of hands may take on a busy machine, ms. */
const HANDOVER_MS_MAX = 60_000;

/** Give one to play a failed run's choices again; how threads fall together still varies. */
const seed = Number(Deno.env.get("RTA_TEST_SEED") ?? Date.now() % 1_000_000);
const options = { seed, sessionTimeoutMs: SESSION_TIMEOUT_MS, load: { clients: 4 } };
const kafka = await sharedKafka();

Deno.test(kafka.test("a consumer keeps every event once when it is killed", async () => {
  await using scene = await KafkaScene.open(kafka.bootstrap, options);
  const random = new SeededRandom(seed);
  for (let kill = 0; kill < KILLS; kill++) {
    const consumer = scene.spawnConsumer();
    // Every other one is killed while it starts, with what the last one left half done.
    if (kill % 2 === 1) await someTime(random.next() * STARTING_MS_MAX);
    else {
      await readyUrls(consumer);
      await scene.load.moreConfirmed(random.below(EVENTS_MIN / KILLS));
    }
    await consumer.kill();
  }
  await scene.finish(await scene.startConsumer());
}));

Deno.test(kafka.test("partitions are handed over when a process comes and goes", async () => {
  await using scene = await KafkaScene.open(kafka.bootstrap, options);
  const first = await scene.startConsumer();
  await scene.ownsAll(first);
  await using watched = new AnswerWatch(scene, first);
  const startedAt = performance.now();
  while (performance.now() - startedAt < TURNS_MS) {
    const second = await scene.startConsumer();
    await shareAll(scene, first, second);
    await someTime(TURN_MS);
    assert.equal(await second.stop(), 0);
    await scene.ownsAll(first);
    await someTime(TURN_MS);
  }
  await watched.end();
  console.log(`${watched.whole} whole answers, ${watched.lacking} that lack partitions`);
  assert.ok(watched.whole > 0 && watched.lacking > 0);
  await scene.finish(first);
}));

Deno.test(kafka.test("a process stopped past its session writes nothing twice", async () => {
  await using scene = await KafkaScene.open(kafka.bootstrap, options);
  const { load } = scene;
  const first = await scene.startConsumer();
  const second = await scene.startConsumer();
  await shareAll(scene, first, second);
  for (const after of ["SIGCONT", "SIGKILL"] as const) {
    const { missing: kept } = await scene.quality(first);
    await load.moreConfirmed(1_000);
    second.signal("SIGSTOP");
    // Its session is over once its partitions were given to the other, where they wait for the lock.
    await waitUntil(async () => sameSet(await awaited(first), kept), {
      what: `partitions ${kept} awaited by process ${first.pid}`,
      deadlineMs: HANDOVER_MS_MAX,
    });
    await load.moreConfirmed(5_000);
    assert.deepEqual((await scene.quality(first)).missing, kept, "the lock is the fence");
    second.signal(after);
    if (after === "SIGCONT") await shareAll(scene, first, second);
    else await scene.ownsAll(first);
  }
  await scene.finish(first);
}));

/** Waits until each of the two answers for partitions, and both together for all. */
async function shareAll(scene: KafkaScene, a: TestServer, b: TestServer): Promise<void> {
  await waitUntil(async () => {
    const [first, second] = await Promise.all([scene.quality(a), scene.quality(b)]);
    const missing = [...first.missing, ...second.missing].sort((a, b) => a - b);
    return first.missing.length > 0 && second.missing.length > 0 &&
      missing.length === PARTITIONS && new Set(missing).size === PARTITIONS;
  }, {
    what: `all partitions in the processes ${a.pid} and ${b.pid} together`,
    deadlineMs: HANDOVER_MS_MAX,
  });
}

/** Partitions that were given to a process and that another one still holds. */
async function awaited({ urls }: TestServer): Promise<number[]> {
  return (await getJson(`${urls.consumer}/health`)).awaited_partitions;
}

function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

/** Asks one process again and again, and holds what it says of its answers against the answers. */
class AnswerWatch implements AsyncDisposable {
  /** Answers with all partitions. */
  whole = 0;
  /** Answers that say that they lack some. */
  lacking = 0;
  #most = 0;
  #ended = false;
  readonly #watching: Promise<void>;
  #failure: unknown = null;

  constructor(scene: KafkaScene, server: TestServer) {
    this.#watching = this.#watch(scene, server).catch((error) => this.#failure = error);
  }

  /** Throws what was wrong with an answer. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#watching;
    if (this.#failure !== null) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#watching;
  }

  async #watch(scene: KafkaScene, server: TestServer): Promise<void> {
    while (!this.#ended) {
      const { complete, missing, events } = await scene.quality(server);
      if (missing.length > 0) {
        assert.equal(complete, false, `complete without partitions ${missing}`);
        this.lacking++;
      } else {
        assert.ok(events >= this.#most, `${events} events, after ${this.#most}`);
        this.#most = events;
        this.whole++;
      }
    }
  }
}
