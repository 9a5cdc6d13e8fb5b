import assert from "node:assert/strict";
import {
  eventsIn,
  FakeClock,
  FakeNetwork,
  jsonAnswer,
  settled,
} from "../../tests/support/client_scene.ts";
import { AnalyticsClient } from "./client.ts";
import { ApiError } from "./api_error.ts";
import type { ClientOptions } from "./client_options.ts";
import { customEvent, type PlainEvent, userEvent } from "./events.ts";

const URLS = { url: "http://gateway.test", ingestUrl: "http://ingest.test" };
const PAGE_VIEW: PlainEvent = { user_id: "ada", event_type: "page_view" };
const ALL_STORED = { success: true, errors: [], validation_errors: [] };

function open(answer: FakeNetwork["answer"], options: ClientOptions = {}) {
  const network = new FakeNetwork(answer);
  const clock = new FakeClock();
  const fixed = { ...URLS, fetch: network.fetch, clock, random: () => 0 };
  return { network, clock, client: new AnalyticsClient({ ...fixed, ...options }) };
}

Deno.test("track() sends the same id and time when it has to try again", async () => {
  const { network, clock, client } = open((_, index) => {
    if (index === 0) throw new TypeError("connection reset");
    return index === 1 ? jsonAnswer(503, { code: "x" }) : jsonAnswer(200, ALL_STORED);
  });
  const tracked = client.track(PAGE_VIEW);
  await clock.advance(20);
  const { id } = await tracked;
  const bodies = network.sent.map(eventsIn);
  assert.equal(bodies.length, 3);
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (const [event] of bodies) {
    assert.deepEqual(event, { ...PAGE_VIEW, id, timestamp: bodies[0][0].timestamp });
  }
  assert.equal(Date.parse(bodies[0][0].timestamp), clock.now() - 20);
});

Deno.test("track() sends plain events to ingestion and typed ones to the gateway", async () => {
  const { network, clock, client } = open(() => jsonAnswer(200, ALL_STORED));
  const all = [
    client.track({ ...PAGE_VIEW, id: "p-1", timestamp: new Date(0) }),
    client.track(userEvent({ user_id: "ada", id: "t-1" }, { action: "click" })),
    client.track(customEvent({ user_id: "ada", id: "t-2" }, { name: "scan" })),
  ];
  await clock.advance(20);
  assert.deepEqual(await Promise.all(all), [{ id: "p-1" }, { id: "t-1" }, { id: "t-2" }]);
  const ids = Object.fromEntries(
    network.sent.map((request) => [request.url, eventsIn(request).map(({ id }) => id)]),
  );
  assert.deepEqual(ids, {
    "http://ingest.test/events/batch": ["p-1"],
    "http://gateway.test/v1/events/batch": ["t-1", "t-2"],
  });
  assert.equal(eventsIn(network.sent[0])[0].timestamp, "1970-01-01T00:00:00.000Z");
});

Deno.test("trackBatch() gives each event its verdict, also when all are refused", async () => {
  const refused = { index: 0, id: "a", code: "empty_field", field: "user_id", message: "no" };
  const violation = { field: "events[1].user_event.action", code: "empty_field", message: "no" };
  for (const status of [200, 400]) {
    const { client } = open(({ url }) =>
      url.includes("/v1/")
        ? jsonAnswer(status, { validation_errors: [violation] })
        : jsonAnswer(status, { code: "empty_field", errors: [refused] })
    );
    const outcomes = await client.trackBatch([
      { ...PAGE_VIEW, id: "a" },
      { ...PAGE_VIEW, id: "b" },
      userEvent({ user_id: "u", id: "c" }, { action: "x" }),
      userEvent({ user_id: "u", id: "d" }, { action: "" }),
      { ...PAGE_VIEW, timestamp: new Date(NaN) },
    ]);
    assert.deepEqual(
      outcomes.map(({ id, error }) => [id, error?.code ?? null, error?.field ?? null]),
      [
        ["a", "empty_field", "user_id"],
        ["b", null, null],
        ["c", null, null],
        ["d", "empty_field", "user_event.action"],
        [null, "invalid_event", null],
      ],
    );
  }
});

Deno.test("trackBatch() waits for room, so that a queue may be shorter than the batch", async () => {
  const { network, client } = open(() => jsonAnswer(200, ALL_STORED), {
    queueEvents: 4,
    batchEvents: 2,
  });
  const events = Array.from({ length: 31 }, (_, i) => ({ ...PAGE_VIEW, id: String(i) }));
  const outcomes = client.trackBatch(events);
  assert.ok((await outcomes).every(({ error }) => error === null));
  assert.deepEqual(network.sent.flatMap(eventsIn).map(({ id }) => id), events.map(({ id }) => id));
  assert.ok(network.sent.every((request) => eventsIn(request).length <= 2));
});

Deno.test("track() fails every event of a request that is refused as a whole", async () => {
  const refused: unknown[] = [];
  const { clock, client } = open(
    () => jsonAnswer(401, { code: "unauthenticated", detail: "who?" }),
    { onRefused: (error, event) => refused.push([(error as ApiError).code, event.id]) },
  );
  // Nobody looks at these promises: onRefused is told in their place.
  void client.track({ ...PAGE_VIEW, id: "a" });
  void client.track({ ...PAGE_VIEW, id: "b" });
  await clock.advance(20);
  await settled();
  assert.deepEqual(refused, [["unauthenticated", "a"], ["unauthenticated", "b"]]);
});

Deno.test("track() refuses plain events when no ingestion address is known", async () => {
  const client = new AnalyticsClient({ url: "https://gateway.test" });
  const tracked = client.track(PAGE_VIEW);
  void client.flush();
  await assert.rejects(tracked, { code: "invalid_option", field: "ingestUrl" });
});

Deno.test("track() says unexpected_answer when the answer has no verdicts", async () => {
  const { clock, client } = open(() => jsonAnswer(200, { hello: 1 }));
  const tracked = assert.rejects(client.track(PAGE_VIEW), { code: "unexpected_answer" });
  await clock.advance(20);
  await tracked;
});

Deno.test("close() sends what waits at once", async () => {
  const { network, client } = open(() => jsonAnswer(200, ALL_STORED));
  const tracked = client.track(PAGE_VIEW);
  assert.equal(client.queued, 1);
  await client.close();
  await tracked;
  assert.equal(network.sent.length, 1);
  await assert.rejects(client.track(PAGE_VIEW), { code: "client_closed" });
});

Deno.test("questions go as parameters or bodies, and counts come as numbers", async () => {
  const { network, client } = open(({ url }) =>
    jsonAnswer(
      200,
      url.includes("/summary")
        ? { total_events: "7", events_by_type: { a: "4", total_events: "3" } }
        : {
          occurrences: "4",
          users: "3",
          ended: "1",
          other: { types: 0, occurrences: "0" },
          steps: [{ type: "12", occurrences: "2", users: "2", other: {}, steps: [] }],
        },
    )
  );
  const summary = await client.summary({
    time_range: { start: new Date(0), end: "2026-01-31T12:00:00Z" },
    event_types: ["a", "b"],
    filters: { "page[x]": "/&" },
    filter: [{ property: "amount", op: "gte", value: 10 }],
  });
  assert.deepEqual(summary.events_by_type, { a: 4, total_events: 3 });
  assert.equal(summary.total_events, 7);
  const asked = new URL(network.sent[0].url).searchParams;
  assert.deepEqual([...asked], [
    ["time_range.start", "1970-01-01T00:00:00.000Z"],
    ["time_range.end", "2026-01-31T12:00:00Z"],
    ["event_types", "a"],
    ["event_types", "b"],
    ["filters[page[x]]", "/&"],
    ["filter", '[{"property":"amount","op":"gte","value":10}]'],
  ]);
  const paths = await client.paths({ from: "a", time_range: { start: new Date(0) } });
  assert.deepEqual(paths.steps[0].occurrences, 2);
  assert.equal(paths.steps[0].type, "12", "what is no count stays as it is");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(network.sent[1].body)), {
    from: "a",
    time_range: { start: "1970-01-01T00:00:00.000Z" },
  });
});
