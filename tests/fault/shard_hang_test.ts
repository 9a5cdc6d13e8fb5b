/**
 * A shard hangs, or dies without closing its files: they stay open, and only a new process helps.
 * The process notices, ends by its own code, and the restart loop of `rta run` starts it again.
 */
import assert from "node:assert/strict";
import { EXIT_OK, EXIT_WORKER_DIED, EXIT_WORKER_HUNG } from "../../lib/config/exit_codes.ts";
import { HANG_MS } from "../../lib/config/limits.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { Address, Load, LOAD_SPAN_MS } from "../support/load.ts";
import {
  type LogEntry,
  readyUrls,
  type RtaProcess,
  spawnRta,
  startServer,
} from "../support/server.ts";
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
/** The product's own bar for a stop, ms. */
const STOP_MS_MAX = 10_000;
/** Longest a question may be without an answer, ms: QUERY_MS_MAX and something for the machine. */
const QUESTION_MS_MAX = 15_000;
const ENDS = "the process has to end";
const RESTARTS = "the platform ended unexpectedly and is started again";

const faults = [
  { kind: "hang", exitCode: EXIT_WORKER_HUNG, reason: /has not turned for 5000 ms/ },
  { kind: "die", exitCode: EXIT_WORKER_DIED, reason: /died: .*fault played on request/ },
] as const;

for (const fault of faults) {
  Deno.test(`run starts serve again and loses nothing when a shard plays ${fault.kind}`, () =>
    checkRestart(fault));
}

async function checkRestart(fault: typeof faults[number]): Promise<void> {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-hang-" });
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const address = new Address();
  await using load = new Load({ address, seed: 4, prefix: "hang", endMs });
  try {
    await using loop = spawnRta(["run"], {
      dataFolder,
      env: { RTA_SHARDS: "2", RTA_FAULT: `shard-${fault.kind}@2000` },
    });
    const first = await readyUrls(loop);
    address.set(first.ingestion);
    load.start();
    const questions = askUntilGone(first.gateway);
    const second = await secondLife(loop, fault);
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
}

Deno.test("serve ends in time and by its own code when it is stopped while a shard hangs", async () => {
  const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const address = new Address();
  await using load = new Load({ address, seed: 6, prefix: "stop", endMs });
  await using server = await startServer({
    env: { RTA_SHARDS: "2", RTA_PARTITIONS: "4", RTA_FAULT: "shard-hang@500" },
  });
  address.set(server.urls.ingestion);
  load.start();
  await waitUntil(() => load.confirmed.size > 5000, { what: "events enough for the fault" });
  await load.stop();
  // The other shard has come to the end of the log; this one never will.
  await waitUntil(async () => {
    const { lag } = await (await fetch(`${server.urls.consumer}/lag`)).json();
    const lags = lag["analytics-events"];
    return lags[1] === 0 && lags[3] === 0;
  }, { what: "the other shard being done" });
  const stoppedAtMs = performance.now();
  server.signal("SIGTERM");
  const end = { what: "the end of the process", deadlineMs: 4 * HANG_MS };
  assert.equal(await withDeadline(server.ended, end), EXIT_WORKER_HUNG);
  const tookMs = Math.round(performance.now() - stoppedAtMs);
  console.log(`stopped with a hung shard in ${tookMs} ms`);
  assert.ok(tookMs < STOP_MS_MAX, `${tookMs} ms`);
});

/** Follows the end of the process and its restart; gives where the next one is. */
async function secondLife(loop: RtaProcess, { kind, exitCode, reason }: typeof faults[number]) {
  const end = await loop.waitForEntry(ENDS);
  assert.equal(end.exit_code, exitCode);
  assert.match(String(end.reason), reason);
  const restart = await loop.waitForEntry(RESTARTS);
  assert.equal(restart.code, exitCode);
  const from = loop.entries.indexOf(restart);
  const ready = await loop.waitForEntry("ready", { from });
  const ended = timeOf(restart) - timeOf(end);
  const back = timeOf(ready) - timeOf(restart);
  console.log(`${kind} noticed, ended after ${ended} ms, ready ${back} ms after that`);
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
