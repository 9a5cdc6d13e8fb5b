/**
 * RTA_ROWS=off over real processes: what is answered without rows, what is refused and how, that
 * duplicates and sessions are known after a stop and after a kill, and that the choice is fixed.
 */
import assert from "node:assert/strict";
import { EXIT_CONFIG, EXIT_OK } from "../../lib/config/exit_codes.ts";
import { waitUntil } from "../support/deadline.ts";
import { lineOf, type SentEvent } from "../support/load.ts";
import { spawnRta, startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
const env = { RTA_ROWS: "off" };
const startMs = Math.floor(Date.now() / MINUTE_MS - 100) * MINUTE_MS;

function eventAt(minute: number, id: string, userId: string): SentEvent {
  const timestampMs = startMs + minute * MINUTE_MS;
  return { id, userId, type: "view", timestampMs, sessionId: null, amount: 1.5 };
}

/** Two sessions of ada, one of ben. */
const before = [eventAt(0, "a", "ada"), eventAt(20, "b", "ada"), eventAt(60, "c", "ada")]
  .concat(eventAt(60, "d", "ben"));
/** Goes on with the latest session of each. */
const after = [eventAt(80, "e", "ada"), eventAt(85, "f", "ben")];

for (const end of ["stop", "kill"] as const) {
  Deno.test(`serve without rows goes on where the one before it ended when that was a ${end}`, async () => {
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-rows-off-" });
    try {
      await using first = await startServer({ dataFolder, env });
      await send(first, before);
      await waitUntilCounted(first.urls.gateway);
      const known = await summary(first);
      assert.deepEqual(known, { total_events: "4", unique_users: "2", sessions: "3" });
      if (end === "kill") await first.kill();
      else assert.equal(await first.stop(), EXIT_OK);

      await using second = await startServer({ dataFolder, env });
      await waitUntilCounted(second.urls.gateway);
      assert.deepEqual(await summary(second), known);
      await send(second, before);
      const duplicates = async () => {
        const stats = await (await fetch(`${second.urls.consumer}/stats`)).json();
        return stats.consumer.duplicate_events === before.length;
      };
      await waitUntil(duplicates, { what: "the second copies being counted as duplicates" });
      assert.deepEqual(await summary(second), known);
      await send(second, after);
      await waitUntilCounted(second.urls.gateway);
      assert.deepEqual(await summary(second), { ...known, total_events: "6" });
      await checkRefusals(second);
      assert.equal(await second.stop(), EXIT_OK);
    } finally {
      Deno.removeSync(dataFolder, { recursive: true });
    }
  });
}

Deno.test("serve refuses another RTA_ROWS than the data folder was made with", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-rows-off-" });
  try {
    await using made = await startServer({ dataFolder, env });
    assert.equal(await made.stop(), EXIT_OK);
    await using other = spawnRta(["serve"], { dataFolder });
    assert.equal(await other.ended, EXIT_CONFIG);
    assert.match(
      other.output(),
      /^rta: store .* was made with RTA_ROWS=off, and RTA_ROWS is on now: set it back, or use/m,
    );
    await using same = await startServer({ dataFolder, env });
    assert.equal(await same.stop(), EXIT_OK);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

/** Questions that need single events are refused as such; the shard goes on. */
async function checkRefusals(server: TestServer): Promise<void> {
  // Before the minute is cut, it has to have events on both sides.
  const halfMs = startMs + 20 * MINUTE_MS;
  await send(
    server,
    [-10_000, 10_000].map((offMs, i) => ({
      ...eventAt(20, `half-${i}`, "ada"),
      timestampMs: halfMs + MINUTE_MS / 2 + offMs,
    })),
  );
  await waitUntilCounted(server.urls.gateway);
  const cut = `time_range.start=${halfMs + MINUTE_MS / 2}&time_range.end=${halfMs + MINUTE_MS}`;
  const detail = "rows are not kept: RTA_ROWS=off";
  const refusals = [
    [`/v1/analytics/users/ada`, detail],
    [
      `/v1/analytics/summary?${cut}`,
      "rows are not kept: RTA_ROWS=off; give a range of whole minutes",
    ],
  ];
  for (const [path, detail] of refusals) {
    const response = await fetch(`${server.urls.gateway}${path}`);
    await isRefused(response, detail);
  }
  const wide = `time_range.start=${startMs}&time_range.end=${startMs + 120 * MINUTE_MS}`;
  const byRows = [
    `users?prefix=a`,
    `summary?${wide}&filters[source]=web`,
    `timeseries?${wide}&metric=events&group_by=source`,
  ];
  for (const question of byRows) {
    await isRefused(await fetch(`${server.urls.gateway}/v1/analytics/${question}`), detail);
  }
  const step = { event_types: ["view"] };
  const bodies = {
    funnel: { steps: [{ name: "a", event_type: "view" }, { name: "b", event_type: "view" }] },
    retention: { granularity: "day", start: step },
    paths: { from: "view", scope: "user", depth: 2 },
  };
  for (const [question, body] of Object.entries(bodies)) {
    const response = await fetch(`${server.urls.gateway}/v1/analytics/${question}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    await isRefused(response, detail);
  }
  const { total_events } = await summary(server);
  assert.equal(total_events, "8");
}

async function isRefused(response: Response, detail: string): Promise<void> {
  const body = await response.json();
  assert.equal(response.status, 409, `${response.url}: ${JSON.stringify(body)}`);
  assert.deepEqual([body.code, body.detail], ["rows_not_kept", detail]);
}

async function send(server: TestServer, events: readonly SentEvent[]): Promise<void> {
  const response = await fetch(`${server.urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"events":[${events.map(lineOf).join(",")}]}`,
  });
  const answer = await response.json();
  assert.equal(answer.processed_count, events.length, JSON.stringify(answer));
}

async function summary(server: TestServer) {
  const range = `time_range.start=${startMs}&time_range.end=${startMs + 120 * MINUTE_MS}`;
  const response = await fetch(`${server.urls.gateway}/v1/analytics/summary?${range}`);
  const { total_events, unique_users, sessions } = await response.json();
  return { total_events, unique_users, sessions };
}
