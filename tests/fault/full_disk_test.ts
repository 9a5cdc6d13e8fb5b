/**
 * The disk is full: no file grows any more. Clients are refused and try again, the shard is replaced
 * until there is room, the process stays; once there is room, everything confirmed is there once.
 */
import assert from "node:assert/strict";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { waitUntil } from "../support/deadline.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertStoredOnce,
  readStoredRows,
  waitUntilCounted,
} from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
/** Room for some thousand events in the log, and for fewer than BACKLOG_EVENTS in the store. */
const FILE_KIB_MAX = 1536;
const BACKLOG_EVENTS = 20_000;
const REPLACED = "a shard failed and is replaced";
const env = { RTA_SHARDS: "1", RTA_PARTITIONS: "1" };

Deno.test("serve refuses events and goes on when the disk was full for a while", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-full-" });
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const address = new Address();
  await using load = new Load({ address, seed: 5, prefix: "full", endMs }).start();
  try {
    await makeBacklog(dataFolder, address, load);
    await using full = await startServer({ dataFolder, env, fileKibMax: FILE_KIB_MAX });
    address.set(full.urls.ingestion);
    await fillDisk(full);
    address.set(null);
    const taken = load.confirmed.size;
    assert.equal(await full.stop(), EXIT_OK);

    await using roomy = await startServer({ dataFolder, env });
    address.set(roomy.urls.ingestion);
    await load.moreRequests(100);
    await load.stop();
    console.log(`${taken} events until the disk was full; sent again:`, load.retries);
    assert.deepEqual(load.unexpected, []);
    await waitUntilCounted(roomy.urls.gateway);
    const answers = await askRollups(roomy.urls.gateway, endMs - LOAD_SPAN_MS, endMs);
    assert.equal(await roomy.stop(), EXIT_OK);
    const rows = await readStoredRows(dataFolder);
    assertStoredOnce(rows, load);
    assertRollupsEqualRows(answers, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

/** Fills the log while nothing processes it, so that the store has much to write later. */
async function makeBacklog(dataFolder: string, address: Address, load: Load): Promise<void> {
  const roles = { ...env, RTA_ROLES: "ingestion" };
  await using server = await startServer({ dataFolder, env: roles });
  address.set(server.urls.ingestion);
  const what = `${BACKLOG_EVENTS} events`;
  await waitUntil(() => load.confirmed.size >= BACKLOG_EVENTS, { what, deadlineMs: 60_000 });
  address.set(null);
  assert.equal(await server.stop(), EXIT_OK);
}

/** Resolves when both the store and the log have found that there is no room. */
async function fillDisk(server: TestServer): Promise<void> {
  const failed = await server.waitForEntry(REPLACED, { deadlineMs: 60_000 });
  assert.equal(failed.code, "RTA_STORE_FULL");
  await waitUntil(async () => {
    const health = await fetch(`${server.urls.ingestion}/health`);
    const { status } = await health.json();
    return health.status === 503 && status === "unhealthy";
  }, { what: "ingest that says it is unhealthy", deadlineMs: 60_000 });
  // It comes back and finds the disk as full as before.
  await waitUntil(
    () => server.entries.filter(({ msg }) => msg === REPLACED).length >= 3,
    { what: "another attempt to replace the shard", deadlineMs: 60_000 },
  );
}
