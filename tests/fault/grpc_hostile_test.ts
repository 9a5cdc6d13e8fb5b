/**
 * Clients that mean harm, over real ports of a real server: each gets a clear status or is sent
 * away, the process lives, its memory is bounded, another client is served all the while.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { H2_RESETS_MAX } from "../../lib/config/grpc_limits.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { messageFrame } from "../../lib/grpc/message_frames.ts";
import { Status } from "../../lib/grpc/status_code.ts";
import * as h2 from "../../lib/http2/frames.ts";
import { encodeHeaders } from "../../lib/http2/hpack.ts";
import { joined } from "../../lib/http2/send_queue.ts";
import { withDeadline } from "../support/deadline.ts";
import { type AnyMessage, grpcPortOf } from "../support/grpc_client.ts";
import {
  assertStored,
  Bystander,
  GROWTH_BYTES_MAX,
  INGESTION,
  MemoryWatch,
  randomOf,
} from "../support/hostile_scene.ts";
import { callHeaders, RawGrpc, sayRaw } from "../support/raw_grpc.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;
const INGEST_EVENT = `/${INGESTION}/IngestEvent`;
const STREAM_EVENTS = `/${INGESTION}/StreamEvents`;
const WATCH = "/grpc.health.v1.Health/Watch";
const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

const { message } = loadDefinitions();
const request = message<AnyMessage>("analytics.v1.IngestEventRequest");
const settings = h2.frame(h2.SETTINGS, 0, 0, new Uint8Array(0));

const goodRequest = () =>
  request.serialize({
    event: {
      id: crypto.randomUUID(),
      user_id: "ada",
      event_type: "EVENT_TYPE_USER",
      timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
      user_event: { action: "page_view" },
    },
  });

/**
 * Attacks a server while another client goes on; then looks at what is stored, at memory and at the
 * log. The attack gives how many of its events were accepted.
 */
async function underAttack(attack: (server: TestServer, port: number) => Promise<number>) {
  await using server = await startServer();
  const bystander = await Bystander.beside(server);
  using memory = new MemoryWatch(server.pid);
  const accepted = await withDeadline(attack(server, grpcPortOf(server)), {
    what: "the end of the attack",
    deadlineMs: 40_000,
  });
  await assertStored(server, accepted + await bystander.end());
  const growth = memory.end();
  assert.ok(growth < GROWTH_BYTES_MAX, `grew by ${growth} bytes`);
  assert.deepEqual(server.entries.filter(({ level }) => level === "error"), []);
  assert.equal(await server.stop(), 0);
}

Deno.test("garbage, HTTP/1.1 on the gRPC port, gRPC on the HTTP ports", async () => {
  await underAttack(async ({ urls }, port) => {
    const random = randomOf(1);
    for (let i = 0; i < 200; i++) {
      const length = Math.floor(random() * 5_000);
      await sayRaw(port, new Uint8Array(length).map(() => Math.floor(random() * 256)));
    }
    const response = await fetch(`http://127.0.0.1:${port}/health`);
    assert.equal(response.status, 400);
    assert.match(await response.text(), /gRPC/);
    const call = h2.frame(h2.HEADERS, 5, 1, encodeHeaders(callHeaders(INGEST_EVENT)));
    for (const url of Object.values(urls)) {
      await sayRaw(Number(new URL(url).port), h2.PREFACE, settings, call);
      const health = await fetch(`${url}/health`);
      assert.equal((await health.json()).status, "healthy");
    }
    return 0;
  });
});

Deno.test("messages that lie about length, type and packing", async () => {
  const bomb = gzipSync(new Uint8Array(200 * MIB));
  const packed = new Uint8Array(5 + bomb.length);
  packed.set([1, bomb.length >> 24, bomb.length >> 16, bomb.length >> 8, bomb.length]);
  packed.set(bomb, 5);
  const { INVALID_ARGUMENT, RESOURCE_EXHAUSTED, OK } = Status;
  const gzip = [["grpc-encoding", "gzip"]] as const;
  const text = (...bytes: number[]) =>
    messageFrame(Uint8Array.of(0x0a, bytes.length + 2, 0x12, bytes.length, ...bytes), false);
  const unknown = Uint8Array.of(0x98, 0x06, 7, 0xa2, 0x06, 3, 1, 2, 3);
  const cases: [string, Uint8Array, readonly (readonly [string, string])[], number][] = [
    ["a bomb", packed, gzip, RESOURCE_EXHAUSTED],
    ["packed without a word", packed, [], INVALID_ARGUMENT],
    ["not packed as said", Uint8Array.of(1, 0, 0, 0, 2, 9, 9), gzip, INVALID_ARGUMENT],
    ["a packing nobody knows", messageFrame(goodRequest(), false), [["grpc-encoding", "br"]], 3],
    ["4 GiB announced", Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), [], RESOURCE_EXHAUSTED],
    ["9 MiB", messageFrame(new Uint8Array(9 * MIB), false), [], RESOURCE_EXHAUSTED],
    ["nothing", new Uint8Array(0), [], INVALID_ARGUMENT],
    ["an empty message", messageFrame(new Uint8Array(0), false), [], INVALID_ARGUMENT],
    ["half a prefix", Uint8Array.of(0, 0, 0), [], INVALID_ARGUMENT],
    ["half a message", messageFrame(goodRequest(), false).subarray(0, 20), [], INVALID_ARGUMENT],
    ["an event that is a number", messageFrame(Uint8Array.of(0x08, 1), false), [], 3],
    ["broken UTF-8", text(0xc3, 0x28), [], INVALID_ARGUMENT],
    ["U+0000", text(0), [], INVALID_ARGUMENT],
    ["unknown fields", messageFrame(Uint8Array.of(...goodRequest(), ...unknown), false), [], OK],
  ];
  await underAttack(async (_, port) => {
    using raw = await RawGrpc.connect(port);
    for (let round = 0; round < 5; round++) {
      for (const [what, body, more, status] of cases) {
        assert.equal((await raw.call(INGEST_EVENT, body, more)).status, status, what);
      }
    }
    // The same event each time: it is stored once.
    return 1;
  });
});

Deno.test("headers that would split others, and paths that nobody serves", async () => {
  await underAttack(async (_, port) => {
    using raw = await RawGrpc.connect(port);
    const body = messageFrame(goodRequest(), false);
    const bad = ["a\r\nx-injected: 1", "a\nb", "a\0b"];
    for (const value of bad) {
      assert.equal((await raw.call(INGEST_EVENT, body, [["x-request-id", value]])).status, -1);
    }
    for (const path of ["/", "/a/b", `/${"x".repeat(9_000)}`, `${INGEST_EVENT}%0d%0a`]) {
      assert.equal((await raw.call(path, body)).status, Status.UNIMPLEMENTED, path);
    }
    const strange = [["x-request-id", "not an id\u00ff"], ["grpc-timeout", "-1S"]] as const;
    const answer = await raw.call(INGEST_EVENT, body, strange);
    assert.equal(answer.status, Status.OK);
    const id = answer.headers.find(([name]) => name === "x-request-id")![1];
    assert.match(id, /^[0-9a-f-]{36}$/);
    return 1;
  });
});

Deno.test("streams that never read, and streams that stall within a message", async () => {
  await underAttack(async (_, port) => {
    const raws = await Promise.all(Array.from({ length: 20 }, () => RawGrpc.connect(port)));
    const asked = Uint8Array.from([0x22, INGESTION.length, ...new TextEncoder().encode(INGESTION)]);
    const files = messageFrame(asked, false);
    const half = messageFrame(new Uint8Array(100_000), false).subarray(0, 60_000);
    const writes: Promise<void>[] = [];
    for (const { connection } of raws) {
      for (let i = 0; i < 20; i++) {
        // Asks for 20 KB with each 50 bytes and reads nothing.
        const reflected = connection.open(callHeaders(REFLECTION));
        writes.push(...Array.from({ length: 200 }, () => reflected.write(files)));
        writes.push(connection.open(callHeaders(STREAM_EVENTS)).write(half));
        const name = messageFrame(Uint8Array.of(0x0a, 3, 97, 65 + i, 98), false);
        writes.push(connection.open(callHeaders(WATCH)).write(name, true));
      }
    }
    const settled = Promise.allSettled(writes);
    await Promise.all(raws.map(({ connection }) => connection.ping()));
    for (const raw of raws) raw[Symbol.dispose]();
    await settled;
    return 0;
  });
});

Deno.test("one byte a frame, on many streams", async () => {
  await underAttack(async (_, port) => {
    const head = Uint8Array.of(0, 0, 0x7f, 0, 0);
    const streams = 20;
    const frames: Uint8Array[] = [];
    for (let i = 0; i < streams; i++) {
      const id = 2 * i + 1;
      const headers = encodeHeaders(callHeaders(STREAM_EVENTS));
      frames.push(h2.frame(h2.HEADERS, h2.FLAG_END_HEADERS, id, headers));
      frames.push(h2.frame(h2.DATA, 0, id, head));
      const one = h2.frame(h2.DATA, 0, id, new Uint8Array(1));
      frames.push(...Array.from({ length: 40_000 }, () => one));
    }
    await Promise.all([1, 2].map(() => sayRaw(port, h2.PREFACE, settings, joined(frames))));
    return 0;
  });
});

Deno.test("rapid reset: 10,000 streams begun to be reset", async () => {
  await underAttack(async (_, port) => {
    const body = messageFrame(goodRequest(), false);
    const headers = encodeHeaders(callHeaders(`/${INGESTION}/Health`));
    const frames: Uint8Array[] = [];
    for (let id = 1; id < 20_000; id += 2) {
      frames.push(h2.frame(h2.HEADERS, h2.FLAG_END_HEADERS, id, headers));
      frames.push(h2.frame(h2.RST_STREAM, 0, id, h2.words(h2.CANCEL)));
    }
    const heard = await sayRaw(port, h2.PREFACE, settings, joined(frames));
    // It is cut off long before its end; the goodbye may be lost with the connection.
    assert.ok(heard.length < 100 * H2_RESETS_MAX * 2, `${heard.length} bytes of answers`);
    using raw = await RawGrpc.connect(port);
    assert.equal((await raw.call(INGEST_EVENT, body)).status, Status.OK);
    return 1;
  });
});

Deno.test("4,000 connections opened and dropped, at each point of their beginning", async () => {
  await underAttack(async (_, port) => {
    const headers = encodeHeaders(callHeaders(STREAM_EVENTS));
    const begun = joined([
      h2.PREFACE,
      settings,
      h2.frame(h2.HEADERS, h2.FLAG_END_HEADERS, 1, headers),
      h2.frame(h2.DATA, 0, 1, Uint8Array.of(0, 0, 0, 1, 0, 7)),
    ]);
    for (let i = 0; i < 4_000; i += 100) {
      await Promise.all(Array.from({ length: 100 }, async (_, j) => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port });
        await conn.write(begun.subarray(0, (i + j) % (begun.length + 1))).catch(() => {});
        conn.close();
      }));
    }
    using raw = await RawGrpc.connect(port);
    const answer = await raw.call(INGEST_EVENT, messageFrame(goodRequest(), false));
    assert.equal(answer.status, Status.OK);
    return 1;
  });
});
