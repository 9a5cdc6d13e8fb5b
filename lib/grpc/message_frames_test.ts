import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { waitUntil } from "../../tests/support/deadline.ts";
import { HeldBytes } from "./held_bytes.ts";
import { type ChunkSource, messageFrame, MessageReader } from "./message_frames.ts";

/** Gives chunks; at their end it ends, or waits for ever. */
function sourceOf(chunks: Uint8Array[], endsWell = true): ChunkSource {
  const left = [...chunks];
  return {
    read: () => {
      const chunk = left.shift();
      if (chunk !== undefined) return Promise.resolve(chunk);
      return endsWell ? Promise.resolve(null) : new Promise(() => {});
    },
  };
}

const options = { isGzip: true, bytesMax: 100_000 };

Deno.test("next() gives the messages, however they are cut and packed", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.record({ message: fc.uint8Array({ maxLength: 3_000 }), gzip: fc.boolean() })),
    fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
    async (messages, cuts) => {
      const bytes = messages.flatMap(({ message, gzip }) => [...messageFrame(message, gzip)]);
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const length = cuts[i % cuts.length];
        chunks.push(Uint8Array.from(bytes.slice(at, at + length)));
        at += length;
      }
      const held = new HeldBytes();
      const reader = new MessageReader(sourceOf(chunks), { ...options, held });
      for (const { message } of messages) {
        assert.deepEqual([...(await reader.next())!], [...message]);
      }
      assert.equal(await reader.next(), null);
      reader.release();
      assert.equal(held.bytes, 0);
    },
  ));
});

Deno.test("next() refuses what is too long, also once unpacked, and what is cut off", async () => {
  const bomb = gzipSync(new Uint8Array(10_000_000));
  const packed = new Uint8Array(5 + bomb.length);
  packed.set([1, 0, bomb.length >> 16, bomb.length >> 8, bomb.length]);
  packed.set(bomb, 5);
  const cases: [Uint8Array, string][] = [
    [packed, "body_too_large"],
    [Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), "body_too_large"],
    [Uint8Array.of(0, 0, 0, 0, 9, 1), "invalid_message"],
    [Uint8Array.of(0, 0, 0), "invalid_message"],
    [Uint8Array.of(2, 0, 0, 0, 0), "invalid_message"],
    [Uint8Array.of(1, 0, 0, 0, 2, 1, 1), "invalid_encoding"],
  ];
  for (const [bytes, code] of cases) {
    await assert.rejects(new MessageReader(sourceOf([bytes]), options).next(), { code });
  }
});

Deno.test("next() gives up a message that stalls, not a stream that is quiet", async () => {
  const begun = sourceOf([Uint8Array.of(0, 0, 0, 0, 9, 1)], false);
  const stalled = new MessageReader(begun, { ...options, messageMsMax: 20 });
  await assert.rejects(stalled.next(), { code: "deadline_exceeded" });
  const never = new MessageReader(sourceOf([], false), { ...options, messageMsMax: 20 });
  await assert.rejects(never.next(true), { code: "deadline_exceeded" });
  const quiet = new MessageReader(sourceOf([], false), { ...options, messageMsMax: 20 });
  let isRead = false;
  void quiet.next().finally(() => isRead = true);
  const later = new MessageReader(sourceOf([], false), { ...options, messageMsMax: 60 });
  await assert.rejects(later.next(true), { code: "deadline_exceeded" });
  assert.equal(isRead, false);
});

Deno.test("next() refuses what would hold too much together with others", async () => {
  const held = new HeldBytes(1_000);
  const part = Uint8Array.from([0, 0, 0, 4, 0, ...new Uint8Array(600)]);
  const settings = { ...options, held, messageMsMax: 200 };
  const first = new MessageReader(sourceOf([part], false), settings);
  const waiting = assert.rejects(first.next(), { code: "deadline_exceeded" });
  await waitUntil(() => held.bytes > 0, { what: "the first message's bytes" });
  const second = new MessageReader(sourceOf([part], false), settings);
  await assert.rejects(second.next(), { code: "overloaded" });
  second.release();
  await waiting;
  first.release();
  assert.equal(held.bytes, 0);
});
