import assert from "node:assert/strict";
import { pullStream } from "./pull_stream.ts";

/** Blocks of one byte, and what has become of them. */
class Blocks {
  made = 0;
  closed = false;
  aborted: Error | null = null;
  readonly ended = Promise.withResolvers<unknown>();

  constructor(readonly count: number, readonly failsAt = Infinity) {}

  stream(idleMs = 60_000): ReadableStream<Uint8Array> {
    return pullStream(this.#blocks(), {
      idleMs,
      abort: (reason) => this.aborted = reason,
      onEnd: (failure) => this.ended.resolve(failure),
    });
  }

  async *#blocks(): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 0; i < this.count; i++) {
        if (i === this.failsAt) throw new Error("the shard failed");
        this.made++;
        yield new Uint8Array([i]);
      }
    } finally {
      this.closed = true;
    }
  }
}

/** Lets everything run that can run without anybody reading: the blocks need no time of their own. */
async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await new Promise<void>((resolve) => queueMicrotask(resolve));
}

Deno.test("pullStream() makes two blocks at most that nobody has read", async () => {
  const blocks = new Blocks(100);
  const reader = blocks.stream().getReader();
  await settle();
  assert.equal(blocks.made, 0, "nothing before the first read");
  for (let i = 0; i < 10; i++) {
    assert.deepEqual((await reader.read()).value, new Uint8Array([i]));
    await settle();
    assert.ok(blocks.made <= i + 2, `${blocks.made} after ${i + 1} reads`);
  }
  await reader.cancel();
  await blocks.ended.promise;
});

Deno.test("pullStream() ends whole when all was read", async () => {
  const blocks = new Blocks(5);
  assert.deepEqual(await new Response(blocks.stream()).bytes(), new Uint8Array([0, 1, 2, 3, 4]));
  assert.equal(await blocks.ended.promise, null);
  assert.equal(blocks.aborted, null);
  assert.equal(blocks.closed, true);
});

Deno.test("pullStream() ends the work when the reader leaves", async () => {
  const blocks = new Blocks(100);
  const reader = blocks.stream().getReader();
  await reader.read();
  await reader.cancel(new Error("gone"));
  assert.match(String(await blocks.ended.promise), /gone/);
  assert.match(String(blocks.aborted), /gone/);
  assert.equal(blocks.closed, true);
});

Deno.test("pullStream() fails the body when a block can't be made", async () => {
  const blocks = new Blocks(100, 3);
  await assert.rejects(new Response(blocks.stream()).bytes(), /the shard failed/);
  assert.match(String(await blocks.ended.promise), /the shard failed/);
});

Deno.test("pullStream() gives up a reader that takes nothing", async () => {
  const blocks = new Blocks(100);
  const reader = blocks.stream(5).getReader();
  await reader.read();
  assert.match(String(await blocks.ended.promise), /nothing was read/);
  assert.equal(blocks.closed, true);
  await assert.rejects(reader.read(), /nothing was read/);
});
