import assert from "node:assert/strict";
import fc from "fast-check";
import { withDeadline } from "../../tests/support/deadline.ts";
import { H2_RESETS_MAX, H2_STREAM_WINDOW_BYTES } from "../config/grpc_limits.ts";
import {
  connected,
  goodbyeCode,
  REQUEST,
  serverOnly,
  settings,
} from "../../tests/support/http2_pipe.ts";
import type { Http2Connection } from "./connection.ts";
import * as h2 from "./frames.ts";
import { encodeHeaders } from "./hpack.ts";
import { type Http2Stream, StreamReset } from "./stream.ts";

/** Sends back what it gets, then trailers with how many bytes that was. */
async function echo(stream: Http2Stream): Promise<void> {
  stream.sendHeaders([[":status", "200"]]);
  let bytes = 0;
  for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read()) {
    bytes += chunk.length;
    await stream.write(chunk);
  }
  stream.sendHeaders([["x-bytes", String(bytes)]], true);
}

async function roundTrip(client: Http2Connection, body: Uint8Array): Promise<void> {
  const stream = client.open(REQUEST);
  const sending = stream.write(body, true);
  const parts: Uint8Array[] = [];
  for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read()) {
    parts.push(chunk);
  }
  await sending;
  assert.deepEqual(Uint8Array.from(parts.flatMap((part) => [...part])), body);
  assert.deepEqual(stream.trailers, [["x-bytes", String(body.length)]]);
}

Deno.test("a connection carries bodies of any size, several times the windows, side by side", async () => {
  const { client, ended } = connected((stream) => void echo(stream));
  const sizes = [0, 1, 16_384, 16_385, H2_STREAM_WINDOW_BYTES, 3 * H2_STREAM_WINDOW_BYTES + 7];
  const bodies = sizes.map((size, seed) => new Uint8Array(size).map((_, i) => i * 7 + seed));
  await withDeadline(Promise.all(bodies.map((body) => roundTrip(client, body))), {
    what: "all round trips",
  });
  client.close();
  await ended;
});

Deno.test("a stream that nobody reads holds its sender back, and no other stream", async () => {
  let unread: Http2Stream | null = null;
  const { client, ended } = connected((stream) => {
    if (unread === null) unread = stream;
    else void echo(stream);
  });
  const held = client.open(REQUEST);
  let sent = false;
  const sending = held.write(new Uint8Array(2 * H2_STREAM_WINDOW_BYTES), true)
    .then(() => sent = true);
  await roundTrip(client, new Uint8Array(1_000));
  assert.equal(sent, false);
  while (await unread!.read() !== null);
  await withDeadline(sending, { what: "the rest" });
  client.close();
  await ended;
});

Deno.test("reset and the end of a connection reach whoever reads or writes", async () => {
  const streams: Http2Stream[] = [];
  const { client, ended } = connected((stream) => streams.push(stream));
  const first = client.open(REQUEST);
  await first.write(new Uint8Array(1));
  await client.ping();
  first.cancel();
  await assert.rejects(first.read(), StreamReset);
  await client.ping();
  await streams[0].read().then(() => {}, () => {});
  await assert.rejects(streams[0].read(), { code: h2.CANCEL });
  const second = client.open(REQUEST);
  const reading = assert.rejects(second.read(), StreamReset);
  client.close();
  await reading;
  await ended;
});

Deno.test("leave() lets streams end and takes no more", async () => {
  const { client, server, ended } = connected((stream) => void echo(stream));
  const stream = client.open(REQUEST);
  await stream.write(new Uint8Array(10));
  await client.ping();
  const leaving = server.leave();
  await client.ping();
  assert.equal(client.isLeaving, true);
  assert.throws(() => client.open(REQUEST), StreamReset);
  await stream.write(new Uint8Array(5), true);
  for (let chunk = await stream.read(); chunk !== null; chunk = await stream.read());
  assert.deepEqual(stream.trailers, [["x-bytes", "15"]]);
  await withDeadline(leaving, { what: "the end of leaving" });
  await ended;
});

const headersOf = (id: number, flags = h2.FLAG_END_HEADERS | h2.FLAG_END_STREAM) =>
  h2.frame(h2.HEADERS, flags, id, encodeHeaders(REQUEST));

Deno.test("a peer that breaks the rules is told by which code, and is gone", async () => {
  const big = h2.frame(h2.CONTINUATION, 0, 1, new Uint8Array(16_384));
  const cases: [what: string, code: number, frames: Uint8Array[]][] = [
    ["no settings first", h2.PROTOCOL_ERROR, [headersOf(1)]],
    ["an even stream", h2.PROTOCOL_ERROR, [settings, headersOf(2)]],
    ["data on no stream", h2.PROTOCOL_ERROR, [
      settings,
      h2.frame(h2.DATA, 0, 1, new Uint8Array(1)),
    ]],
    ["a ping of seven bytes", h2.FRAME_SIZE_ERROR, [
      settings,
      h2.frame(h2.PING, 0, 0, new Uint8Array(7)),
    ]],
    ["headers that are no headers", h2.COMPRESSION_ERROR, [
      settings,
      h2.frame(h2.HEADERS, h2.FLAG_END_HEADERS, 1, Uint8Array.of(0x80)),
    ]],
    ["a window beyond all bounds", h2.FLOW_CONTROL_ERROR, [
      settings,
      h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.words(0x7fffffff)),
    ]],
    ["headers without an end", h2.ENHANCE_YOUR_CALM, [
      settings,
      headersOf(1, 0),
      ...Array.from({ length: 5 }, () => big),
    ]],
    ["streams begun only to be reset", h2.ENHANCE_YOUR_CALM, [
      settings,
      ...Array.from({ length: 3 * H2_RESETS_MAX }, (_, i) => [
        headersOf(2 * i + 1, h2.FLAG_END_HEADERS),
        h2.frame(h2.RST_STREAM, 0, 2 * i + 1, h2.words(h2.CANCEL)),
      ]).flat(),
    ]],
  ];
  for (const [what, code, frames] of cases) {
    const { near, ended, say } = serverOnly();
    say(h2.PREFACE, ...frames);
    await withDeadline(ended, { what: `the end after ${what}` });
    assert.equal(goodbyeCode(near), code, what);
  }
});

Deno.test("a server survives any bytes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          type: fc.nat(10),
          flags: fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d, 255),
          id: fc.constantFrom(0, 1, 2, 3, 5, 0x7fffffff),
          payload: fc.uint8Array({ maxLength: 40 }),
        }),
        { maxLength: 20 },
      ),
      async (frames) => {
        const { near, ended, say } = serverOnly((stream) => void echo(stream).catch(() => {}));
        say(
          h2.PREFACE,
          settings,
          ...frames.map(({ type, flags, id, payload }) => {
            return h2.frame(type, flags, id, payload);
          }),
        );
        near.close();
        await withDeadline(ended, { what: "the end" });
      },
    ),
    { numRuns: 500 },
  );
});
