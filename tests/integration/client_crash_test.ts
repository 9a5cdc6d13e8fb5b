/**
 * The client library against a platform that is killed again and again: every event whose promise
 * resolved is stored once, whatever was sent twice.
 */
import assert from "node:assert/strict";
import { GrpcAnalyticsClient } from "../../lib/client/grpc.ts";
import { AnalyticsClient, type ClientEvent, userEvent } from "../../lib/client/mod.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { samePorts } from "../support/same_ports.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { readStoredRows, waitUntilCounted } from "../support/stored_rows.ts";

const EVENTS = 6_000;
const KILLS = 3;
/** Longest time for all of it on a busy machine, ms. */
const ALL_MS_MAX = 120_000;

/** What a client has to say of its events. */
interface Sending {
  readonly stored: string[];
  readonly failed: unknown[];
  readonly done: Promise<unknown>;
}

/** Kills the server each time some more events are stored, and starts it again. */
async function killWhileSending(send: (server: TestServer) => Sending) {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-client-" });
  let server = await startServer({ dataFolder });
  try {
    const env = samePorts(server);
    const sending = send(server);
    const { stored, failed } = sending;
    for (let kill = 1; kill <= KILLS; kill++) {
      const from = stored.length;
      await waitUntil(() => stored.length > from + EVENTS / 20 || failed.length > 0, {
        what: "more events are stored",
        deadlineMs: ALL_MS_MAX,
      });
      assert.ok(stored.length < EVENTS, "it is killed in the middle");
      await server.kill();
      server = await startServer({ dataFolder, env });
    }
    await withDeadline(sending.done, { what: "the end of sending", deadlineMs: ALL_MS_MAX });
    await waitUntilCounted(server.urls.gateway);
    const { total_events: counted } = await new AnalyticsClient({ url: server.urls.gateway })
      .summary();
    assert.equal(await server.stop(), 0);
    const rows = await readStoredRows(dataFolder);
    return { stored, failed, counted, rowIds: rows.map(({ id }) => id) };
  } finally {
    await server[Symbol.asyncDispose]();
    Deno.removeSync(dataFolder, { recursive: true });
  }
}

function assertOnce(outcome: Awaited<ReturnType<typeof killWhileSending>>) {
  const { stored, failed, counted, rowIds } = outcome;
  assert.deepEqual(failed, []);
  assert.equal(counted, EVENTS);
  assert.equal(stored.length, EVENTS);
  assert.deepEqual(rowIds.toSorted(), stored.toSorted());
}

Deno.test("track() resolves for events that are stored once when the server is killed", async () => {
  const retries = new Map<string, number>();
  const outcome = await killWhileSending(({ urls }) => {
    const client = new AnalyticsClient({
      ...{ url: urls.gateway, ingestUrl: urls.ingestion, batchEvents: 20, queueEvents: 100 },
      deadlineMs: ALL_MS_MAX,
      onRetry: ({ code }) => void retries.set(code, (retries.get(code) ?? 0) + 1),
    });
    const stored: string[] = [], failed: unknown[] = [];
    const send = async () => {
      for (let i = 0; i < EVENTS; i++) {
        const user_id = `u${i % 50}`;
        const event: ClientEvent = i % 3 === 0
          ? userEvent({ user_id }, { action: "click" })
          : { user_id, event_type: "page_view", properties: { i } };
        await client.ready();
        client.track(event).then(({ id }) => stored.push(id), (error) => failed.push(error));
      }
      await client.close();
    };
    return { stored, failed, done: send() };
  });
  assertOnce(outcome);
  assert.ok((retries.get("network") ?? 0) >= KILLS, JSON.stringify([...retries]));
});

Deno.test("stream() resolves for events that are stored once when the server is killed", async () => {
  let retries = 0;
  const outcome = await killWhileSending((server) => {
    const client = new GrpcAnalyticsClient({
      address: `127.0.0.1:${grpcPortOf(server)}`,
      deadlineMs: ALL_MS_MAX,
      onRetry: () => void retries++,
    });
    const stored: string[] = [], failed: unknown[] = [];
    const send = async () => {
      using _ = client;
      const stream = client.stream({ window: 100, batchSize: 20, flushIntervalMs: 5 });
      for (let i = 0; i < EVENTS; i++) {
        const sent = await stream.send(userEvent({ user_id: `u${i % 50}` }, { action: "click" }));
        sent.stored.then(({ id }) => stored.push(id), (error) => failed.push(error));
      }
      assert.deepEqual(await stream.close(), { stored: EVENTS, refused: 0 });
    };
    return { stored, failed, done: send() };
  });
  assertOnce(outcome);
  assert.ok(retries >= KILLS);
});

Deno.test("track() over gRPC resolves for events that are stored once when the server is killed", async () => {
  let retries = 0;
  const outcome = await killWhileSending((server) => {
    const client = new GrpcAnalyticsClient({
      address: `127.0.0.1:${grpcPortOf(server)}`,
      deadlineMs: ALL_MS_MAX,
      onRetry: () => void retries++,
    });
    const stored: string[] = [], failed: unknown[] = [];
    let next = 0;
    const sendSome = async () => {
      while (next < EVENTS) {
        const event = userEvent({ user_id: `u${next++ % 50}` }, { action: "click" });
        await client.track(event).then(({ id }) => stored.push(id), (error) => failed.push(error));
      }
    };
    const senders = Array.from({ length: 32 }, sendSome);
    return { stored, failed, done: Promise.all(senders).finally(() => client.close()) };
  });
  assertOnce(outcome);
  assert.ok(retries >= KILLS);
});

Deno.test("track() counts an event once when the answer that it was stored gets lost", async () => {
  await using server = await startServer();
  const { gateway: url, ingestion: ingestUrl } = server.urls;
  let sent = 0;
  const losesAnswers = async (...request: Parameters<typeof fetch>) => {
    const response = await fetch(...request);
    if (++sent > 3) return response;
    await response.body?.cancel();
    throw new TypeError("connection reset");
  };
  const client = new AnalyticsClient({ url, ingestUrl, fetch: losesAnswers });
  const { id } = await client.track({ user_id: "ada", event_type: "page_view" });
  assert.equal(sent, 4);
  const lines = [];
  for await (const line of client.exportEvents()) lines.push(JSON.parse(line).id);
  assert.deepEqual(lines, [id]);
  assert.equal((await client.summary()).total_events, 1);
  await client.close();
});
