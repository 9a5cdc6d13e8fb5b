/**
 * Mutated bodies to the REST routes that take events, 21,000 of them: each gets a success that says
 * what was taken or a problem with a code of the closed list, what was taken is stored and nothing
 * else, another client is served all the while, and memory stays bounded.
 */
import assert from "node:assert/strict";
import { REASONS } from "../../lib/event/reasons.ts";
import {
  assertStored,
  Bystander,
  GROWTH_BYTES_MAX,
  MemoryWatch,
  mutated,
  randomOf,
} from "../support/hostile_scene.ts";
import { startServer, type TestServer } from "../support/server.ts";

const BODIES_PER_ROUTE = 7_000;
const SENDERS_PER_ROUTE = 8;
const EVENTS_PER_BATCH = 4;

interface Route {
  readonly name: string;
  readonly url: (server: TestServer) => string;
  readonly body: () => string;
  /** Ids of what was accepted, or how many there were where only that is told. */
  // deno-lint-ignore no-explicit-any -- an answer of any route
  readonly accepted: (answer: any) => number;
}

/** Ids are long, so that no change makes one of another. */
const plainEvent = () => ({
  id: crypto.randomUUID(),
  user_id: "ünï-user",
  event_type: "page_view",
  timestamp: "2026-01-31T12:00:00.250Z",
  source: "web",
  amount: 12.5,
  properties: { page: "/pricing", logged_in: true, n: 3, text: 'quo"te\\' },
});

const v1Event = () => ({
  event: {
    id: crypto.randomUUID(),
    user_id: "ünï-user",
    event_type: "EVENT_TYPE_USER",
    timestamp: "2026-01-31T12:00:00.250Z",
    properties: { plan: "pro" },
    user_event: { action: "click", page_url: "/pricing", user_context: { browser: "b" } },
  },
});

const ROUTES: readonly Route[] = [
  {
    name: "POST /events",
    url: ({ urls }) => `${urls.ingestion}/events`,
    body: () => JSON.stringify(plainEvent()),
    accepted: ({ success }) => success ? 1 : 0,
  },
  {
    name: "POST /events/batch",
    url: ({ urls }) => `${urls.ingestion}/events/batch`,
    body: () => JSON.stringify({ events: Array.from({ length: EVENTS_PER_BATCH }, plainEvent) }),
    accepted: ({ processed_count }) => processed_count ?? 0,
  },
  {
    name: "POST /v1/events",
    url: ({ urls }) => `${urls.gateway}/v1/events`,
    body: () => JSON.stringify(v1Event()),
    accepted: ({ success }) => success ? 1 : 0,
  },
];

/** Sends mutated bodies; gives how many events were accepted. */
async function sendMutated(server: TestServer, route: Route, seed: number): Promise<number> {
  const random = randomOf(seed);
  const encoder = new TextEncoder();
  let accepted = 0;
  for (let i = 0; i < BODIES_PER_ROUTE / SENDERS_PER_ROUTE; i++) {
    const body = mutated(encoder.encode(route.body()), random);
    const response = await fetch(route.url(server), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await response.text();
    const told = `${route.name}: ${response.status} ${text} for ${JSON.stringify([...body])}`;
    assert.ok(response.status < 500, told);
    const answer = JSON.parse(text);
    if (response.status !== 200) {
      assert.match(response.headers.get("content-type")!, /^application\/problem\+json/, told);
      assert.ok(answer.code in REASONS, told);
    }
    accepted += route.accepted(answer);
  }
  return accepted;
}

Deno.test("21,000 mutated bodies: each a fair answer, and stored is what was accepted", async () => {
  await using server = await startServer();
  const bystander = await Bystander.beside(server);
  using memory = new MemoryWatch(server.pid);
  const senders = ROUTES.flatMap((route, place) =>
    Array.from({ length: SENDERS_PER_ROUTE }, (_, i) => sendMutated(server, route, 100 * place + i))
  );
  const counts = await Promise.all(senders);
  const accepted = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(accepted > 0, "some mutations do no harm");
  await assertStored(server, accepted + await bystander.end());
  const growth = memory.end();
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth} bytes`);
  assert.equal(server.entries.filter(({ level }) => level === "error").length, 0);
  assert.equal(await server.stop(), 0);
});
