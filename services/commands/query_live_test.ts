/** The reading of a stream: what is shown, what happens when it breaks. Its server is one of texts. */
import assert from "node:assert/strict";
import { capturedIo } from "../../tests/support/captured_io.ts";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "./command_io.ts";
import { liveCommand, type LiveOptions } from "./query_live.ts";

/** A window's frame, as far as it is shown. */
function frame(second: number, events: number): string {
  const data = {
    timestamp: `2026-01-31T12:00:0${second}Z`,
    metrics: [
      { name: "events", value: events, labels: {} },
      { name: "events_per_second", value: events / 2, labels: {} },
      { name: "active_users", value: 3, labels: {} },
      { name: "events_by_type", value: events, labels: { event_type: "view" } },
      { name: "top_values", value: 2, labels: { property: "page", value: "/\u001b[2J" } },
    ],
    complete: second > 1,
  };
  return `id: 1s-${second}\nevent: window\ndata: ${JSON.stringify(data)}\n\n`;
}

interface Streamed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** By request: its path with the query, and the last id that it names. */
  readonly asked: readonly [path: string, lastId: string | null][];
}

/** Runs the command against a server that answers each request with the next of `streams`. */
async function streamed(
  streams: readonly (string | Response)[],
  options: LiveOptions = {},
  signal?: AbortSignal,
): Promise<Streamed> {
  const asked: [string, string | null][] = [];
  const listen = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = Deno.serve(listen, (request) => {
    const { pathname, search } = new URL(request.url);
    asked.push([`${pathname}${search}`, request.headers.get("last-event-id")]);
    const next = streams[asked.length - 1] ?? "";
    return typeof next === "string" ? new Response(next) : next;
  });
  const io = capturedIo({ signal });
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    const code = await liveCommand({ url, ...options }, io);
    return { code, out: io.out(), err: io.err(), asked };
  } finally {
    await server.shutdown();
  }
}

Deno.test("liveCommand() shows a line for each window, without what could steer a terminal", async () => {
  const { code, out, err, asked } = await streamed([`: hello\n\n${frame(1, 4)}${frame(2, 8)}`], {
    count: 2,
    window: 10,
    top: "page",
    filter: ["country=DE"],
  });
  assert.deepEqual([code, err], [EXIT_DONE, ""]);
  assert.equal(
    out,
    "12:00:01          4 events          2/s        3 users  view 4  /·[2J 2  not complete\n" +
      "12:00:02          8 events          4/s        3 users  view 8  /·[2J 2\n",
  );
  const query = new URLSearchParams(asked[0][0].split("?")[1]);
  assert.deepEqual([query.get("window_seconds"), query.get("top")], ["10", "page"]);
  assert.deepEqual(JSON.parse(query.get("filter")!), [
    { property: "country", op: "eq", value: "DE" },
  ]);
});

Deno.test("liveCommand() opens a broken stream anew after the last window it showed", async () => {
  const half = frame(2, 8).slice(0, 40);
  const { code, out, err, asked } = await streamed([frame(1, 4) + half, frame(2, 8)], { count: 2 });
  assert.deepEqual([code, out.split("\n").length], [EXIT_DONE, 3]);
  assert.equal(err, "the stream broke off; it is opened again\n");
  assert.deepEqual(asked.map(([, lastId]) => lastId), [null, "1s-1"]);
});

Deno.test("liveCommand() says what was missed and why a stream ended", async () => {
  const end = 'event: end\ndata: {"code":"shutting_down","message":"the server stops"}\n\n';
  const missed = 'event: missed\ndata: {"missed":7,"after":null}\n\n';
  const { code, out, err } = await streamed([missed + end]);
  assert.deepEqual([code, out], [EXIT_DONE, ""]);
  assert.match(
    err,
    /^missed 7: .*\nthe platform ended the stream: shutting_down: the server stops\n$/,
  );
});

Deno.test("liveCommand() shows events, as JSON one a line, and what of a second is not shown", async () => {
  const event = { timestamp: "2026-01-31T12:00:00.5Z", user_id: "ada", type: "view" };
  const data = JSON.stringify({ ...event, properties: { page: "/" } });
  const second = 'event: second\ndata: {"timestamp":"","sampled":9,"dropped":8}\n\n';
  const stream = `${second}id: a-1\nevent: event\ndata: ${data}\n\n`;
  const people = await streamed([stream], { events: true, sample: "0.1", count: 1 });
  assert.equal(people.out, "2026-01-31T12:00:00.5Z  ada  view  page=/\n");
  assert.equal(people.err, "8 more events of this second are not shown\n");
  assert.equal(people.asked[0][0], "/v1/live/events?sample=0.1");
  const json = await streamed([stream], { events: true, json: true, count: 1 });
  assert.deepEqual([json.out, json.err], [`${data}\n`, ""]);
});

Deno.test("liveCommand() tells a refusal, and ends when interrupted", async () => {
  const body = JSON.stringify({
    code: "invalid_parameter",
    field: "top",
    detail: "must be a name",
  });
  const refused = await streamed([new Response(body, { status: 400 })]);
  assert.equal(refused.code, EXIT_NOT_DONE);
  assert.equal(refused.err, "rta query: invalid_parameter at top: must be a name\n");
  const ended = await streamed([], {}, AbortSignal.abort());
  assert.deepEqual([ended.code, ended.asked.length], [EXIT_INTERRUPTED, 0]);
});
