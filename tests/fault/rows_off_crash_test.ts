/**
 * The same as crash_test.ts with RTA_ROWS=off: ids and sessions are all that is left of the rows, and
 * after each kill they still have every confirmed event counted once, in the session that it had.
 */
import assert from "node:assert/strict";
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import { readRecentRows } from "../support/recent_rows.ts";
import { startServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertSessionsFollowRule,
  assertStoredOnce,
  waitUntilCounted,
} from "../support/stored_rows.ts";

const KILLS = 8;
const EVENTS_MIN = 20_000;
const MINUTE_MS = 60_000;
const SESSION_GAP_MS = 30 * MINUTE_MS;
const env = { RTA_ROWS: "off" };

/** Give one to play a failed run's choices again; how threads fall together still varies. */
const seed = Number(Deno.env.get("RTA_TEST_SEED") ?? Date.now() % 1_000_000);

Deno.test("serve without rows counts every confirmed event once when it is killed under load", async () => {
  console.log(`seed ${seed} (RTA_TEST_SEED)`);
  const random = new SeededRandom(seed);
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-rows-off-" });
  const address = new Address();
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  await using load = new Load({ address, seed, prefix: "off", endMs }).start();
  try {
    for (let kill = 0; kill < KILLS || load.confirmed.size < EVENTS_MIN; kill++) {
      await using server = await startServer({ dataFolder, env });
      address.set(server.urls.ingestion);
      await load.moreRequests(20 + random.below(180));
      await server.kill();
      address.set(null);
    }
    const answers = [];
    for (const life of ["last", "after it"]) {
      await using server = await startServer({ dataFolder, env });
      if (life === "last") {
        address.set(server.urls.ingestion);
        await load.stop();
      }
      await waitUntilCounted(server.urls.gateway);
      answers.push(await askRollups(server.urls.gateway, endMs - LOAD_SPAN_MS, endMs));
      assert.equal(await server.stop(), 0);
    }
    assert.deepEqual(load.unexpected, []);
    const rows = await readRecentRows(dataFolder, load.sent);
    assertStoredOnce(rows, load);
    assert.equal(rows.length, load.sent.size, "all that was sent was confirmed in the end");
    assertSessionsFollowRule(rows, SESSION_GAP_MS);
    for (const each of answers) assertRollupsEqualRows(each, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});
