import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock, settled } from "../../tests/support/client_scene.ts";
import { ApiError } from "./api_error.ts";
import { type ClientOptions, settingsOf } from "./client_options.ts";
import { type EventForm, type EventLine, EventQueue } from "./event_queue.ts";

/** A queue whose batches are ended by hand. */
function openQueue(options: ClientOptions = {}) {
  const clock = new FakeClock();
  const batches: {
    form: EventForm;
    ids: string[];
    bytes: number;
    end: (verdicts?: (ApiError | null)[]) => void;
    fail: (error: unknown) => void;
  }[] = [];
  const queue = new EventQueue(settingsOf({ clock, ...options }), (form, lines) => {
    const { promise, resolve, reject } = Promise.withResolvers<(ApiError | null)[]>();
    const ids = lines.map(({ id }) => id);
    const bytes = lines.reduce((sum, line) => sum + line.bytes.length, 0);
    const end = (verdicts = lines.map(() => null as ApiError | null)) => resolve(verdicts);
    batches.push({ form, ids, bytes, end, fail: reject });
    return promise;
  });
  return { queue, clock, batches };
}

const line = (id: string, bytes = 10, form: EventForm = "plain"): EventLine => (
  { form, id, bytes: new Uint8Array(bytes) }
);

Deno.test("add() sends a batch when it has enough events, enough bytes, or has waited", async () => {
  const { queue, clock, batches } = openQueue({ batchEvents: 3, batchBytes: 100, batchMs: 20 });
  const ends = ["a", "b", "c"].map((id) => queue.add(line(id)));
  assert.deepEqual(batches.map(({ ids }) => ids), [["a", "b", "c"]]);
  batches[0].end();
  assert.deepEqual(await Promise.all(ends), [{ id: "a" }, { id: "b" }, { id: "c" }]);

  const large = [queue.add(line("d", 60)), queue.add(line("e", 60))];
  assert.deepEqual(batches[1].ids, ["d"], "two would be too many bytes");
  batches[1].end();
  await settled();
  assert.equal(batches.length, 2);
  await clock.advance(19);
  assert.equal(batches.length, 2);
  await clock.advance(1);
  assert.deepEqual(batches[2].ids, ["e"]);
  batches[2].end();
  await Promise.all(large);
  assert.deepEqual(clock.waits, []);
});

Deno.test("add() refuses the newest when there is no room, and room() tells when there is", async () => {
  const { queue, batches } = openQueue({ queueEvents: 2, batchEvents: 1 });
  const first = queue.add(line("a"));
  const second = queue.add(line("b"));
  await assert.rejects(queue.add(line("c")), { code: "queue_full", isRetryable: true });
  let hasRoom = false;
  const room = queue.room(10).then(() => hasRoom = true);
  await settled();
  assert.equal(hasRoom, false);
  batches[0].end();
  await Promise.all([first, room]);
  const third = queue.add(line("c"));
  batches[1].end();
  await second;
  await settled();
  batches[2].end();
  assert.deepEqual(await third, { id: "c" });
});

Deno.test("add() counts bytes as well, and refuses what fits no request", async () => {
  const { queue } = openQueue({ queueBytes: 25, batchBytes: 50 });
  void queue.add(line("a"));
  void queue.add(line("b"));
  await assert.rejects(queue.add(line("c")), { code: "queue_full" });
  await assert.rejects(queue.add(line("d", 51)), { code: "event_too_large" });
  assert.equal(queue.size, 2);
});

Deno.test("add() tells each event its own verdict, and all of a batch that failed", async () => {
  const { queue, batches } = openQueue({ batchEvents: 2 });
  const refused = new ApiError({ code: "missing_field", detail: "x", field: "user_id" });
  const mixed = [queue.add(line("a")), queue.add(line("b"))];
  batches[0].end([null, refused]);
  assert.deepEqual(await mixed[0], { id: "a" });
  await assert.rejects(mixed[1], refused);
  const failed = [queue.add(line("c")), queue.add(line("d"))];
  batches[1].fail(refused);
  for (const each of failed) await assert.rejects(each, refused);
  assert.equal(queue.size, 0);
});

Deno.test("add() forgets an event that waits when its signal aborts", async () => {
  const { queue, clock, batches } = openQueue({ batchEvents: 10 });
  const abort = new AbortController();
  const gone = queue.add(line("a"), abort.signal);
  const kept = queue.add(line("b"), undefined);
  abort.abort("enough");
  await assert.rejects(gone, (reason) => reason === "enough");
  await assert.rejects(queue.add(line("c"), abort.signal), (reason) => reason === "enough");
  await clock.advance(20);
  assert.deepEqual(batches[0].ids, ["b"]);
  batches[0].end();
  await kept;
});

Deno.test("close() takes no more, sends what waits, and gives up when its signal aborts", async () => {
  const { queue, batches } = openQueue();
  const first = queue.add(line("a"));
  const closing = queue.close();
  await assert.rejects(queue.add(line("b")), { code: "client_closed" });
  batches[0].end();
  await Promise.all([first, closing]);

  const other = openQueue({ batchEvents: 1 });
  const underWay = other.queue.add(line("a"));
  const waiting = other.queue.add(line("b"));
  const abort = new AbortController();
  const givingUp = other.queue.close(abort.signal);
  abort.abort("enough");
  await assert.rejects(givingUp, (reason) => reason === "enough");
  await assert.rejects(underWay, { code: "client_closed", mayBeStored: true });
  await assert.rejects(waiting, { code: "client_closed", mayBeStored: false });
  assert.deepEqual(other.clock.waits, []);
});

Deno.test("add() keeps limits and order for any events, and ends each once", async () => {
  const event = fc.record({
    bytes: fc.integer({ min: 1, max: 60 }),
    form: fc.constantFrom<EventForm>("plain", "typed"),
    isRefused: fc.boolean(),
  });
  await fc.assert(fc.asyncProperty(
    fc.array(event, { maxLength: 60 }),
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 60, max: 150 }),
    async (events, batchEvents, batchBytes) => {
      const { queue, batches } = openQueue({ batchEvents, batchBytes });
      const refused = new ApiError({ code: "x", detail: "y" });
      const outcomes = Promise.allSettled(
        events.map(({ bytes, form }, i) => queue.add(line(String(i), bytes, form))),
      );
      const sent: Record<EventForm, string[]> = { plain: [], typed: [] };
      let isFlushed = false;
      const flushed = queue.flush().then(() => isFlushed = true);
      for (let at = 0; !isFlushed; at++) {
        await settled();
        for (const { ids, end } of batches.splice(0)) {
          assert.ok(ids.length <= batchEvents);
          const bytes = ids.reduce((sum, id) => sum + events[Number(id)].bytes, 0);
          assert.ok(bytes <= batchBytes);
          sent[events[Number(ids[0])].form].push(...ids);
          end(ids.map((id) => events[Number(id)].isRefused ? refused : null));
        }
        assert.ok(at <= events.length + 1, "it ends");
      }
      await flushed;
      const ended = await outcomes;
      assert.deepEqual(
        ended.map(({ status }) => status === "rejected"),
        events.map(({ isRefused }) => isRefused),
      );
      for (const form of ["plain", "typed"] as const) {
        const own = events.flatMap((each, i) => each.form === form ? [String(i)] : []);
        assert.deepEqual(sent[form], own);
      }
      assert.equal(queue.size, 0);
    },
  ));
});
