import assert from "node:assert/strict";
import type { Progress } from "../../lib/process/progress_frame.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { ConsumerState } from "./consumer_state.ts";

const T0 = 1_700_000_000_000;
const NONE = new Map<string, number>();

/** A frame in which nothing happened: partition 0 at the end of its log. */
function progressOf(changes: Partial<Progress> = {}): Progress {
  return {
    partition: 0,
    processed: 0,
    duplicates: 0,
    evicted: 0,
    highWater: 100,
    appliedOffset: 100,
    storedOffset: 100,
    watermarkMs: T0,
    lastReceivedAtMs: T0 - 5_000,
    commitMs: 0,
    committedRows: 0,
    types: NONE,
    refusals: NONE,
    deadLetters: NONE,
    ...changes,
  };
}

function scene(highWater: (partition: number) => number | null = () => null) {
  const clock = { nowMs: T0 };
  const now = () => clock.nowMs;
  const metrics = createMetrics(T0, now);
  const options = { topic: "events", group: "shards", metrics, highWater, now };
  return { state: new ConsumerState(options), metrics, clock };
}

/** The value of a metric's line; null = there is no such line. */
async function valueOf(
  { metrics }: ReturnType<typeof scene>,
  line: string,
): Promise<number | null> {
  const found = (await metrics.text()).split("\n").find((each) => each.startsWith(`${line} `));
  return found === undefined ? null : Number(found.slice(line.length));
}

const lagLine = (partition: number) =>
  `kafka_consumer_lag_total{topic="events",partition="${partition}",consumer_group="shards"}`;

Deno.test("stats() adds up what shards told", () => {
  const { state, clock } = scene();
  assert.equal(state.stats().consumer.last_message_time, null);
  state.update(progressOf({ processed: 10, duplicates: 3, commitMs: 20, committedRows: 10 }));
  clock.nowMs += 1_000;
  state.update(progressOf({
    partition: 1,
    processed: 30,
    commitMs: 20,
    committedRows: 30,
    refusals: new Map([["invalid_json", 2], ["missing_field", 1]]),
    deadLetters: new Map([["invalid_json", 2], ["poison", 1]]),
  }));
  clock.nowMs += 1_000;
  state.update(progressOf({ duplicates: 1 }));
  const { consumer, stream } = state.stats();
  assert.deepEqual({ ...consumer, processing_rate: 0 }, {
    processed_events: 40,
    failed_events: 3,
    retried_events: 0,
    dlq_events: 3,
    duplicate_events: 4,
    processing_rate: 0,
    avg_processing_ms: 1,
    last_message_time: new Date(T0 + 1_000).toISOString(),
  });
  assert.equal(consumer.processing_rate, 20);
  assert.deepEqual(
    [stream.events_processed, stream.events_filtered, stream.events_error],
    [40, 4, 3],
  );
});

Deno.test("update() counts events, refusals, dead letters and commits in the metrics", async () => {
  const world = scene();
  world.state.update(progressOf({
    processed: 6,
    duplicates: 2,
    commitMs: 10,
    committedRows: 6,
    types: new Map([["click", 4], ["view", 2]]),
    refusals: new Map([["invalid_json", 3]]),
    deadLetters: new Map([["invalid_json", 3]]),
  }));
  const label = (type: string, status: string) =>
    `events_processed_total{service="consumer",event_type="${type}",status="${status}"}`;
  assert.equal(await valueOf(world, label("click", "success")), 4);
  assert.equal(await valueOf(world, label("view", "success")), 2);
  assert.equal(await valueOf(world, label("batch", "duplicate")), 2);
  const refused = `errors_total{service="consumer",error_type="invalid_json"}`;
  assert.equal(await valueOf(world, refused), 3);
  assert.equal(await valueOf(world, `rta_dead_letters_total{reason="invalid_json"}`), 3);
  assert.equal(await valueOf(world, "manual_commits_total"), 1);
});

Deno.test("lag() is what lies between the end of the log and the store, by topic and partition", () => {
  const { state } = scene();
  state.update(progressOf({ partition: 10, highWater: 150, storedOffset: 100 }));
  state.update(progressOf({ partition: 2, highWater: 100, storedOffset: 100 }));
  // The shard may hear of the end later than it stored what it read.
  state.update(progressOf({ partition: 3, highWater: 90, storedOffset: 100 }));
  assert.deepEqual(state.lag(), { events: { 2: 0, 3: 0, 10: 50 } });
  assert.equal(state.totalLag, 50);
});

Deno.test("lag() takes the end of the log from whoever knows it better than the shard", () => {
  const { state } = scene((partition) => partition === 0 ? 130 : null);
  state.update(progressOf());
  state.update(progressOf({ partition: 1 }));
  assert.deepEqual(state.lag(), { events: { 0: 30, 1: 0 } });
});

Deno.test("keep() forgets partitions that run elsewhere now, in the metrics too", async () => {
  const world = scene();
  const { state } = world;
  state.update(progressOf({ highWater: 104, processed: 1 }));
  state.update(progressOf({ partition: 1, highWater: 105 }));
  state.refreshGauges();
  assert.equal(await valueOf(world, lagLine(0)), 4);
  state.keep([1]);
  state.refreshGauges();
  assert.deepEqual(state.lag(), { events: { 1: 5 } });
  assert.equal(await valueOf(world, lagLine(0)), null);
  assert.equal(await valueOf(world, lagLine(1)), 5);
  assert.equal(state.stats().consumer.processed_events, 1, "counters only go up");
});

Deno.test("storedOffsets() says 0 of partitions that were not heard of", () => {
  const { state } = scene();
  state.update(progressOf({ partition: 1, storedOffset: 70 }));
  assert.deepEqual(state.storedOffsets(3), [0, 70, 0]);
});

Deno.test("refreshGauges() tells until when everything is counted", async () => {
  const world = scene();
  const { state, clock } = world;
  const line = "rta_complete_until_seconds";
  state.update(progressOf());
  clock.nowMs += 3_000;
  state.refreshGauges();
  assert.equal(await valueOf(world, line), (T0 + 3_000) / 1000, "caught up: until now");
  state.update(progressOf({ partition: 1, highWater: 200 }));
  state.refreshGauges();
  assert.equal(await valueOf(world, line), (T0 - 5_000) / 1000, "the one furthest behind counts");
});
