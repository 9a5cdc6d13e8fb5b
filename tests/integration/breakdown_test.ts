/** Breakdowns and filters through a real server, and what a question past its deadline leaves. */
import assert from "node:assert/strict";
import { waitUntil } from "../support/deadline.ts";
import { startServer, type TestServer } from "../support/server.ts";

const HOUR_MS = 3_600_000;
const BATCH_EVENTS = 10_000;
/** Enough that a costly question takes some seconds, in one partition on one core. */
const EVENTS = 200_000;
const COSTLY_CONDITIONS = 50;
/** Questions that one shard works on at a time (ROW_QUESTIONS_MAX). */
const PLACES = 4;

// deno-lint-ignore no-explicit-any -- JSON
type Json = any;

interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly tookMs: number;
}

async function post(url: string, body: unknown): Promise<Answer> {
  const startedAt = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  return { status: response.status, body: answer, tookMs: performance.now() - startedAt };
}

/** Sends events numbered from `first` on; resolves when they are durable. */
async function send({ urls }: TestServer, first: number, count: number): Promise<void> {
  const now = Date.now();
  const events = Array.from({ length: count }, (_, i) => {
    const n = first + i;
    return {
      id: `e-${n}`,
      user_id: `user-${n % 500}`,
      event_type: n % 10 === 0 ? "purchase" : "page_view",
      timestamp: now - n % 1_000,
      ...(n % 10 === 0 ? { amount: n % 100 } : {}),
      properties: {
        ...(n % 7 === 0 ? {} : { country: ["DE", "FR", "US"][n % 3] }),
        price: n % 2 === 0 ? n % 50 : String(n % 50),
        page: `/p/${n % 40}`,
      },
    };
  });
  const { status, body } = await post(`${urls.ingestion}/events/batch`, { events });
  assert.deepEqual([status, body.processed_count], [200, count]);
}

async function totalEvents({ urls }: TestServer): Promise<number> {
  const response = await fetch(`${urls.gateway}/v1/analytics/summary`);
  return Number((await response.json()).total_events);
}

/** As many conditions as a filter may have, each on a property of its own. */
function costlyFilter() {
  const or = Array.from({ length: COSTLY_CONDITIONS }, (_, i) => {
    return { property: `missing-${i}`, op: "gt", value: i };
  });
  return [{ or }];
}

const lastHour = () => {
  return { start: new Date(Date.now() - HOUR_MS).toISOString() };
};

Deno.test("breakdowns, filtered summaries and series answer through a real server", async () => {
  await using server = await startServer();
  await send(server, 0, 2_100);
  const url = `${server.urls.gateway}/v1/analytics`;
  const byCountry = await post(`${url}/breakdown`, {
    timeRange: lastHour(),
    metric: "sum:price",
    group_by: ["country"],
    limit: 2,
    filter: [{ property: "page", op: "starts_with", value: "/p/" }],
  });
  assert.equal(byCountry.status, 200, JSON.stringify(byCountry.body));
  const { groups, other, total, metadata, notes } = byCountry.body;
  assert.deepEqual([groups.length, metadata.groups, notes], [2, 4, []]);
  assert.deepEqual([total.events, total.events_without_number], ["2100", "0"]);
  assert.equal(total.value, 42 * (49 * 50 / 2));
  const told = [...groups, other].reduce((sum: number, each: Json) => sum + each.value, 0);
  assert.equal(told, total.value);

  const query = "metric=users&group_by=country,event_type&limit=20&granularity=day&tz=UTC";
  const byTwo = await (await fetch(`${url}/breakdown?${query}`)).json();
  assert.equal(byTwo.metadata.groups, 8);
  const missing = byTwo.groups.filter((group: Json) => group.missing.length > 0);
  assert.deepEqual(missing.map((group: Json) => group.missing), [["country"], ["country"]]);

  const summary = await (await fetch(`${url}/summary?filters[country]=DE`)).json();
  assert.deepEqual([summary.total_events, summary.metadata.cache_status], ["600", "none"]);
  const category = await (await fetch(`${url}/summary?event_types=EVENT_TYPE_CUSTOM`)).json();
  assert.equal(category.total_events, "2100");
  const legacy = `${server.urls.analytics}/analytics/summary?filters[country]=DE`;
  assert.equal((await (await fetch(legacy)).json()).total_events, 600);
  const series = `${url}/timeseries?metric=max:price&granularity=day&group_by=country`;
  const { series: points, accuracy } = await (await fetch(series)).json();
  assert.deepEqual(Math.max(...points.map(({ value }: Json) => value)), 49);
  assert.deepEqual(accuracy, { "series.value": "exact" });

  const misspelt = await (await fetch(`${url}/summary?filters[cuontry]=DE`)).json();
  assert.deepEqual(misspelt.notes, ['no event in the range has the property "cuontry"']);
});

Deno.test("bad questions are refused by code and place", async () => {
  await using server = await startServer();
  const url = `${server.urls.gateway}/v1/analytics/breakdown`;
  const question = { metric: "events", group_by: ["country"] };
  const cases: [change: object, field: string | undefined][] = [
    [{ metric: "clicks" }, "metric"],
    [{ metric: undefined }, "metric"],
    [{ group_by: [] }, "group_by"],
    [{ group_by: ["a", "b", "c"] }, "group_by"],
    [{ group_by: ["country", "properties.country"] }, "group_by"],
    [{ limit: 0 }, "limit"],
    [{ limit: 1_001 }, "limit"],
    [{ granularity: "year" }, "granularity"],
    [{ tz: "Mars" }, "tz"],
    [{ time_range: { start: 20, end: 10 } }, "time_range"],
    [{ time_range: { start: 0, end: 3_200_000_000 } }, "time_range"],
    [{ time_range: { start: "soon" } }, "time_range.start"],
    [{ filter: [{ property: "a", op: "is", value: 1 }] }, "filter[0].op"],
    [{ filters: { amount: "much" } }, "filters.amount"],
    [{ timeout_seconds: 0 }, "timeout_seconds"],
    [{ page: 5 }, "page"],
  ];
  for (const [change, field] of cases) {
    const { status, body } = await post(url, { ...question, ...change });
    assert.deepEqual([status, body.code, body.field], [400, "invalid_parameter", field]);
  }
});

Deno.test("a question that needs more memory than usual gets it, and too many conditions are refused", async () => {
  await using server = await startServer({
    env: { RTA_PARTITIONS: "1", RTA_STORE_MEMORY_MB: "32" },
  });
  await send(server, 0, BATCH_EVENTS);
  const url = `${server.urls.gateway}/v1/analytics/breakdown`;
  const question = { time_range: lastHour(), metric: "events", group_by: ["page"] };
  const { status, body } = await post(url, { ...question, filter: costlyFilter() });
  assert.equal(status, 200, JSON.stringify(body));
  // A thousand conditions in one statement once overflowed DuckDB's stack, and ended the process.
  const steps = Array.from({ length: 20 }, () => ({ filter: costlyFilter() }));
  const tooMany = await post(`${server.urls.gateway}/v1/analytics/funnel`, { steps });
  assert.deepEqual([tooMany.status, tooMany.body.field], [400, "steps"]);
  const many = await post(`${server.urls.gateway}/v1/analytics/funnel`, {
    steps: steps.slice(0, 2),
    timeout_seconds: 60,
  });
  assert.ok([200, 422].includes(many.status), JSON.stringify(many.body));
  const next = await post(url, question);
  assert.deepEqual([next.status, next.body.total.events], [200, String(BATCH_EVENTS)]);
});

Deno.test("a question past its deadline ends in the shard, and ingest goes on meanwhile", async () => {
  await using server = await startServer({
    env: { RTA_PARTITIONS: "1", RTA_STORE_MEMORY_MB: "512" },
  });
  for (let first = 0; first < EVENTS; first += BATCH_EVENTS) {
    await send(server, first, BATCH_EVENTS);
  }
  let sent = EVENTS;
  const url = `${server.urls.gateway}/v1/analytics/breakdown`;
  const costly = {
    time_range: lastHour(),
    metric: "events",
    group_by: ["page"],
    filter: costlyFilter(),
  };
  await waitUntil(async () => await totalEvents(server) === sent, { what: "all events" });
  const cheap = { time_range: lastHour(), metric: "events", group_by: ["event_type"] };
  const whole = await post(url, costly);
  assert.equal(whole.status, 200, JSON.stringify(whole.body));
  assert.ok(whole.tookMs > 1_000, `the costly question takes ${whole.tookMs} ms`);

  const asked = Array.from({ length: PLACES }, () => {
    return post(url, { ...costly, timeout_seconds: 1 });
  });
  let ended = false;
  const answers = Promise.all(asked).finally(() => ended = true);
  let seenMeanwhile = 0;
  while (!ended) {
    await send(server, sent, 1_000);
    sent += 1_000;
    await waitUntil(async () => await totalEvents(server) === sent, { what: "the new events" });
    if (!ended) seenMeanwhile++;
  }
  for (const { status, body, tookMs } of await answers) {
    assert.deepEqual([status, body.code], [504, "deadline_exceeded"]);
    assert.match(body.detail, /no answer within 1 s/);
    assert.ok(tookMs < whole.tookMs * PLACES, `refused after ${tookMs} ms`);
  }
  assert.ok(seenMeanwhile > 0, "events were taken in and counted while the questions ran");
  // Were they still running, this would have to wait for one of the places they hold.
  const next = await post(url, cheap);
  assert.equal(next.status, 200);
  assert.equal(next.body.total.events, String(sent));
  assert.ok(next.tookMs < whole.tookMs, `${next.tookMs} ms, the costly one took ${whole.tookMs}`);
});
