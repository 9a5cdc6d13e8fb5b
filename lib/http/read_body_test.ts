import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BODY_SMALL_BYTES } from "../config/limits.ts";
import { ProblemError } from "./problem.ts";
import { BodyReader } from "./read_body.ts";

const URL_ = "http://localhost/events";

/** A request whose body comes in these chunks; `announced` gives it a content-length. */
function requestOf(
  chunks: readonly Uint8Array[],
  headers: Record<string, string> = {},
  announced = false,
): Request {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const sent = announced ? { ...headers, "content-length": String(length) } : headers;
  return new Request(URL_, { method: "POST", headers: sent, body });
}

/** A request whose body never ends; tells when it is given up. */
function endlessRequest(chunk: Uint8Array | null, headers: Record<string, string> = {}) {
  const gone = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (chunk !== null) controller.enqueue(chunk);
      else return gone.promise;
    },
    cancel: () => gone.resolve(),
  });
  return { request: new Request(URL_, { method: "POST", headers, body }), gone: gone.promise };
}

const rejects = (reading: Promise<unknown>, code: string) =>
  assert.rejects(reading, (error) => {
    assert.ok(error instanceof ProblemError, String(error));
    assert.equal(error.code, code);
    return true;
  });

Deno.test("read() gives the body whether its length is announced or not", async () => {
  const reader = new BodyReader();
  for (const size of [0, 1, BODY_SMALL_BYTES, BODY_SMALL_BYTES + 1, 1_000_000]) {
    const bytes = new Uint8Array(size).map((_, i) => i);
    const half = size >> 1;
    for (const announced of [true, false]) {
      const request = requestOf([bytes.subarray(0, half), bytes.subarray(half)], {}, announced);
      const body = await reader.read(request);
      assert.deepEqual(body.bytes, bytes);
      body.release();
    }
  }
  assert.equal((await reader.read(new Request(URL_, { method: "POST" }))).bytes.length, 0);
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() refuses a body above the limit before it has all of it", async () => {
  const reader = new BodyReader({ bodyBytesMax: 10_000 });
  await rejects(reader.read(requestOf([new Uint8Array(10_001)], {}, true)), "body_too_large");
  const { request, gone } = endlessRequest(new Uint8Array(4_000));
  await rejects(reader.read(request), "body_too_large");
  await gone;
  const exact = await reader.read(requestOf([new Uint8Array(10_000)]));
  assert.equal(exact.bytes.length, 10_000);
  exact.release();
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() holds the limit for the unpacked bytes when a body is packed", async () => {
  const reader = new BodyReader({ bodyBytesMax: 10_000 });
  const zeros = new Uint8Array(10_001);
  for (const [encoding, pack] of [["gzip", gzipSync], ["zstd", zstdCompressSync]] as const) {
    const packed = (size: number) => new Uint8Array(pack(zeros.subarray(0, size)));
    const headers = { "content-encoding": encoding };
    for (const announced of [true, false]) {
      const over = requestOf([packed(10_001)], headers, announced);
      await rejects(reader.read(over), "body_too_large");
      const body = await reader.read(requestOf([packed(10_000)], headers, announced));
      assert.equal(body.bytes.length, 10_000);
      assert.equal(reader.heldBytes, 10_000);
      body.release();
    }
  }
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() refuses an encoding it does not know and a body that does not unpack", async () => {
  const reader = new BodyReader();
  const bytes = new Uint8Array([1, 2, 3]);
  const br = requestOf([bytes], { "content-encoding": "br" });
  await rejects(reader.read(br), "unsupported_encoding");
  const gzip = requestOf([bytes], { "content-encoding": "gzip" });
  await rejects(reader.read(gzip), "invalid_encoding");
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() answers overloaded when bodies under way hold all there is to hold", async () => {
  const reader = new BodyReader({ bodiesBytesMax: 200_000 });
  const large = () => requestOf([new Uint8Array(90_000)], {}, true);
  const first = await reader.read(large());
  const second = await reader.read(large());
  await rejects(reader.read(large()), "overloaded");
  await rejects(reader.read(requestOf([new Uint8Array(90_000)])), "overloaded");
  const small = await reader.read(requestOf([new Uint8Array(100)], {}, true));
  small.release();
  first.release();
  first.release();
  assert.equal(reader.heldBytes, 90_000);
  const third = await reader.read(large());
  second.release();
  third.release();
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() gives up when a body does not arrive in time", async () => {
  const reader = new BodyReader({ readMsMax: 20 });
  const chunked = endlessRequest(null);
  await rejects(reader.read(chunked.request), "invalid_json");
  await chunked.gone;
  const announced = endlessRequest(null, { "content-length": "100000" });
  await rejects(reader.read(announced.request), "invalid_json");
  assert.equal(reader.heldBytes, 0);
});

Deno.test("read() refuses a body when its connection breaks off", async () => {
  const reader = new BodyReader();
  for (const length of [null, "10", "100000"]) {
    const headers: HeadersInit = length === null ? {} : { "content-length": length };
    const body = new ReadableStream({ start: (c) => c.error(new Error("reset")) });
    const request = new Request(URL_, { method: "POST", headers, body });
    await rejects(reader.read(request), "invalid_json");
  }
  assert.equal(reader.heldBytes, 0);
});
