import assert from "node:assert/strict";
import fc from "fast-check";
import { SQL_FRAME_BYTES_MAX } from "../config/export_limits.ts";
import { decodeFrames, encodeFrame } from "./sql_frames.ts";

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

Deno.test("decodeFrames() gives back what encodeFrame() wrote, however it is cut", async () => {
  const frames = fc.array(fc.record({
    message: fc.record({ kind: fc.string(), rows: fc.integer() }, { noNullPrototype: true }),
    body: fc.uint8Array({ maxLength: 50 }),
  }));
  await fc.assert(
    fc.asyncProperty(frames, fc.integer({ min: 1, max: 60 }), async (written, pieceBytes) => {
      const bytes = new Blob(
        written.map(({ message, body }) => encodeFrame(message, new Uint8Array(body))),
      );
      const read = [];
      for await (const frame of decodeFrames(inPieces(await bytes.bytes(), pieceBytes))) {
        read.push({ message: frame.message, body: frame.body });
      }
      assert.deepEqual(read.map(({ message }) => message), written.map(({ message }) => message));
      assert.deepEqual(read.map(({ body }) => [...body]), written.map(({ body }) => [...body]));
    }),
  );
});

Deno.test("decodeFrames() refuses what is too long to be a frame", async () => {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(4, SQL_FRAME_BYTES_MAX + 1, true);
  await assert.rejects(decodeFrames(inPieces(head, 8)).next(), /no SQL frame/);
});
