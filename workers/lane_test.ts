import assert from "node:assert/strict";
import { COMMIT_PAUSE_FACTOR, COMMIT_PAUSE_MS_MIN } from "../lib/config/limits.ts";
import type { EventLogReader, LogRecord } from "../lib/log/event_log.ts";
import { newApplyCounts } from "../lib/process/apply_record.ts";
import type { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { decodeProgress } from "../lib/process/progress_frame.ts";
import { Lane } from "./lane.ts";
import type { Suspect } from "./protocol.ts";
import { SetAside } from "./set_aside.ts";

const T0 = 1_700_000_000_000;
const LONG_MS = 500;

/** A lane over a processor and a reader whose numbers the test sets. */
function scene(suspect: Suspect | null = null) {
  const processor = {
    partition: 3,
    nextOffset: 100,
    storedOffset: 90,
    evicted: 0,
    watermarkMs: T0,
    lastReceivedAtMs: T0,
    pendingSinceMs: T0,
    counts: newApplyCounts(),
    takeCounts() {
      const counts = this.counts;
      this.counts = newApplyCounts();
      return counts;
    },
    series: {
      entry: (id: number) => id === 0 ? { types: [] } : { project: { name: "p" }, type: `t${id}` },
    },
  };
  const reader = { end: 100, highWater: () => reader.end };
  const sink = { put: () => Promise.resolve(), close: () => Promise.resolve() };
  const aside = new SetAside({ sink, topic: "events", now: () => T0, warn: () => {} });
  const lane = new Lane(processor as unknown as PartitionProcessor, suspect, aside);
  const log = reader as unknown as EventLogReader;
  const tell = (nowMs: number) => {
    const frame = lane.progress(log, nowMs);
    if (frame === null) return null;
    lane.reported(log, nowMs);
    return decodeProgress(frame);
  };
  return { lane, processor, reader, log, aside, tell };
}

function recordOf(offset: number, nextOffset: number, events: number): LogRecord {
  const value = new Uint8Array(0);
  return { partition: 3, offset, nextOffset, events, project: "p", receivedAtMs: T0, value };
}

Deno.test("isNearSuspect holds until the suspect place is passed", () => {
  const { lane, processor } = scene({ partition: 3, offset: 120, nextOffset: 130, failures: 1 });
  assert.ok(lane.isNearSuspect);
  processor.nextOffset = 129;
  assert.ok(lane.isNearSuspect);
  processor.nextOffset = 130;
  assert.ok(!lane.isNearSuspect);
  assert.ok(!scene().lane.isNearSuspect);
});

Deno.test("lagEvents() estimates events from offsets by the records that were met", () => {
  const { lane, reader, log } = scene();
  reader.end = 110;
  assert.equal(lane.lagEvents(log), 10);
  for (let n = 0; n < 200; n++) lane.measure(recordOf(n, n + 1, 500));
  assert.ok(Math.abs(lane.lagEvents(log) - 5000) < 1, `${lane.lagEvents(log)}`);
  for (let n = 0; n < 200; n++) lane.measure(recordOf(4 * n, 4 * n + 4, 1));
  assert.ok(Math.abs(lane.lagEvents(log) - 2.5) < 0.1, `${lane.lagEvents(log)}`);
});

Deno.test("lagEvents() never comes to nothing before the end, whatever records say of themselves", () => {
  const { lane, reader, log } = scene();
  for (let n = 0; n < 20_000; n++) lane.measure(recordOf(n, n + 1, 0));
  reader.end = 101;
  assert.ok(lane.lagEvents(log) > 0);
  reader.end = 100;
  assert.equal(lane.lagEvents(log), 0);
});

Deno.test("commitDueInMs() rests after a commit by its duration, up to the interval", () => {
  const { lane } = scene();
  assert.ok(lane.commitDueInMs(T0, LONG_MS) <= 0, "the first one need not wait");
  lane.committed(10, 2, T0);
  assert.equal(lane.commitDueInMs(T0, LONG_MS), 2 * COMMIT_PAUSE_FACTOR);
  lane.committed(10, 0.01, T0);
  assert.equal(lane.commitDueInMs(T0, LONG_MS), COMMIT_PAUSE_MS_MIN);
  lane.committed(10, 10_000, T0);
  assert.equal(lane.commitDueInMs(T0, LONG_MS), LONG_MS);
});

Deno.test("commitDueInMs() is no later than the interval after the oldest event was applied", () => {
  const { lane, processor } = scene();
  lane.committed(10, 10_000, T0);
  processor.pendingSinceMs = T0 - 400;
  assert.equal(lane.commitDueInMs(T0, LONG_MS), 100);
  processor.pendingSinceMs = T0 - 9_000;
  assert.equal(lane.commitDueInMs(T0, LONG_MS), 0);
});

Deno.test("progress() tells counts once, by type and by reason", async () => {
  const { lane, processor, aside, tell } = scene();
  processor.counts.processed = 7;
  processor.counts.duplicates = 2;
  processor.counts.bySeries.push(7, 3, 4);
  processor.counts.rejected.set("invalid_json", 1);
  assert.equal(lane.collect(), 7);
  processor.counts.bySeries.push(0, 5);
  processor.counts.processed = 5;
  assert.equal(lane.collect(), 5);
  aside.add(recordOf(1, 2, 1), 0, new Uint8Array(1), "invalid_json", "");
  await aside.put(() => false);
  const told = tell(T0)!;
  assert.deepEqual([told.processed, told.duplicates], [12, 2]);
  assert.deepEqual(told.types, new Map([["t1", 8], ["t2", 4]]));
  assert.deepEqual(told.refusals, new Map([["invalid_json", 1]]));
  assert.deepEqual(told.deadLetters, new Map([["invalid_json", 1]]));
  assert.deepEqual([told.partition, told.appliedOffset, told.storedOffset], [3, 100, 90]);

  processor.nextOffset = 101;
  const next = tell(T0)!;
  assert.deepEqual([next.processed, next.duplicates, next.appliedOffset], [0, 0, 101]);
  assert.equal(next.types.size + next.refusals.size + next.deadLetters.size, 0);
});

Deno.test("progress() keeps what was not sent for the next time", () => {
  const { lane, processor, log, tell } = scene();
  processor.counts.processed = 3;
  lane.collect();
  lane.committed(3, 1, T0);
  assert.notEqual(lane.progress(log, T0), null);
  // The ring was full: reported() was not called.
  const told = tell(T0)!;
  assert.deepEqual([told.processed, told.committedRows, told.commitMs], [3, 3, 1]);
});

Deno.test("progress() says nothing without news, and a growing lag only now and then", () => {
  const { lane, reader, log, tell } = scene();
  assert.notEqual(tell(T0), null, "the place is news at first");
  assert.equal(lane.progress(log, T0), null);
  reader.end = 150;
  assert.equal(lane.progress(log, T0 + 10), null);
  assert.equal(tell(T0 + 1_000)?.highWater, 150);
  assert.equal(lane.progress(log, T0 + 1_001), null);
  reader.end = 100;
  assert.equal(tell(T0 + 1_002)?.highWater, 100, "that it has caught up is news at once");
});

Deno.test("reportIsDue() holds after a commit at once, else now and then", () => {
  const { lane, tell } = scene();
  tell(T0);
  assert.ok(!lane.reportIsDue(T0 + 1));
  assert.ok(lane.reportIsDue(T0 + 50));
  assert.ok(lane.reportIsDue(T0 - 1_000_000), "a clock that was set back does not silence it");
  lane.committed(1, 0.5, T0);
  assert.ok(lane.reportIsDue(T0 + 1));
});
