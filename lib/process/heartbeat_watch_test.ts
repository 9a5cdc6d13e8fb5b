import assert from "node:assert/strict";
import { HANG_MS, HEARTBEAT_MS } from "../config/limits.ts";
import { HeartbeatWatch } from "./heartbeat_watch.ts";

/** A worker that beats or not, and a watch that looks once per HEARTBEAT_MS. */
class Watched {
  readonly #health = new SharedArrayBuffer(8);
  readonly #watch = new HeartbeatWatch(this.#health, 1);
  nowMs = 1000;

  beat(): void {
    Atomics.add(new Int32Array(this.#health), 1, 1);
  }

  /** Looks at every heartbeat for a time; true when the worker was found hanging. */
  lookFor(ms: number, beats: boolean): boolean {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs += HEARTBEAT_MS;
      if (beats) this.beat();
      if (this.#watch.hangs(this.nowMs)) return true;
    }
    return false;
  }

  startAnew(): void {
    this.#watch.startAnew(this.nowMs);
  }
}

Deno.test("HeartbeatWatch.hangs() is true when no beat came for HANG_MS", () => {
  const watched = new Watched();
  assert.equal(watched.lookFor(60_000, true), false);
  const stoppedAtMs = watched.nowMs;
  assert.equal(watched.lookFor(60_000, false), true);
  assert.equal(watched.nowMs - stoppedAtMs, HANG_MS);
});

Deno.test("HeartbeatWatch.hangs() is false when the looks stopped as long as the beats", () => {
  const watched = new Watched();
  watched.lookFor(1000, true);
  watched.nowMs += 3_600_000;
  assert.equal(watched.lookFor(HANG_MS - HEARTBEAT_MS, false), false);
  watched.beat();
  assert.equal(watched.lookFor(HANG_MS - HEARTBEAT_MS, false), false);
});

Deno.test("HeartbeatWatch.hangs() counts from startAnew() when a worker was replaced", () => {
  const watched = new Watched();
  watched.lookFor(HANG_MS - HEARTBEAT_MS, false);
  watched.startAnew();
  assert.equal(watched.lookFor(HANG_MS - HEARTBEAT_MS, false), false);
  assert.equal(watched.lookFor(HEARTBEAT_MS, false), true);
});
