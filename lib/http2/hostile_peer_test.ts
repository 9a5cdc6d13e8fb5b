/** What a peer that keeps to the letter, or nearly, could do to the other end. */
import assert from "node:assert/strict";
import {
  connected,
  End,
  goodbyeCode,
  pipe,
  REQUEST,
  serverOnly,
  settings,
} from "../../tests/support/http2_pipe.ts";
import { waitUntil, withDeadline } from "../../tests/support/deadline.ts";
import {
  H2_CONNECTION_WINDOW_BYTES,
  H2_IDLE_FRAMES_MAX,
  H2_RESETS_MAX,
  H2_STREAM_WINDOW_BYTES,
} from "../config/grpc_limits.ts";
import { Http2Connection } from "./connection.ts";
import * as h2 from "./frames.ts";
import { encodeHeaders, type HeaderList } from "./hpack.ts";
import { type Http2Stream, StreamReset } from "./stream.ts";

const headersOf = (id: number, headers: HeaderList = REQUEST, flags = h2.FLAG_END_HEADERS) =>
  h2.frame(h2.HEADERS, flags, id, encodeHeaders(headers));

/** Frames that an end was sent: type, stream and the first word of the payload. */
function framesOf(end: End): [type: number, id: number, word: number][] {
  const bytes = Uint8Array.from(end.received.flatMap((part) => [...part]));
  const frames: [number, number, number][] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
    frames.push([bytes[at + 3], h2.uint32At(bytes, at + 5), h2.uint32At(bytes, at + 9)]);
    at += 9 + length;
  }
  return frames;
}

/** What the server at the other end answers to a ping: all before it was looked at. */
async function pinged(near: End, say: (...parts: Uint8Array[]) => void): Promise<void> {
  say(h2.frame(h2.PING, 0, 0, new Uint8Array(8)));
  await waitUntil(() => framesOf(near).some(([type]) => type === h2.PING), { what: "a pong" });
}

Deno.test("floods of frames that carry nothing end the connection", async () => {
  const floods: [what: string, frame: Uint8Array][] = [
    ["pings", h2.frame(h2.PING, h2.FLAG_ACK, 0, new Uint8Array(8))],
    ["settings", settings],
    ["priorities", h2.frame(h2.PRIORITY, 0, 1, new Uint8Array(5))],
    ["empty data", h2.frame(h2.DATA, 0, 1, new Uint8Array(0))],
    ["unknown frames", h2.frame(77, 0, 0, new Uint8Array(0))],
  ];
  for (const [what, frame] of floods) {
    const { near, ended, say } = serverOnly();
    say(h2.PREFACE, settings, headersOf(1));
    for (let i = 0; i <= H2_IDLE_FRAMES_MAX; i++) say(frame);
    await withDeadline(ended, { what: `the end after ${what}` });
    assert.equal(goodbyeCode(near), h2.ENHANCE_YOUR_CALM, what);
  }
});

Deno.test("streams that the server has to reset end the connection too, and tell who serves them", async () => {
  const resets: number[] = [];
  const { near, ended, say } = serverOnly((stream) => {
    stream.onReset = ({ code }) => resets.push(code);
  });
  say(h2.PREFACE, settings);
  for (let id = 1; id < 8 * H2_RESETS_MAX; id += 2) {
    say(headersOf(id), h2.frame(h2.WINDOW_UPDATE, 0, id, h2.words(0)));
  }
  await withDeadline(ended, { what: "the end" });
  assert.equal(goodbyeCode(near), h2.ENHANCE_YOUR_CALM);
  assert.ok(resets.length > H2_RESETS_MAX);
  assert.equal(resets[0], h2.PROTOCOL_ERROR);
});

Deno.test("names and values that can't be headers are refused", async () => {
  const bad: HeaderList = [
    ["x y", "1"],
    ["X-Upper", "1"],
    ["", "1"],
    ["x:y", "1"],
    ["x-split", "1\r\nx-more: 2"],
    ["x-nul", "\0"],
    ["x-space", " 1"],
    ["content-length", "1e3"],
    ["content-length", "-1"],
  ];
  let begun = 0;
  const { near, say } = serverOnly(() => begun++);
  say(h2.PREFACE, settings, ...bad.map((each, i) => headersOf(2 * i + 1, [...REQUEST, each])));
  await pinged(near, say);
  const resets = framesOf(near).filter(([type]) => type === h2.RST_STREAM);
  assert.deepEqual(resets.map(([, id]) => id), bad.map((_, i) => 2 * i + 1));
  assert.equal(begun, 0);
  near.close();
});

/** Sends `rounds` bodies of `bytes` through one connection; it stands still when room is lost. */
async function manyBodies(
  onStream: (stream: Http2Stream) => void,
  { rounds, bytes }: { rounds: number; bytes: number },
): Promise<void> {
  const { client, ended } = connected(onStream);
  for (let i = 0; i < rounds; i++) {
    const stream = client.open(REQUEST);
    const sending = stream.write(new Uint8Array(bytes)).then(() => client.ping())
      .then(() => stream.write(new Uint8Array(0), true)).catch((error) => {
        if (!(error instanceof StreamReset)) throw error;
      });
    await withDeadline(sending, { what: `body ${i}` });
    await withDeadline(stream.response(), { what: `answer ${i}` });
  }
  client.close();
  await ended;
}

const ROUNDS = 3 * H2_CONNECTION_WINDOW_BYTES / 100_000;

Deno.test("room comes back when a body is read before its end comes", async () => {
  await manyBodies(async (stream) => {
    while (await stream.read() !== null);
    stream.sendHeaders([[":status", "200"]], true);
  }, { rounds: ROUNDS, bytes: 100_000 });
});

Deno.test("room comes back when a body was not wanted", async () => {
  await manyBodies((stream) => {
    stream.sendHeaders([[":status", "200"]], true);
    stream.cancel(h2.NO_ERROR);
  }, { rounds: ROUNDS, bytes: 100_000 });
});

Deno.test("room comes back when a body has come and is discarded", async () => {
  await manyBodies(async (stream) => {
    await waitUntil(() => stream.remoteEnded, { what: "the end of the body" });
    stream.sendHeaders([[":status", "200"]], true);
    stream.discard();
  }, { rounds: ROUNDS, bytes: 100_000 });
});

Deno.test("room of the connection comes back when a stream sends more than it may", async () => {
  const { near, say } = serverOnly();
  say(h2.PREFACE, settings);
  const data = (id: number) => h2.frame(h2.DATA, 0, id, new Uint8Array(h2.FRAME_BYTES_MAX));
  // Each stream sends a frame beyond its window; together several times the connection's.
  const frames = H2_STREAM_WINDOW_BYTES / h2.FRAME_BYTES_MAX + 1;
  for (let id = 1; id < 40; id += 2) {
    say(headersOf(id), ...Array.from({ length: frames }, () => data(id)));
    await waitUntil(
      () => framesOf(near).some(([type, at]) => type === h2.RST_STREAM && at === id),
      {
        what: `the reset of stream ${id}`,
      },
    );
  }
  await pinged(near, say);
  assert.equal(goodbyeCode(near), null);
  near.close();
});

Deno.test("write() after the end is refused, also by who waited for room until then", async () => {
  let served!: Http2Stream;
  const { client, server, ended } = connected((stream) => served = stream);
  const stream = client.open(REQUEST, true);
  await client.ping();
  served.sendHeaders([[":status", "200"]]);
  const waiting = assert.rejects(
    served.write(new Uint8Array(2 * H2_STREAM_WINDOW_BYTES)),
    { code: h2.STREAM_CLOSED },
  );
  await client.ping();
  served.sendHeaders([["x-end", "1"]], true);
  await withDeadline(waiting, { what: "the end of the write" });
  await assert.rejects(served.write(new Uint8Array(1)), StreamReset);
  while (await stream.read() !== null);
  assert.deepEqual(stream.trailers, [["x-end", "1"]]);
  assert.deepEqual([client.active, server.active], [0, 0]);
  client.close();
  await ended;
});

Deno.test("an answer is whole when the server then says that it reads no more", async () => {
  const { client, ended } = connected(async (stream) => {
    stream.sendHeaders([[":status", "200"]]);
    await stream.write(new Uint8Array(10));
    stream.sendHeaders([["x-end", "1"]], true);
    stream.cancel(h2.NO_ERROR);
  });
  const stream = client.open(REQUEST);
  await assert.rejects(stream.write(new Uint8Array(4 * H2_STREAM_WINDOW_BYTES)), StreamReset);
  assert.equal((await stream.read())?.length, 10);
  assert.equal(await stream.read(), null);
  assert.deepEqual(stream.trailers, [["x-end", "1"]]);
  client.close();
  await ended;
});

Deno.test("a peer that breaks the rules and reads nothing is not waited for", async () => {
  const [near, far] = pipe();
  far.write = () => new Promise(() => {});
  const server = new Http2Connection(far, { isServer: true });
  const ended = server.run();
  await near.write(h2.PREFACE);
  await near.write(headersOf(1));
  await withDeadline(ended, { what: "the end", deadlineMs: 5_000 });
});

Deno.test("leave() ends when the peer says goodbye again and again meanwhile", async () => {
  let served!: Http2Stream;
  const { server, say, ended } = serverOnly((stream) => served = stream);
  say(h2.PREFACE, settings, headersOf(1, REQUEST, h2.FLAG_END_HEADERS | h2.FLAG_END_STREAM));
  await waitUntil(() => server.active > 0, { what: "the stream" });
  const leaving = server.leave();
  say(h2.frame(h2.GOAWAY, 0, 0, h2.words(0, 0)), h2.frame(h2.GOAWAY, 0, 0, h2.words(0, 0)));
  served.sendHeaders([[":status", "200"]], true);
  await withDeadline(leaving, { what: "the end of leaving" });
  await ended;
});

Deno.test("ping() is answered to each who asks", async () => {
  const { client, ended } = connected(() => {});
  await withDeadline(Promise.all([client.ping(), client.ping(), client.ping()]), { what: "pongs" });
  client.close();
  await ended;
});

Deno.test("a client of HTTP/1 is told in its own words", async () => {
  const { near, ended, say } = serverOnly();
  say(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  await ended;
  const said = new TextDecoder().decode(
    Uint8Array.from(near.received.flatMap((part) => [...part])),
  );
  assert.match(said, /^HTTP\/1\.1 400 [^]*content-length: 46\r\n\r\n.{46}$/);
});
