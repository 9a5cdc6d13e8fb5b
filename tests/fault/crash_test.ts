/**
 * The process is killed while clients write to it, again and again on one data folder: every event
 * whose answer was success is stored once, and what the rollups say is a recount of the rows.
 */
import assert from "node:assert/strict";
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import { type RtaProcess, spawnRta, startServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertSessionsFollowRule,
  assertStoredOnce,
  readStoredRows,
  type RollupAnswers,
  waitUntilCounted,
} from "../support/stored_rows.ts";

const ROUNDS = 12;
const EVENTS_MIN = 20_000;
const MINUTE_MS = 60_000;
const SESSION_GAP_MS = 30 * MINUTE_MS;
/** About as long as a start takes once the data folder is locked, ms. */
const STARTING_MS_MAX = 150;
/** About as long as a stop takes, ms. */
const STOPPING_MS_MAX = 400;

/** Give one to play a failed run's choices again; how threads fall together still varies. */
const seed = Number(Deno.env.get("RTA_TEST_SEED") ?? Date.now() % 1_000_000);

/** What a round adds to the kill in the middle of work. */
type Extra = "none" | "kill_while_starting" | "kill_while_stopping" | "stop_well";
const EXTRAS: readonly Extra[] = [
  "none",
  "kill_while_starting",
  "kill_while_stopping",
  "stop_well",
];

Deno.test("serve keeps every confirmed event once when it is killed under load", async () => {
  console.log(`seed ${seed} (RTA_TEST_SEED)`);
  const random = new SeededRandom(seed);
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-crash-" });
  const address = new Address();
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  await using load = new Load({ address, seed, prefix: "crash", endMs }).start();
  try {
    let kills = 0;
    for (let round = 0; round < ROUNDS || load.confirmed.size < EVENTS_MIN; round++) {
      kills += await playRound(dataFolder, address, load, random, EXTRAS[round % EXTRAS.length]);
    }
    const answers = await finish(dataFolder, address, load, endMs);
    console.log(`${kills} kills, ${load.confirmed.size} events, ${load.requests} requests, again:`);
    console.log(load.retries);
    assert.deepEqual(load.unexpected, []);

    const rows = await readStoredRows(dataFolder);
    assertStoredOnce(rows, load);
    assert.equal(rows.length, load.sent.size, "all that was sent was confirmed in the end");
    assertSessionsFollowRule(rows, SESSION_GAP_MS);
    for (const each of answers) assertRollupsEqualRows(each, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

/** One life or two of the server; gives the number of kills. */
async function playRound(
  dataFolder: string,
  address: Address,
  load: Load,
  random: SeededRandom,
  extra: Extra,
): Promise<number> {
  let kills = 0;
  if (extra === "kill_while_starting") {
    await using starting = spawnRta(["serve"], { dataFolder });
    await holdsFolder(starting);
    await someTime(random.next() * STARTING_MS_MAX);
    await starting.kill();
    kills++;
  }
  await using server = await startServer({ dataFolder });
  address.set(server.urls.ingestion);
  await load.moreRequests(20 + random.below(180));
  if (extra === "stop_well") {
    assert.equal(await server.stop(), 0);
  } else {
    if (extra === "kill_while_stopping") {
      server.signal("SIGTERM");
      await someTime(random.next() * STOPPING_MS_MAX);
    }
    await server.kill();
    kills++;
  }
  address.set(null);
  return kills;
}

/** Lets every client get its last answer, and asks, before a restart and after it. */
async function finish(
  dataFolder: string,
  address: Address,
  load: Load,
  endMs: number,
): Promise<RollupAnswers[]> {
  const answers: RollupAnswers[] = [];
  for (const life of ["last", "after it"]) {
    await using server = await startServer({ dataFolder });
    if (life === "last") {
      address.set(server.urls.ingestion);
      await load.stop();
    }
    await waitUntilCounted(server.urls.gateway);
    answers.push(await askRollups(server.urls.gateway, endMs - LOAD_SPAN_MS, endMs));
    assert.equal(await server.stop(), 0);
  }
  return answers;
}

/** Resolves when the process has locked the data folder: its files are being opened. */
async function holdsFolder({ dataFolder, pid }: RtaProcess): Promise<void> {
  await waitUntil(() => {
    try {
      return Number(Deno.readTextFileSync(`${dataFolder}/rta.pid`)) === pid;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return false;
    }
  }, { what: "the lock on the data folder", deadlineMs: 30_000 });
}
