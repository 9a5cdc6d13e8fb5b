import assert from "node:assert/strict";
import { LIVE_IDLE_MS, LIVE_PARTIAL_BYTES_LEAST, LIVE_PUBLISH_MS } from "../config/limits.ts";
import { RollupDelta } from "../rollup/rollup_delta.ts";
import { LiveCollector, type LiveFrame } from "./live_collector.ts";
import { decodeLivePartial } from "./live_partial.ts";

const T0 = 1_700_000_000_000;
const COMPLETE = (partition: number) => T0 - 1000 - partition;
const nameOf = (series: number) => ({ project: "shop", type: `type-${series}` });

/** A delta of `users` events of one series, each of a user of its own. */
function deltaOf(series: number, users = 1, firstUser = 0): Uint8Array {
  const delta = new RollupDelta();
  const cell = delta.cellAt(series, T0);
  for (let user = firstUser; user < firstUser + users; user++) {
    const hash = Math.imul(user + 1, 0x9e3779b1) >>> 0;
    cell.add(T0, hash, user, hash, user, NaN);
  }
  return delta.encode();
}

function commitOf(fromOffset: number, toOffset: number, delta: Uint8Array | null) {
  const [firstReceivedAtMs, lastReceivedAtMs] = [T0 + fromOffset, T0 + toOffset - 1];
  return { fromOffset, toOffset, firstReceivedAtMs, lastReceivedAtMs, delta };
}

/** What frames cover and count. */
function told(frames: readonly LiveFrame[]) {
  return frames.map(({ partition, bytes }) => {
    const partial = decodeLivePartial(bytes);
    assert.equal(partial.partition, partition);
    const events = partial.series.reduce((sum, change) => sum + change.events, 0);
    return [partition, partial.fromOffset, partial.toOffset, events];
  });
}

Deno.test("LiveCollector gives a partition's place out at once, then changes once a second", () => {
  const collector = new LiveCollector();
  assert.equal(collector.dueInMs(T0), Infinity);
  collector.open(4, 100, nameOf);
  assert.equal(collector.dueInMs(T0), 0);
  assert.deepEqual(told(collector.takeDue(T0, COMPLETE)), [[4, 100, 100, 0]]);
  assert.deepEqual(collector.takeDue(T0, COMPLETE), []);
  collector.note(4, commitOf(100, 103, deltaOf(1, 3)));
  collector.note(4, commitOf(103, 104, null));
  collector.note(4, commitOf(104, 106, deltaOf(2, 2)));
  assert.equal(collector.dueInMs(T0 + 200), LIVE_PUBLISH_MS - 200);
  assert.deepEqual(collector.takeDue(T0 + LIVE_PUBLISH_MS - 1, COMPLETE), []);

  const frames = collector.takeDue(T0 + LIVE_PUBLISH_MS, COMPLETE);
  assert.deepEqual(told(frames), [[4, 100, 106, 5]]);
  const partial = decodeLivePartial(frames[0].bytes);
  assert.deepEqual(
    partial.series.map(({ id, project, type, events }) => [id, project, type, events]),
    [[1, "shop", "type-1", 3], [2, "shop", "type-2", 2]],
  );
  assert.deepEqual(
    [partial.publishedAtMs, partial.firstReceivedAtMs, partial.lastReceivedAtMs],
    [T0 + LIVE_PUBLISH_MS, T0 + 100, T0 + 105],
  );
  assert.equal(partial.completeUntilMs, COMPLETE(4));
  assert.equal(collector.pendingBytes, 0);
});

Deno.test("LiveCollector gives a change out at once after a silence", () => {
  const collector = new LiveCollector();
  collector.open(0, 0, nameOf);
  collector.takeDue(T0, COMPLETE);
  const later = T0 + LIVE_IDLE_MS - 1;
  assert.deepEqual(collector.takeDue(later, COMPLETE), []);
  collector.note(0, commitOf(0, 1, deltaOf(1)));
  assert.equal(collector.dueInMs(later), 0);
  assert.deepEqual(told(collector.takeDue(later, COMPLETE)), [[0, 0, 1, 1]]);
});

Deno.test("LiveCollector says that a partition is there when nothing changes", () => {
  const collector = new LiveCollector();
  collector.open(0, 0, nameOf);
  collector.open(1, 50, nameOf);
  collector.takeDue(T0, COMPLETE);
  assert.equal(collector.dueInMs(T0), LIVE_IDLE_MS);
  collector.note(1, commitOf(50, 51, deltaOf(1)));
  collector.takeDue(T0 + LIVE_PUBLISH_MS, COMPLETE);
  assert.deepEqual(told(collector.takeDue(T0 + LIVE_IDLE_MS, COMPLETE)), [[0, 0, 0, 0]]);
  const last = T0 + LIVE_IDLE_MS + LIVE_PUBLISH_MS;
  assert.deepEqual(told(collector.takeDue(last, COMPLETE)), [[1, 51, 51, 0]]);
});

Deno.test("LiveCollector goes on within a second when the clock was set back", () => {
  const collector = new LiveCollector();
  collector.open(0, 0, nameOf);
  collector.takeDue(T0, COMPLETE);
  collector.note(0, commitOf(0, 1, deltaOf(1)));
  const back = T0 - 3_600_000;
  assert.ok(collector.dueInMs(back) <= LIVE_IDLE_MS);
  assert.deepEqual(collector.takeDue(back, COMPLETE), []);
  assert.equal(collector.takeDue(back + LIVE_PUBLISH_MS, COMPLETE).length, 1);
});

Deno.test("close() gives out what is left of a partition and lets go of it", () => {
  const collector = new LiveCollector();
  collector.open(0, 0, nameOf);
  collector.takeDue(T0, COMPLETE);
  collector.note(0, commitOf(0, 9, deltaOf(1, 9)));
  assert.deepEqual(told(collector.close(0, T0 + 1, T0)), [[0, 0, 9, 9]]);
  assert.throws(() => collector.note(0, commitOf(9, 10, null)), /partition 0 is not open/);
  collector.open(0, 9, nameOf);
  assert.deepEqual(collector.close(0, T0 + 2, T0), []);
});

Deno.test("note() throws when a commit does not follow the last one", () => {
  const collector = new LiveCollector();
  collector.open(0, 7, nameOf);
  assert.throws(() => collector.note(0, commitOf(8, 9, null)), /from 8 to 9 does not follow 7/);
  assert.throws(() => collector.note(0, commitOf(7, 6, null)), /from 7 to 6 does not follow 7/);
});

Deno.test("LiveCollector merges what waits when nobody takes it", () => {
  const pendingBytesMax = 10_000;
  const collector = new LiveCollector(undefined, pendingBytesMax);
  collector.open(0, 0, nameOf);
  // The same 50 users again and again: merged, they never need more than one cell.
  for (let i = 0; i < 200; i++) {
    collector.note(0, commitOf(i * 50, (i + 1) * 50, deltaOf(1, 50)));
    assert.ok(collector.pendingBytes <= pendingBytesMax);
  }
  assert.equal(collector.dropped, 0);
  assert.deepEqual(told(collector.takeDue(T0, COMPLETE)), [[0, 0, 10_000, 10_000]]);
});

Deno.test("LiveCollector drops what stays too much when it is merged", () => {
  const pendingBytesMax = 60_000;
  const collector = new LiveCollector(undefined, pendingBytesMax);
  collector.open(0, 0, nameOf);
  // One cell throughout, but each commit has 500 users of its own, 16 bytes each.
  for (let i = 0; i < 8; i++) {
    collector.note(0, commitOf(i * 500, (i + 1) * 500, deltaOf(1, 500, i * 500)));
  }
  assert.deepEqual([collector.dropped, collector.pendingBytes], [8, 0]);
});

Deno.test("LiveCollector drops and counts what can't be merged, and its offsets show it", () => {
  const pendingBytesMax = 10_000;
  const collector = new LiveCollector(undefined, pendingBytesMax);
  collector.open(0, 0, nameOf);
  for (let i = 0; i < 20; i++) {
    collector.note(0, commitOf(i * 50, (i + 1) * 50, deltaOf(i, 50, i * 50)));
    assert.ok(collector.pendingBytes <= pendingBytesMax);
  }
  assert.ok(collector.dropped > 0 && collector.dropped < 20);
  const from = collector.dropped * 50;
  assert.deepEqual(told(collector.takeDue(T0, COMPLETE)), [[0, from, 1000, 1000 - from]]);
});

Deno.test("LiveCollector drops a single commit that is too much, and goes on", () => {
  const collector = new LiveCollector(LIVE_PARTIAL_BYTES_LEAST, 10_000);
  collector.open(0, 0, nameOf);
  collector.note(0, commitOf(0, 10, deltaOf(1, 10)));
  collector.note(0, commitOf(10, 1010, deltaOf(2, 1000)));
  assert.deepEqual([collector.dropped, collector.pendingBytes], [2, 0]);
  assert.deepEqual(told(collector.takeDue(T0, COMPLETE)), [[0, 1010, 1010, 0]]);
  collector.note(0, commitOf(1010, 1011, deltaOf(1)));
  assert.deepEqual(told(collector.takeDue(T0 + 5000, COMPLETE)), [[0, 1010, 1011, 1]]);
});
