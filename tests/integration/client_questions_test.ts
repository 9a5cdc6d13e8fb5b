/** Every question of the client library against a real platform: the answers have the types told. */
import assert from "node:assert/strict";
import { AnalyticsClient, ApiError, transactionEvent, userEvent } from "../../lib/client/mod.ts";
import { waitUntil } from "../support/deadline.ts";
import { samePorts } from "../support/same_ports.ts";
import { startServer } from "../support/server.ts";

const time_range = { start: "2024-05-06T00:00:00Z", end: "2024-05-07T00:00:00Z" };
const at = (time: string) => `2024-05-06T${time}Z`;

const EVENTS = [
  { user_id: "ada", event_type: "page_view", timestamp: at("09:00:00"), properties: { page: "/" } },
  { user_id: "bob", event_type: "page_view", timestamp: at("09:10:00"), properties: { page: "/" } },
  {
    user_id: "bob",
    event_type: "page_view",
    timestamp: at("09:20:00"),
    properties: { page: "/b" },
  },
  userEvent({ user_id: "ada", timestamp: at("09:30:00") }, { action: "click" }),
  transactionEvent({ user_id: "ada", timestamp: at("10:00:00") }, {
    transaction_id: "t-1",
    type: "TRANSACTION_TYPE_PURCHASE",
    amount: 19.9,
    currency: "EUR",
  }),
];

Deno.test("AnalyticsClient asks every question and reads its counts as numbers", async () => {
  await using server = await startServer();
  const { gateway: url, ingestion: ingestUrl } = server.urls;
  await using client = new AnalyticsClient({ url, ingestUrl });
  const outcomes = await client.trackBatch(EVENTS);
  assert.deepEqual(outcomes.map(({ error }) => error), EVENTS.map(() => null));

  const summary = await client.summary({ time_range });
  assert.deepEqual([summary.total_events, summary.unique_users, summary.sessions], [5, 2, 2]);
  assert.deepEqual({ ...summary.events_by_type }, { page_view: 3, click: 1, purchase: 1 });
  const filter = [{ property: "page", op: "eq", value: "/" }] as const;
  assert.equal((await client.summary({ time_range, filter })).total_events, 2);
  assert.equal((await client.summary({ time_range, filters: { page: "/b" } })).total_events, 1);

  const hours = await client.timeSeries({ time_range, metric: "events", granularity: "hour" });
  assert.deepEqual(hours.series.slice(9, 11).map(({ value }) => value), [4, 1]);

  const pages = await client.breakdown({
    ...{ time_range, metric: "events", group_by: ["page"], event_types: ["page_view"] },
  });
  assert.deepEqual(pages.groups.map(({ labels, events }) => [labels.page, events]), [
    ["/", 2],
    ["/b", 1],
  ]);
  assert.equal(pages.total.events + pages.total.events_without_number, 3);

  const steps = [{ event_type: "page_view" }, { event_type: "purchase" }];
  const funnel = await client.funnel({ time_range, steps, window: "86400s" });
  assert.deepEqual(funnel.steps.map(({ users, dropped }) => users + dropped), [3, 1]);
  assert.equal(funnel.metadata.total_users, 2);
  const dropped = await client.funnelUsers({ time_range, steps, step: 1, outcome: "dropped" });
  assert.deepEqual(dropped.users.map(({ user_id }) => user_id), ["bob"]);

  const retention = await client.retention({ time_range, granularity: "day" });
  assert.equal(retention.cohorts[0].size + retention.cohorts[0].periods[0].users, 4);
  assert.equal(retention.totals.size, 2);
  const stickiness = await client.stickiness({ time_range });
  assert.equal(stickiness.periods[0].user_days + stickiness.periods[0].users_by_days[0], 4);
  assert.equal(stickiness.active_users.weekly + 0, stickiness.active_users.weekly);

  const paths = await client.paths({ time_range, from: "page_view" });
  assert.equal(paths.occurrences + paths.steps[0].occurrences + paths.other.occurrences, 4);
});

Deno.test("AnalyticsClient reads single events, rows, letters and users", async () => {
  await using server = await startServer();
  const { gateway: url, ingestion: ingestUrl } = server.urls;
  await using client = new AnalyticsClient({ url, ingestUrl });
  await client.trackBatch(EVENTS);
  const ada = await waitUntil(async () => {
    const page = await client.users({ prefix: "a" });
    if (page.users[0]?.total_events !== 3) return null;
    const included = { include_events: true, include_sessions: true };
    return await client.user("ada", { time_range, ...included, limit: 2 });
  }, { what: "the events are stored" });
  assert.equal(ada.user_profile.total_events, 3);
  assert.equal(ada.events.length + ada.sessions.length, 3);
  await assert.rejects(client.user("no/body"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.status, error.isRetryable], ["not_found", 404, false]);
    return true;
  });

  const lines = [];
  for await (const line of client.exportEvents({ time_range })) lines.push(JSON.parse(line));
  const ids = lines.map(({ id }) => id);
  assert.equal(new Set(ids).size, EVENTS.length);
  const csv = [];
  for await (
    const line of client.exportEvents({ time_range, format: "csv", columns: ["type", "amount"] })
  ) csv.push(line);
  assert.deepEqual([csv[0], csv.length], ["type,amount", EVENTS.length + 1]);

  const rows = await client.sql("SELECT count(*) AS events FROM events");
  assert.deepEqual(rows.rows, [[EVENTS.length]]);
  await assert.rejects(client.sql("DROP TABLE events"), { code: "invalid_sql", field: "sql" });

  assert.deepEqual((await client.deadLetters.list({ limit: 5 })).dead_letters, []);
  const replayed = await client.deadLetters.replay({ ids: ["analytics-events-0-1-0"] });
  assert.equal(replayed.results[0].verdict, "not_found");
  const filter = { reason: "invalid_json" };
  assert.deepEqual(await client.deadLetters.drop({ filter }), { dropped_count: 0 });
  await assert.rejects(client.deadLetters.get("analytics-events-0-1-0"), { code: "not_found" });
});

Deno.test("live() goes on when the platform is killed and started again", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-client-" });
  let server = await startServer({ dataFolder });
  try {
    const { gateway: url, ingestion: ingestUrl } = server.urls;
    const client = new AnalyticsClient({ url, ingestUrl });
    const endOf = (id: string) => Number(id.split("-")[1]);
    const ends: number[] = [];
    const missed: number[] = [];
    for await (const message of client.live({ window_seconds: 5 })) {
      if (message.event === "missed") missed.push(message.data.missed ?? NaN);
      else ends.push(endOf(message.id));
      if (ends.length === 2 && missed.length === 0) {
        await server.kill();
        // One more window may have been sent, and a start takes less than a second: only when the
        // one after it is over, too, it is lost.
        await waitUntil(() => Date.now() > (ends[1] + 3) * 1000, { what: "a window is lost" });
        server = await startServer({ dataFolder, env: samePorts(server) });
      }
      if (ends.length >= 4) break;
    }
    assert.deepEqual(ends.toSorted((a, b) => a - b), ends);
    assert.equal(new Set(ends).size, ends.length, "no window comes twice");
    assert.ok(missed.length >= 1, "what was lost while it was away is told");
    const told = missed.reduce((sum, count) => sum + count, 0);
    assert.equal(told, ends[3] - ends[0] - 3, "as many are told as windows are lacking");

    const seen = (async () => {
      for await (const message of client.liveEvents()) {
        if (message.event === "event") return message.data;
      }
    })();
    // Until the stream is open, an event is not seen: one is sent again and again.
    let event: Awaited<typeof seen> | null = null;
    void seen.then((data) => event = data);
    await waitUntil(async () => {
      await client.trackBatch([{ user_id: "ada", event_type: "page_view" }]);
      return event;
    }, { what: "an event is seen" });
    assert.equal((await seen)?.type, "page_view");
    await client.close();
  } finally {
    await server[Symbol.asyncDispose]();
    Deno.removeSync(dataFolder, { recursive: true });
  }
});
