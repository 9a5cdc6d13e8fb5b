/**
 * Mutated messages and mutated frames to a real server: 20,000 each. Every call ends with a status
 * that says what is wrong, never one that says the server failed; what was answered with success is
 * stored and nothing else; another client is served all the while; memory stays bounded.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { messageFrame } from "../../lib/grpc/message_frames.ts";
import { Status } from "../../lib/grpc/status_code.ts";
import * as h2 from "../../lib/http2/frames.ts";
import { encodeHeaders } from "../../lib/http2/hpack.ts";
import { withDeadline } from "../support/deadline.ts";
import { type AnyMessage, grpcPortOf } from "../support/grpc_client.ts";
import {
  assertStored,
  Bystander,
  GROWTH_BYTES_MAX,
  INGESTION,
  MemoryWatch,
  mutated,
  randomOf,
} from "../support/hostile_scene.ts";
import { callHeaders, RawGrpc, sayRaw } from "../support/raw_grpc.ts";
import { startServer } from "../support/server.ts";

const MESSAGES = 20_000;
const FRAMES = 20_000;
const FRAMES_PER_CONNECTION = 20;
const CONNECTIONS = 4;
const CALLS_PER_CONNECTION = 32;

/** What a message may be answered by: it is fine, it is wrong, it is too long. */
const FAIR = new Set<number>([Status.OK, Status.INVALID_ARGUMENT, Status.RESOURCE_EXHAUSTED]);

const { message } = loadDefinitions();
const singleRequest = message<AnyMessage>("analytics.v1.IngestEventRequest");
const singleResponse = message<AnyMessage>("analytics.v1.IngestEventResponse");

/** An event with all that one may have; ids are long, so that no change makes one of another. */
function fullEvent(id: string): AnyMessage {
  return {
    id,
    user_id: "ünï-user",
    session_id: "session-1",
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds: 1_780_000_000, nanos: 5_000_000 },
    source: "web",
    properties: { plan: "pro", text: 'quo"te\\' },
    user_event: {
      action: "page_view",
      page_url: "/pricing",
      metadata: { a: "b" },
      user_context: { device_type: "phone", browser: "b" },
    },
  };
}

/** Calls IngestEvent with mutated messages; adds the ids of those that were accepted. */
async function sendMutated(
  port: number,
  count: number,
  seed: number,
  accepted: Set<string>,
): Promise<void> {
  const random = randomOf(seed);
  const path = `/${INGESTION}/IngestEvent`;
  let left = count;
  using raw = await RawGrpc.connect(port);
  await Promise.all(Array.from({ length: CALLS_PER_CONNECTION }, async () => {
    while (left-- > 0) {
      const whole = singleRequest.serialize({ event: fullEvent(crypto.randomUUID()) });
      // One in eight has its prefix mutated too, so that lengths lie.
      const lies = random() < 1 / 8;
      const body = lies ? mutated(messageFrame(whole, false), random) : messageFrame(
        mutated(whole, random),
        false,
      );
      const { status, body: answer } = await raw.call(path, body);
      assert.ok(FAIR.has(status), `status ${status} for ${Buffer.from(body).toString("hex")}`);
      if (status !== Status.OK) continue;
      const response = singleResponse.deserialize(Buffer.from(answer.subarray(5)));
      if (response.message === "event is valid") continue;
      assert.equal(response.success, true);
      accepted.add(response.event_id);
    }
  }));
}

/** A connection as a client begins it, with calls none of which can store anything. */
function recordedFrames(): Uint8Array[] {
  const noUser = messageFrame(
    singleRequest.serialize({
      event: { event_type: "EVENT_TYPE_USER", timestamp: { seconds: 1_780_000_000, nanos: 0 } },
    }),
    false,
  );
  const call = (id: number, path: string, body: Uint8Array) => [
    h2.frame(h2.HEADERS, h2.FLAG_END_HEADERS, id, encodeHeaders(callHeaders(path))),
    h2.frame(h2.DATA, h2.FLAG_END_STREAM, id, body),
  ];
  const nothing = messageFrame(new Uint8Array(0), false);
  return [
    h2.frame(h2.SETTINGS, 0, 0, h2.settingsPayload([[h2.SETTINGS_INITIAL_WINDOW_SIZE, 70_000]])),
    h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.words(100_000)),
    ...call(1, `/${INGESTION}/IngestEvent`, noUser),
    ...call(3, `/${INGESTION}/Health`, nothing),
    ...call(5, "/grpc.health.v1.Health/Check", nothing),
    ...call(7, "/analytics.v1.AnalyticsService/GetAnalyticsSummary", nothing),
    h2.frame(h2.PING, 0, 0, new Uint8Array(8)),
    ...call(9, `/${INGESTION}/StreamEvents`, noUser),
    ...call(11, "/grpc.health.v1.Health/Watch", nothing),
    h2.frame(h2.RST_STREAM, 0, 11, h2.words(h2.CANCEL)),
    h2.frame(h2.PRIORITY, 0, 9, new Uint8Array(5)),
    h2.frame(h2.GOAWAY, 0, 0, h2.words(0, 0)),
  ];
}

/** Says the recorded frames on new connections, with some of them mutated. */
async function sayMutated(port: number, connections: number, seed: number): Promise<void> {
  const random = randomOf(seed);
  const recorded = recordedFrames();
  for (let i = 0; i < connections; i++) {
    const frames = recorded.map((frame) => random() < 0.5 ? mutated(frame, random) : frame);
    while (frames.length < FRAMES_PER_CONNECTION) {
      frames.push(mutated(recorded[Math.floor(random() * recorded.length)], random));
    }
    await withDeadline(sayRaw(port, h2.PREFACE, ...frames), {
      what: `the end of connection ${i} of seed ${seed}`,
      deadlineMs: 20_000,
    });
  }
}

Deno.test("20,000 mutated messages: each a fair status, and stored is what was accepted", async () => {
  await using server = await startServer();
  const bystander = await Bystander.beside(server);
  using memory = new MemoryWatch(server.pid);
  const ids = new Set<string>();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, seed) => {
      return sendMutated(grpcPortOf(server), MESSAGES / CONNECTIONS, seed, ids);
    }),
  );
  const accepted = ids.size;
  assert.ok(accepted > 0 && accepted < MESSAGES, `${accepted} accepted`);
  // A length that was cut makes one-letter ids, which come again.
  await assertStored(server, accepted + await bystander.end(), "DISTINCT id");
  const growth = memory.end();
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth} bytes`);
  assert.equal(await server.stop(), 0);
});

Deno.test("20,000 frames of broken connections: nothing is stored, and others are served", async () => {
  await using server = await startServer();
  const bystander = await Bystander.beside(server);
  using memory = new MemoryWatch(server.pid);
  const connections = FRAMES / FRAMES_PER_CONNECTION / 8;
  await Promise.all(
    Array.from({ length: 8 }, (_, seed) => {
      return sayMutated(grpcPortOf(server), connections, 100 + seed);
    }),
  );
  await assertStored(server, await bystander.end());
  const growth = memory.end();
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth} bytes`);
  assert.equal(server.entries.filter(({ level }) => level === "error").length, 0);
  assert.equal(await server.stop(), 0);
});
