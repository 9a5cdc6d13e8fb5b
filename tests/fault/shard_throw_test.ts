/**
 * A shard throws in the middle of a batch: it closes its files and is replaced in place, while the
 * other shard's partitions go on and questions wait; one that cannot be replaced ends the process.
 */
import assert from "node:assert/strict";
import { EXIT_OK, EXIT_WORKER_DIED } from "../../lib/config/exit_codes.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { Address, lineOf, Load, LOAD_SPAN_MS, type SentEvent } from "../support/load.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertSessionsFollowRule,
  assertStoredOnce,
  readStoredRows,
  waitUntilCounted,
} from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
const SESSION_GAP_MS = 30 * MINUTE_MS;
const REPLACED = "a shard failed and is replaced";
/** Two shards over four partitions: the first owns 0 and 2 and plays the fault. */
const env = { RTA_SHARDS: "2", RTA_PARTITIONS: "4" };
const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;

Deno.test("serve replaces a shard that throws and loses nothing when it is under load", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-throw-" });
  const address = new Address();
  await using load = new Load({ address, seed: 1, prefix: "throw", endMs });
  try {
    await using server = await startServer({
      dataFolder,
      env: { ...env, RTA_FAULT: "shard-throw@3000" },
    });
    address.set(server.urls.ingestion);
    load.start();
    const replaced = await server.waitForEntry(REPLACED);
    assert.equal(replaced.shard, 0);
    assert.match(String(replaced.detail), /fault played on request/);
    await load.moreRequests(300);
    await load.stop();
    assert.deepEqual([...load.retries], [], "no client saw anything of it");
    assert.deepEqual(load.unexpected, []);

    await waitUntilCounted(server.urls.gateway);
    const answers = await askRollups(server.urls.gateway, endMs - LOAD_SPAN_MS, endMs);
    assert.equal(await metricOf(server, "rta_shard_restarts_total"), 1);
    assert.equal(await server.stop(), EXIT_OK, "it is the process that was started");
    const rows = await readStoredRows(dataFolder);
    assertStoredOnce(rows, load);
    assertSessionsFollowRule(rows, SESSION_GAP_MS);
    assertRollupsEqualRows(answers, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

Deno.test("serve keeps the other partitions going when a shard is being replaced", async () => {
  const address = new Address();
  await using load = new Load({ address, seed: 2, prefix: "other", endMs });
  await using server = await startServer({
    // Rows are to be seen soon: the shard is given up when it can't be replaced for some seconds.
    env: { ...env, RTA_FAULT: "shard-throw@500", RTA_COMMIT_INTERVAL_MS: "50" },
  });
  using files = heldWhenClosed(server, 0);
  address.set(server.urls.ingestion);
  load.start();
  await withDeadline(files.held, { what: "the failed shard's files being closed" });
  await server.waitForEntry(REPLACED);

  const heldAtMs = performance.now();
  // Its files cannot be opened again until they are let go of: it stays away for that long.
  const ready = await fetch(`${server.urls.gateway}/ready`);
  assert.equal(ready.status, 503, await ready.text());
  const other = userOf(1);
  await seeEvent(server, other, 1);
  const question = fetch(`${server.urls.gateway}/v1/analytics/summary`);
  await seeEvent(server, other, 2);
  const heldMs = performance.now() - heldAtMs;
  files.letGo();

  const answer = await question;
  const summary = await answer.json();
  assert.equal(answer.status, 200, "a question waits for the replacement");
  assert.ok(Number(summary.total_events) > 0);
  await seeEvent(server, userOf(0), 1);
  console.log(`the shard was away for ${Math.round(heldMs)} ms at least`);
  await load.stop();
  assert.deepEqual([...load.retries], [], "no client saw anything of it");
  assert.equal(await server.stop(), EXIT_OK);
});

Deno.test("serve ends with its own code when a shard can't be replaced", async () => {
  const address = new Address();
  await using load = new Load({ address, seed: 3, prefix: "never", endMs });
  await using server = await startServer({ env: { ...env, RTA_FAULT: "shard-throw@500" } });
  using files = heldWhenClosed(server, 2);
  address.set(server.urls.ingestion);
  load.start();
  await withDeadline(files.held, { what: "the failed shard's files being closed" });
  const ended = { what: "the end of the process", deadlineMs: 30_000 };
  assert.equal(await withDeadline(server.ended, ended), EXIT_WORKER_DIED);
  const failures = server.entries.filter(({ msg }) => msg === REPLACED).map(({ code }) => code);
  assert.equal(failures[0], "RTA_SHARD_FAILED");
  assert.deepEqual([...new Set(failures.slice(1))], ["RTA_STORE_LOCKED"]);
});

/** Takes the lock on a partition's file in the moment in which its shard closes it. */
function heldWhenClosed(server: TestServer, partition: number) {
  const path = `${server.dataFolder}/events-00${partition}.duckdb.lock`;
  const file = Deno.openSync(path, { write: true });
  let isOpen = true;
  const letGo = () => {
    if (isOpen) file.close();
    isOpen = false;
  };
  return { held: file.lock(true), letGo, [Symbol.dispose]: letGo };
}

/** A user whose events the shard owns. */
function userOf(shard: number): string {
  for (let n = 0;; n++) {
    const bytes = new TextEncoder().encode(`seen-${n}`);
    if (partitionOf(bytes, 0, bytes.length, 4) % 2 === shard) return `seen-${n}`;
  }
}

/** Sends the user's next event and waits until it is among the user's rows. */
async function seeEvent(server: TestServer, userId: string, events: number): Promise<void> {
  const event: SentEvent = {
    id: `${userId}-${events}`,
    userId,
    type: "seen",
    timestampMs: Date.now(),
    sessionId: null,
    amount: null,
  };
  const sent = await fetch(`${server.urls.ingestion}/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: lineOf(event),
  });
  assert.equal(sent.status, 200, await sent.text());
  await waitUntil(async () => {
    const response = await fetch(`${server.urls.gateway}/v1/analytics/users/${userId}`);
    const answer = await response.json();
    return response.ok && answer.user_profile.total_events === events;
  }, { what: `event ${events} of ${userId} among its rows` });
}

async function metricOf(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.urls.metrics}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}
