/**
 * Funnels that take too long, over a real process: they end at their deadline, in the shards as well,
 * and ingest does not notice; what is asked afterwards is answered.
 */
import assert from "node:assert/strict";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";
import { httpAsker } from "../support/truth_case.ts";

const EVENTS = 120_000;
const EVENTS_PER_REQUEST = 10_000;
const USERS = 1_000;
const TYPES = 4;
const FUNNEL = "/v1/analytics/funnel";
/** More than a shard works on at a time: those that wait are given up too. */
const SLOW_QUESTIONS = 6;
const timeoutSeconds = 1;
/** An answer later than this has not kept the deadline, ms; machines are busy. */
const LATE_MS = 8_000;

const startMs = Date.UTC(2026, 0, 1);

/** Event `number`; each user goes through all types, again and again. */
function eventOf(number: number): string {
  const turn = Math.floor(number / USERS);
  return JSON.stringify({
    id: `event-${number}`,
    user_id: `user-${number % USERS}`,
    event_type: `type-${turn % TYPES}`,
    timestamp: startMs + 1_000 * turn,
    properties: { page: `/page/${number % 97}`, text: "x".repeat(200) },
  });
}

async function send({ urls }: TestServer, from: number, to: number): Promise<void> {
  const events = Array.from({ length: to - from }, (_, i) => eventOf(from + i));
  const response = await fetch(`${urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: events.join("\n"),
  });
  assert.equal((await response.json()).processed_count, to - from);
}

const time_range = { start: startMs, end: startMs + 86_400_000 };
const steps = Array.from({ length: TYPES }, (_, type) => ({ event_type: `type-${type}` }));

/** 20 steps and 10 exclusions that look into the properties of every event. */
const slow = {
  time_range,
  timeout_seconds: timeoutSeconds,
  steps: Array.from({ length: 20 }, (_, step) => ({
    filter: [
      { property: `missing-${step}`, op: "contains", value: "y" },
      { property: "text", op: "contains", value: "y" },
    ].map((condition) => ({ or: [condition, { ...condition, property: "page" }] })),
  })),
  exclusions: Array.from({ length: 10 }, (_, number) => ({
    filter: [{ property: `none-${number}`, op: "contains", value: "y" }],
  })),
  order: "strict",
};

Deno.test("funnels end at their deadline and ingest goes on", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "4" } });
  for (let at = 0; at < EVENTS; at += EVENTS_PER_REQUEST) {
    await send(server, at, at + EVENTS_PER_REQUEST);
  }
  await waitUntilCounted(server.urls.gateway);
  const ask = httpAsker(server.urls.gateway);
  const askedAt = performance.now();
  const asked = Array.from({ length: SLOW_QUESTIONS }, () => ask({ path: FUNNEL, body: slow }));
  await send(server, EVENTS, EVENTS + EVENTS_PER_REQUEST);
  for (const { status, body } of await Promise.all(asked)) {
    assert.deepEqual([status, body.code], [504, "deadline_exceeded"]);
  }
  const tookMs = performance.now() - askedAt;
  assert.ok(tookMs >= 1_000 * timeoutSeconds && tookMs < LATE_MS, `${tookMs} ms`);

  await waitUntilCounted(server.urls.gateway);
  const { status, body } = await ask({
    path: FUNNEL,
    body: { time_range, steps, timeout_seconds: 10 },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(
    body.steps.map((step: { users: string }) => step.users),
    Array(TYPES).fill("1000"),
  );
  assert.equal(body.steps[1].avg_time_to_convert, "1s");
  assert.equal(body.complete, true);
  assert.equal(await server.stop(), EXIT_OK);
});
