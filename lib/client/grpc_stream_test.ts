import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock, settled } from "../../tests/support/client_scene.ts";
import { type AnyMessage, GrpcError, type OpenCall } from "../grpc/grpc_channel.ts";
import { Status } from "../grpc/status_code.ts";
import { userEvent } from "./events.ts";
import { EventStream, type StreamOptions } from "./grpc_stream.ts";

const unavailable = () => new GrpcError(Status.UNAVAILABLE, "gone", []);

/** A call whose answers are given by hand. */
class FakeCall implements OpenCall {
  readonly sent: AnyMessage[] = [];
  isFinished = false;
  readonly #answers: AnyMessage[] = [];
  #end: { error: unknown } | null = null;
  #wake = Promise.withResolvers<void>();

  send(message: AnyMessage): Promise<void> {
    this.sent.push(message);
    return Promise.resolve();
  }

  finish(): void {
    this.isFinished = true;
    this.end(null);
  }

  cancel(): void {
    this.end(new GrpcError(Status.CANCELLED, "cancelled", []));
  }

  /** Answers so many events with success, or one with a refusal. */
  answer(count: number, refusal: AnyMessage | null = null): void {
    for (let i = 0; i < count; i++) {
      const validation_errors = refusal === null ? [] : [refusal];
      const event_response = { success: refusal === null, validation_errors, message: "said" };
      this.#answers.push({ status: null, event_response });
    }
    this.#wake.resolve();
  }

  end(error: unknown): void {
    this.#end ??= { error };
    this.#wake.resolve();
  }

  get ids(): string[] {
    return this.sent.flatMap(({ event }) => event ? [event.id] : []);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AnyMessage> {
    for (;;) {
      yield* this.#answers.splice(0);
      if (this.#end?.error) throw this.#end.error;
      if (this.#end !== null) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

function openStream(options: StreamOptions = {}, deadlineMs = 60_000) {
  const clock = new FakeClock();
  const calls: FakeCall[] = [];
  const stream = new EventStream({
    ...{ clock, random: () => 0, deadlineMs },
    withCall: async (signal, converse) => {
      const call = new FakeCall();
      calls.push(call);
      signal.addEventListener("abort", () => call.cancel());
      await converse(call);
    },
  }, options);
  return { stream, clock, calls };
}

const event = (id: string) => userEvent({ user_id: "u", id }, { action: "a" });

Deno.test("send() gives each event its own answer, in order", async () => {
  const { stream, calls } = openStream({ batchSize: 10, flushIntervalMs: 1_500 });
  const a = await stream.send(event("a"));
  const b = await stream.send(event("b"));
  await settled();
  assert.deepEqual(calls[0].sent[0].config, {
    batch_size: 10,
    flush_interval: { seconds: 1, nanos: 500_000_000 },
  });
  calls[0].answer(1);
  calls[0].answer(1, { code: "empty_field", field: "user_id" });
  assert.deepEqual(await a.stored, { id: "a" });
  await assert.rejects(b.stored, { code: "empty_field", field: "user_id", detail: "said" });
  assert.deepEqual(await stream.close(), { stored: 1, refused: 1 });
  assert.equal(calls[0].isFinished, true);
  await assert.rejects(stream.send(event("c")), { code: "client_closed" });
});

Deno.test("send() waits while the window is full", async () => {
  const { stream, calls } = openStream({ window: 2 });
  await stream.send(event("a"));
  await stream.send(event("b"));
  let isTaken = false;
  const third = stream.send(event("c")).then(() => isTaken = true);
  await settled();
  assert.deepEqual([isTaken, stream.pending], [false, 2]);
  calls[0].answer(1);
  await third;
  calls[0].answer(2);
  await stream.close();
});

Deno.test("a stream sends what was not answered again, with the same ids, wherever it breaks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 5 }),
      async (count, answeredBeforeBreak) => {
        const { stream, clock, calls } = openStream();
        const ids = Array.from({ length: count }, (_, i) => String(i));
        const sent = [];
        for (const id of ids) sent.push(await stream.send(event(id)));
        let answered = 0;
        for (const some of answeredBeforeBreak) {
          if (answered === count) break;
          await clock.advance(0);
          const call = calls.at(-1)!;
          assert.deepEqual(call.ids, ids.slice(answered), "all that has no answer, in order");
          const now = Math.min(some, count - answered);
          call.answer(now);
          answered += now;
          call.end(unavailable());
          await settled();
        }
        await clock.advance(0);
        if (answered < count) calls.at(-1)!.answer(count - answered);
        assert.deepEqual(await stream.close(), { stored: count, refused: 0 });
        const receipts = await Promise.all(sent.map(({ stored }) => stored));
        assert.deepEqual(receipts.map(({ id }) => id), ids);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a stream fails when it is refused, and when nothing is answered in time", async () => {
  const refused = openStream();
  const { stored } = await refused.stream.send(event("a"));
  await settled();
  refused.calls[0].end(new GrpcError(Status.UNAUTHENTICATED, "who?", []));
  await assert.rejects(stored, { code: "unauthenticated", isRetryable: false });
  await assert.rejects(refused.stream.send(event("b")), { code: "unauthenticated" });
  await assert.rejects(refused.stream.close(), { code: "unauthenticated" });
  assert.equal(refused.calls.length, 1);

  const late = openStream({}, 1_000);
  const waiting = await late.stream.send(event("a"));
  await settled();
  await late.clock.advance(999);
  late.calls[0].end(unavailable());
  await late.clock.advance(0);
  assert.equal(late.calls.length, 2, "there was time for one more");
  await late.clock.advance(1);
  late.calls[1].end(unavailable());
  await assert.rejects(waiting.stored, { code: "network" });
});

Deno.test("a stream ends with its signal, and rejects what has no answer by the reason", async () => {
  const abort = new AbortController();
  const { stream, calls } = openStream({ signal: abort.signal });
  const { stored } = await stream.send(event("a"));
  await settled();
  abort.abort("enough");
  await assert.rejects(stored, (reason) => reason === "enough");
  await assert.rejects(stream.close(), (reason) => reason === "enough");
  assert.equal(calls.length, 1);
});

Deno.test("send() refuses what can't be written, and the stream goes on", async () => {
  const { stream, calls } = openStream();
  await assert.rejects(stream.send({ ...event("a"), timestamp: "soon" }), {
    code: "invalid_event",
  });
  const { stored } = await stream.send(event("b"));
  await settled();
  calls[0].answer(1);
  assert.deepEqual(await stored, { id: "b" });
  await stream.close();
});

Deno.test("a stream without events opens no call", async () => {
  const { stream, calls } = openStream();
  assert.deepEqual(await stream.close(), { stored: 0, refused: 0 });
  assert.deepEqual(calls, []);
});
