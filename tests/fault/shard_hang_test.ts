/**
 * A shard hangs: its thread never comes back, its files stay open, and only a new process helps. The
 * process notices, ends by its own code, and the restart loop of `rta run` starts it again.
 */
import assert from "node:assert/strict";
import { EXIT_OK, EXIT_WORKER_HUNG } from "../../lib/config/exit_codes.ts";
import { HANG_MS } from "../../lib/config/limits.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import { type LogEntry, readyUrls, type RtaProcess, spawnRta } from "../support/server.ts";
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
/** From the end of the process to the next one being ready, ms. */
const BACK_MS_MAX = 5_000;
/** Longest a question may be without an answer, ms: QUERY_MS_MAX and something for the machine. */
const QUESTION_MS_MAX = 15_000;
const ENDS = "the process has to end";
const RESTARTS = "the platform ended unexpectedly and is started again";

Deno.test("run brings the process back within 5 s and loses nothing when a shard hangs", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-hang-" });
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const address = new Address();
  await using load = new Load({ address, seed: 4, prefix: "hang", endMs });
  try {
    await using loop = spawnRta(["run"], {
      dataFolder,
      env: { RTA_SHARDS: "2", RTA_FAULT: "shard-hang@2000" },
    });
    const first = await readyUrls(loop);
    address.set(first.ingestion);
    load.start();
    const questions = askUntilGone(first.gateway);
    const second = await secondLife(loop);
    const slowestMs = await questions;
    address.set(second.ingestion);
    await load.moreRequests(300);
    await load.stop();
    console.log(`slowest question ${Math.round(slowestMs)} ms; sent again:`, load.retries);
    assert.ok(slowestMs < QUESTION_MS_MAX, `a question took ${slowestMs} ms`);
    assert.deepEqual(load.unexpected, []);

    await waitUntilCounted(second.gateway);
    const answers = await askRollups(second.gateway, endMs - LOAD_SPAN_MS, endMs);
    assert.equal(await loop.stop(), EXIT_OK);
    const rows = await readStoredRows(dataFolder);
    assertStoredOnce(rows, load);
    assertSessionsFollowRule(rows, SESSION_GAP_MS);
    assertRollupsEqualRows(answers, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

/** Follows the end of the process and its restart; gives where the next one is. */
async function secondLife(loop: RtaProcess) {
  const end = await loop.waitForEntry(ENDS);
  assert.equal(end.exit_code, EXIT_WORKER_HUNG);
  assert.match(String(end.reason), new RegExp(`has not turned for ${HANG_MS} ms`));
  const restart = await loop.waitForEntry(RESTARTS);
  assert.equal(restart.code, EXIT_WORKER_HUNG);
  const from = loop.entries.indexOf(restart);
  const ready = await loop.waitForEntry("ready", { from });
  const ended = timeOf(restart) - timeOf(end);
  const back = timeOf(ready) - timeOf(restart);
  console.log(`hang noticed, ended after ${ended} ms, ready ${back} ms after that`);
  assert.ok(back <= BACK_MS_MAX, `it was away for ${back} ms`);
  return ready.urls as Awaited<ReturnType<typeof readyUrls>>;
}

/** Asks one question after the other until nobody is there; gives the longest wait, ms. */
async function askUntilGone(gateway: string): Promise<number> {
  for (let slowestMs = 0;;) {
    const askedAtMs = performance.now();
    let status: number;
    try {
      const response = await fetch(`${gateway}/v1/analytics/summary`);
      await response.body?.cancel();
      status = response.status;
    } catch {
      return slowestMs;
    }
    assert.ok(status === 200 || status === 503, `status ${status}`);
    slowestMs = Math.max(slowestMs, performance.now() - askedAtMs);
  }
}

function timeOf(entry: LogEntry): number {
  return Date.parse(String(entry.time));
}
