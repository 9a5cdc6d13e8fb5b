import assert from "node:assert/strict";
import { LIVE_PUBLISH_MS } from "../lib/config/limits.ts";
import type { LiveFrame } from "../lib/live/live_collector.ts";
import { decodeLivePartial } from "../lib/live/live_partial.ts";
import type { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { LIVE_FRAME } from "../lib/process/progress_frame.ts";
import { createRing, RingReader, RingWriter } from "../lib/ring/ring.ts";
import { RollupDelta } from "../lib/rollup/rollup_delta.ts";
import { waitUntil, withDeadline } from "../tests/support/deadline.ts";
import { LiveFeed, type LiveFeedParts } from "./live_feed.ts";

const T0 = 1_700_000_000_000;

/** A feed with one partition at offset 10, on a clock that the test moves. */
class Scene {
  nowMs = T0;
  readonly warnings: string[] = [];
  readonly published: (readonly LiveFrame[])[] = [];
  readonly feed: LiveFeed;
  readonly #ring: RingReader;
  #offset = 10;

  constructor(publish: LiveFeedParts["publish"] = null) {
    const ring = createRing(1 << 18);
    this.#ring = new RingReader(ring);
    this.feed = new LiveFeed({
      ring: new RingWriter(ring),
      publish: publish && ((frames) => {
        this.published.push(frames);
        return publish(frames);
      }),
      completeUntilMs: (partition) => T0 - partition,
      appliedUntilMs: () => T0,
      now: () => this.nowMs,
      warn: (message) => this.warnings.push(message),
    });
    const series = { entry: () => ({ project: { name: "shop" }, type: "click" }) };
    const processor = {
      series,
      storedOffset: this.#offset,
      nextOffset: this.#offset,
      partition: 4,
      forgetCommitDelta() {},
    };
    this.feed.open(processor as unknown as PartitionProcessor);
  }

  /** A commit of so many events, a publishing interval later. */
  note(events: number): void {
    const delta = new RollupDelta();
    const cell = delta.cellAt(1, T0);
    for (let user = 0; user < events; user++) cell.add(T0, user, user, user, user, NaN);
    const fromOffset = this.#offset;
    const toOffset = this.#offset += events;
    this.nowMs += LIVE_PUBLISH_MS;
    this.feed.note(4, {
      rows: events,
      fromOffset,
      toOffset,
      firstReceivedAtMs: T0,
      lastReceivedAtMs: T0,
      delta: delta.encode(),
    });
  }

  /** What came through the ring since the last look: from, to, events. */
  heard(): number[][] {
    const frames: Uint8Array[] = [];
    while (this.#ring.peek()) {
      assert.equal(this.#ring.kind, LIVE_FRAME);
      frames.push(this.#ring.view.slice());
      this.#ring.release();
    }
    return frames.map(told);
  }

  async nextHeard(): Promise<number[][]> {
    return await waitUntil(() => {
      const heard = this.heard();
      return heard.length > 0 ? heard : null;
    }, { what: "frames in the ring" });
  }
}

function told(bytes: Uint8Array): number[] {
  const { partition, fromOffset, toOffset, completeUntilMs, series } = decodeLivePartial(bytes);
  assert.deepEqual([partition, completeUntilMs], [4, T0 - 4]);
  return [fromOffset, toOffset, series.reduce((sum, { events }) => sum + events, 0)];
}

Deno.test("LiveFeed tells the main thread a partition's place, then what it commits", async () => {
  const scene = new Scene();
  assert.deepEqual(await scene.nextHeard(), [[10, 10, 0]]);
  scene.note(3);
  assert.deepEqual(await scene.nextHeard(), [[10, 13, 3]]);
  await scene.feed.end();
});

Deno.test("LiveFeed publishes the same frames, one call at a time", async () => {
  const first = Promise.withResolvers<void>();
  const scene: Scene = new Scene(() =>
    scene.published.length === 1 ? first.promise : Promise.resolve()
  );
  await scene.nextHeard();
  assert.deepEqual(scene.published.map((frames) => frames.map(({ bytes }) => told(bytes))), [
    [[10, 10, 0]],
  ]);
  scene.note(2);
  scene.note(3);
  first.resolve();
  assert.deepEqual(await scene.nextHeard(), [[10, 15, 5]], "what came meanwhile is one partial");
  await waitUntil(() => scene.published.length === 2, { what: "the second call" });
  assert.deepEqual(scene.published[1].map(({ bytes }) => told(bytes)), [[10, 15, 5]]);
  assert.deepEqual(scene.published[1].map(({ partition }) => partition), [4]);
  await scene.feed.end();
});

Deno.test("LiveFeed goes on when publishing fails, and says so", async () => {
  const scene: Scene = new Scene(() =>
    scene.published.length === 1 ? Promise.reject(new Error("away")) : Promise.resolve()
  );
  await scene.nextHeard();
  await waitUntil(() => scene.warnings.length === 1, { what: "a warning" });
  scene.note(1);
  assert.deepEqual(await scene.nextHeard(), [[10, 11, 1]]);
  assert.equal(scene.published.length, 2);
  await scene.feed.end();
  assert.equal(scene.warnings.length, 1);
});

Deno.test("close() passes on what is left, and end() waits until it is out", async () => {
  const out = Promise.withResolvers<void>();
  const scene: Scene = new Scene(() =>
    scene.published.length === 2 ? out.promise : Promise.resolve()
  );
  await scene.nextHeard();
  scene.note(6);
  scene.feed.close(4);
  assert.deepEqual(scene.heard(), [[10, 16, 6]]);
  let ended = false;
  const ending = scene.feed.end().then(() => ended = true);
  await waitUntil(() => scene.published.length === 2, { what: "the last call" });
  assert.ok(!ended);
  out.resolve();
  await ending;
});

Deno.test("end() leaves partials behind when the topic does not take them in time", async () => {
  const out = Promise.withResolvers<void>();
  const scene: Scene = new Scene(() => out.promise);
  await scene.nextHeard();
  await withDeadline(scene.feed.end(), { what: "the end" });
  assert.deepEqual(scene.warnings, ["live partials are left behind"]);
  out.resolve();
});
