/**
 * Live streams of a real server: what is accepted is seen by readers over server-sent events and
 * WebSockets, each event once, also while streams open, shards fail and clients are slow.
 */
import assert from "node:assert/strict";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { listOf, LiveClient, metricOf } from "../support/live_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const SECOND_MS = 1_000;
const env = { RTA_SHARDS: "2", RTA_PARTITIONS: "4" };

interface Sent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  readonly properties: Record<string, string | number>;
}

const PAGES = ["/", "/pricing", "/docs", "/blog"];
const TYPES = ["page_view", "click", "purchase"];

function madeEvent(number: number): Sent {
  return {
    id: `e${number}`,
    user_id: `u${number % 37}`,
    event_type: TYPES[number % 3],
    properties: { page: PAGES[(number + (number >> 3)) % 4], price: number % 10 },
  };
}

async function send(server: TestServer, events: readonly Sent[]): Promise<void> {
  const response = await fetch(`${server.urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ events }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  await response.body?.cancel();
}

/** Sends small batches until it is told to end; gives what was sent. */
async function sendUntil(server: TestServer, isOver: () => boolean): Promise<Sent[]> {
  const sent: Sent[] = [];
  while (!isOver()) {
    const events = Array.from({ length: 20 }, (_, index) => madeEvent(sent.length + index));
    await send(server, events);
    sent.push(...events);
  }
  return sent;
}

function counted(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

Deno.test("GET /v1/live counts as a recount of what was sent does, with and without a filter", async () => {
  await using server = await startServer({ env });
  const base = `${server.urls.gateway}/v1/live?window_seconds=1`;
  const filter = JSON.stringify([{
    or: [
      { property: "page", op: "starts_with", value: "/p" },
      { property: "price", op: "gte", value: 8 },
    ],
  }]);
  await using all = await LiveClient.open(base);
  await using typed = await LiveClient.open(`${base}&event_types=click&event_types=purchase`);
  await using filtered = await LiveClient.open(
    `${server.urls.analytics}/v1/live?window_seconds=3600&top=page&filters[type]=click&filter=` +
      encodeURIComponent(filter),
  );
  await using socket = await LiveClient.openSocket(`${base}&top=user_id&top_limit=3`);
  const clients = [all, typed, filtered, socket];
  for (const client of clients) await client.waitFor("a first window", () => true);
  const untilMs = Date.now() + 3 * SECOND_MS;
  const sent = await sendUntil(server, () => Date.now() > untilMs);
  await all.waitFor("the last events", () => sumOf(all) >= sent.length);
  const wanted = sent.filter(({ event_type, properties: { page, price } }) =>
    event_type === "click" && (String(page).startsWith("/p") || Number(price) >= 8)
  );
  const last = await filtered.waitFor(
    "the last event that matches",
    (message) => metricOf(message, "events") >= wanted.length,
  );

  assert.equal(sumOf(all), sent.length);
  assert.equal(sumOf(socket), sent.length);
  assert.equal(sumOf(typed), sent.filter((each) => each.event_type !== "page_view").length);
  assert.equal(metricOf(last, "events"), wanted.length);
  assert.equal(metricOf(last, "active_users"), new Set(wanted.map((each) => each.user_id)).size);
  assert.deepEqual(
    listOf(last, "top_values", "value"),
    counted(wanted.map((each) => String(each.properties.page))),
  );
  assert.equal(last.data.complete, false);
  assert.ok(Date.parse(last.data.known_since) > Date.parse(last.data.window_start));
  for (const client of clients) {
    const seconds = client.frames.map(({ id }) => Number(id!.split("-")[1]));
    assert.deepEqual(seconds, seconds.map((_, index) => seconds[0] + index), "one each second");
  }
  const complete = all.frames.filter(({ data }) => data.complete);
  assert.ok(complete.length >= all.frames.length - 2, "a shard may be late now and then");
});

/** All events of windows that follow each other. */
function sumOf(client: LiveClient): number {
  return client.frames.reduce((sum, frame) => sum + metricOf(frame, "events"), 0);
}

Deno.test("a window that begins before its stream does has every event once, under load too", async () => {
  await using server = await startServer({ env });
  let isOver = false;
  const sending = sendUntil(server, () => isOver);
  const clients: LiveClient[] = [];
  for (let opened = 0; opened < 6; opened++) {
    // Each with another definition: what is not published at its start is told anew.
    const types = TYPES.slice(0, 1 + opened % 3).map((type) => `&event_types=${type}`).join("");
    const query = `window_seconds=3600${opened < 3 ? types : ""}&top_limit=${1 + opened}`;
    clients.push(await LiveClient.open(`${server.urls.gateway}/v1/live?${query}`));
    await clients[opened].waitFor("its first window", () => true);
  }
  isOver = true;
  const sent = await sending;
  for (const [index, client] of clients.entries()) {
    const types = index < 3 ? TYPES.slice(0, 1 + index % 3) : TYPES;
    const wanted = sent.filter((each) => types.includes(each.event_type)).length;
    await client.waitFor("every event", (message) => metricOf(message, "events") === wanted);
    const from = client.heard.length;
    const after = await client.waitFor("another window", () => true, from);
    assert.equal(metricOf(after, "events"), wanted);
    // The process is younger than an hour, and knows of all its life.
    assert.deepEqual([after.data.complete, after.data.gaps], [true, []]);
    for (const frame of client.frames) assert.ok(metricOf(frame, "events") <= wanted);
    await client[Symbol.asyncDispose]();
  }
});

Deno.test("each event is in one window of a second when a shard fails and is replaced", async () => {
  await using server = await startServer({ env: { ...env, RTA_FAULT: "shard-throw@1500" } });
  await using client = await LiveClient.open(
    `${server.urls.gateway}/v1/live?window_seconds=1&filters[page]=/`,
  );
  await client.waitFor("a first window", () => true);
  let isOver = false;
  const sending = sendUntil(server, () => isOver);
  const replaced = server.waitForEntry("a shard failed and is replaced");
  await withDeadline(replaced, { what: "the fault", deadlineMs: 30_000 });
  const from = client.heard.length;
  await client.waitFor("a whole window after it", ({ data }) => data.complete === true, from);
  isOver = true;
  const sent = await sending;
  const wanted = sent.filter((each) => each.properties.page === "/").length;
  await client.waitFor("the last events", () => sumOf(client) >= wanted);
  await client.waitFor("another window", () => true, client.heard.length);
  assert.equal(sumOf(client), wanted);
});

Deno.test("a reader that comes back with Last-Event-ID is given the windows it missed", async () => {
  await using server = await startServer({ env });
  const url = `${server.urls.gateway}/v1/live?window_seconds=1`;
  const first = await LiveClient.open(url);
  const seen = await first.waitFor("a first window", () => true);
  await first[Symbol.asyncDispose]();
  await send(server, Array.from({ length: 10 }, (_, index) => madeEvent(index)));
  const second = Number(seen.id!.split("-")[1]);
  await using other = await LiveClient.open(url);
  await other.waitFor("a later window", ({ id }) => Number(id!.split("-")[1]) > second + 2);
  await using again = await LiveClient.open(url, { "last-event-id": seen.id! });
  await again.waitFor("the events", () => sumOf(again) === 10);
  assert.equal(again.heard[0].id, `1s-${second + 1}`);

  const wrong = await fetch(`${url}&window_id=60s-${second}`);
  assert.equal(wrong.status, 400);
  assert.equal((await wrong.json()).field, "window_id");
});

Deno.test("GET /v1/live/events gives the events that match, and slow readers hold up nobody", async () => {
  await using server = await startServer({ env });
  const url = `${server.urls.gateway}/v1/live/events?max_per_second=1000`;
  const slow = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(server.urls.gateway).port),
  });
  const head = `GET /v1/live/events?max_per_second=1000 HTTP/1.1\r\nhost: x\r\n\r\n`;
  await slow.write(new TextEncoder().encode(head));
  await using fast = await LiveClient.open(`${url}&filters[user_id]=u5`);
  await using socket = await LiveClient.openSocket(`${url}&event_types=purchase&sample=0.5`);
  await fast.waitFor("its first second", () => true);
  // Long events, of which the slow reader's connection soon takes no more.
  const text = "x".repeat(20_000);
  const sent: Sent[] = [];
  for (let batch = 0; batch < 150; batch++) {
    const events = Array.from({ length: 20 }, (_, index) => {
      const made = madeEvent(sent.length + index);
      return { ...made, properties: { ...made.properties, text } };
    });
    await send(server, events);
    sent.push(...events);
    await fast.waitFor("each batch's own", () => eventsOf(fast).length >= idsOf(sent).length);
  }
  assert.ok(idsOf(sent).length > 50);
  assert.deepEqual(eventsOf(fast).sort(), idsOf(sent).sort());
  const drawn = eventsOf(socket);
  assert.ok(drawn.length > 0 && drawn.length < sent.length / 3);
  // What was kept for it is told, and how many are missing of what was not.
  const missed = await missedOf(slow);
  assert.ok(missed > 0, `${missed} missed`);
  slow.close();
});

function eventsOf(client: LiveClient): string[] {
  return client.heard.flatMap(({ event, data }) => event === "event" ? [data.id] : []);
}

function idsOf(sent: readonly Sent[]): string[] {
  return sent.filter((each) => each.user_id === "u5").map(({ id }) => id);
}

/** Reads a connection until it says how many events were missed. */
async function missedOf(connection: Deno.TcpConn): Promise<number> {
  const buffer = new Uint8Array(1 << 18);
  const decoder = new TextDecoder();
  let text = "";
  return await waitUntil(async () => {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("the connection ended");
    text = (text + decoder.decode(buffer.subarray(0, read))).slice(-(1 << 20));
    return Number(/event: missed\ndata: \{"missed":(\d+)/.exec(text)?.[1]);
  }, { what: "how many were missed", deadlineMs: 20_000 });
}

Deno.test("serve ends live streams when it stops, and their readers are told", async () => {
  await using server = await startServer({ env });
  const url = `${server.urls.gateway}/v1/live?window_seconds=1`;
  await using client = await LiveClient.open(url);
  await using socket = await LiveClient.openSocket(url);
  await using tail = await LiveClient.openSocket(`${server.urls.analytics}/v1/live/events`);
  const clients = [client, socket, tail];
  await waitUntil(async () => {
    const metrics = await (await fetch(`${server.urls.analytics}/metrics`)).text();
    return /^rta_live_streams 3$/m.test(metrics);
  }, { what: "three streams in the metrics" });
  for (const each of clients) await each.waitFor("a first message", () => true);
  assert.equal(await server.stop(), EXIT_OK);
  for (const each of clients) {
    await withDeadline(each.ended, { what: "the stream's end" });
    const { event, data } = each.heard.at(-1)!;
    assert.deepEqual([event, data.code], ["end", "shutting_down"]);
  }
});

Deno.test("GET /v1/live refuses what it does not know, and says where", async () => {
  await using server = await startServer({ env });
  for (
    const [query, field] of [
      ["window_seconds=0", "window_seconds"],
      ["window_seconds=3601", "window_seconds"],
      ["top=page&top_limit=101", "top_limit"],
      ["filter=x", "filter"],
      ['filter=[{"property":"a","op":"gt","value":"b"}]', "filter[0].value"],
      ["window_id=yesterday", "window_id"],
      ["tops=page", "tops"],
    ]
  ) {
    const answer = await fetch(`${server.urls.gateway}/v1/live?${query}`);
    assert.equal(answer.status, 400, query);
    assert.equal((await answer.json()).field, field);
  }
  for (const [query, field] of [["sample=0", "sample"], ["sample=2", "sample"]]) {
    const answer = await fetch(`${server.urls.gateway}/v1/live/events?${query}`);
    assert.equal(answer.status, 400, query);
    assert.equal((await answer.json()).field, field);
  }
  await assert.rejects(LiveClient.openSocket(`${server.urls.gateway}/v1/live?window_seconds=0`));
});
