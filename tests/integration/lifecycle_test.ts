/** How a process begins and ends: ready soon, drained at a signal, refused with a reason. */
import assert from "node:assert/strict";
import { EXIT_CONFIG, EXIT_OK } from "../../lib/config/exit_codes.ts";
import { HOLDING_QUIET_MS_MAX } from "../../lib/config/limits.ts";
import { someTime, waitUntil, withDeadline } from "../support/deadline.ts";
import { RawClient, type RawOutcome } from "../support/raw_http.ts";
import { spawnRta, startServer } from "../support/server.ts";
import { readStoredRows } from "../support/stored_rows.ts";

/** The product's bar is 2 s on a machine that does nothing else, ms. */
const READY_MS_MAX = 10_000;
/** The product's own bar, ms. */
const STOP_MS_MAX = 10_000;
const CLIENTS = 32;

function eventOf(id: string): string {
  return JSON.stringify({ id, user_id: `user-${id}`, event_type: "view", timestamp: Date.now() });
}

Deno.test("serve is ready in time on a new data folder and on a used one", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-ready-" });
  try {
    for (const folder of ["new", "used"]) {
      await using server = await startServer({ dataFolder });
      const startMs = Math.round(server.startMs);
      console.log(`${folder} data folder: ready after ${startMs} ms, process start included`);
      assert.ok(startMs < READY_MS_MAX, `${startMs} ms`);
      for (const url of Object.values(server.urls)) {
        const response = await fetch(`${url}/ready`);
        assert.equal((await response.json()).ready, true);
      }
      assert.equal(await server.stop(), EXIT_OK);
    }
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`serve answers every request that it was sent when it gets ${signal}`, async () => {
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-drain-" });
    try {
      await using server = await startServer({ dataFolder });
      const outcomes = new Map<string, RawOutcome>();
      const clients = Array.from(
        { length: CLIENTS },
        (_, client) => sendUntilRefused(server.urls.ingestion, `${client}`, outcomes),
      );
      await waitUntil(() => outcomes.size > 20 * CLIENTS, { what: "a load", deadlineMs: 30_000 });
      const before = outcomes.size;
      const signalledAtMs = performance.now();
      server.signal(signal);
      const ended = { what: "the end of the process", deadlineMs: 2 * STOP_MS_MAX };
      assert.equal(await withDeadline(server.ended, ended), EXIT_OK);
      const tookMs = Math.round(performance.now() - signalledAtMs);
      await Promise.all(clients);
      console.log(`${tookMs} ms; ${before} answers before ${signal}, ${outcomes.size} in all`);
      assert.ok(tookMs < STOP_MS_MAX, `${tookMs} ms`);

      const bad = [...outcomes].filter(([, each]) =>
        each.kind !== "answered" || each.status !== 200
      );
      assert.deepEqual(bad, []);
      const stored = new Set((await readStoredRows(dataFolder)).map((row) => row.id));
      assert.deepEqual([...outcomes.keys()].filter((id) => !stored.has(id)), []);
      assert.equal(stored.size, outcomes.size);
    } finally {
      Deno.removeSync(dataFolder, { recursive: true });
    }
  });
}

/** Sends events one after the other on one connection until nobody listens any more. */
async function sendUntilRefused(
  url: string,
  name: string,
  outcomes: Map<string, RawOutcome>,
): Promise<void> {
  using client = new RawClient(url);
  for (let n = 0;; n++) {
    const id = `${name}-${n}`;
    const outcome = await client.post("/events", eventOf(id));
    if (outcome.kind === "refused") return;
    outcomes.set(id, outcome);
  }
}

Deno.test("serve answers a request whose body was still on its way when it got SIGTERM", async () => {
  await using server = await startServer();
  using slow = new RawClient(server.urls.ingestion);
  using quick = new RawClient(server.urls.ingestion);
  let late: Promise<RawOutcome> | null = null;
  const outcome = await slow.post("/events", eventOf("slow"), async () => {
    // Requests are seen in the order of their arrival, so the one that waits here has been seen.
    assert.equal((await quick.post("/events", eventOf("quick"))).kind, "answered");
    server.signal("SIGTERM");
    late = quick.post("/events", eventOf("late"));
    await someTime(2 * HOLDING_QUIET_MS_MAX);
  });
  assert.ok(outcome.kind === "answered", JSON.stringify(outcome));
  assert.equal(outcome.status, 200);
  assert.equal((await late!).kind, "answered");
  assert.equal(await server.ended, EXIT_OK);
});

Deno.test("serve does not wait for a client that keeps an idle connection", async () => {
  await using server = await startServer();
  using idle = new RawClient(server.urls.gateway);
  assert.equal((await idle.post("/v1/events", eventOf("idle"))).kind, "answered");
  const signalledAtMs = performance.now();
  assert.equal(await server.stop(), EXIT_OK);
  const tookMs = performance.now() - signalledAtMs;
  assert.ok(tookMs < STOP_MS_MAX / 2, `${tookMs} ms`);
});

Deno.test("serve refuses a data folder that another process holds, and names it", async () => {
  await using first = await startServer();
  await using second = spawnRta(["serve"], { dataFolder: first.dataFolder });
  assert.equal(await second.ended, EXIT_CONFIG);
  assert.match(second.output(), new RegExp(`in use by process ${first.pid}\\b`));
  assert.match(second.output(), /RTA_DATA/, "the message says what to do");
  const health = await fetch(`${first.urls.gateway}/health`);
  assert.equal((await health.json()).status, "healthy", "the first one goes on");
  assert.equal(await first.stop(), EXIT_OK);
});

Deno.test("serve refuses to start when a port is taken, and names it", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr as Deno.NetAddr;
  await using server = spawnRta(["serve"], { env: { RTA_CONSUMER_PORT: String(port) } });
  const startedAtMs = performance.now();
  assert.equal(await server.ended, EXIT_CONFIG);
  assert.ok(performance.now() - startedAtMs < READY_MS_MAX, "at once");
  assert.match(server.output(), new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken`));
});

Deno.test("serve refuses bad settings, each with its name", async () => {
  const env = { RTA_SHARDS: "many", RTA_GATEWAY_PORT: "70000" };
  await using server = spawnRta(["serve"], { env });
  assert.equal(await server.ended, EXIT_CONFIG);
  for (const name of Object.keys(env)) assert.match(server.output(), new RegExp(name));
});

Deno.test("serve refuses a data folder of another number of partitions", async () => {
  await using first = await startServer({ env: { RTA_PARTITIONS: "4" } });
  first.signal("SIGTERM");
  assert.equal(await first.ended, EXIT_OK);
  const { dataFolder } = first;
  await using second = spawnRta(["serve"], { dataFolder, env: { RTA_PARTITIONS: "5" } });
  assert.equal(await second.ended, EXIT_CONFIG);
  assert.match(second.output(), /made with 4 partitions/);
});

Deno.test("run ends with the reason when serve can't start for good", async () => {
  await using loop = spawnRta(["run"], { env: { RTA_SHARDS: "many" } });
  assert.equal(await loop.ended, EXIT_CONFIG);
  assert.match(loop.output(), /RTA_SHARDS/);
});
