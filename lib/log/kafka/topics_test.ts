import assert from "node:assert/strict";
import { planTopics } from "./topics.ts";

const layout = {
  topic: "events",
  metricsTopic: "metrics",
  dlqTopic: "letters",
  partitions: 8,
  replication: 1,
  retentionHours: 24,
};

Deno.test("planTopics() gives events and metrics the same partitions, and dead letters one", () => {
  const plans = planTopics(layout);
  assert.deepEqual(
    plans.map(({ name, partitions }) => [name, partitions]),
    [["events", 8], ["metrics", 8], ["letters", 1]],
  );
});

Deno.test("planTopics() keeps events and dead letters as long as asked, metrics two hours", () => {
  const [events, metrics, letters] = planTopics(layout).map(({ config }) => config);
  assert.equal(events["retention.ms"], "86400000");
  assert.equal(letters["retention.ms"], "86400000");
  assert.equal(letters["cleanup.policy"], "compact,delete");
  assert.equal(metrics["retention.ms"], "7200000");
  // A segment that is written to is never deleted.
  assert.ok(Number(metrics["segment.ms"]) < Number(metrics["retention.ms"]));
});

Deno.test("planTopics() asks for two replicas in sync when there are three", () => {
  const inSync = (replication: number) =>
    planTopics({ ...layout, replication }).map(({ config }) => config["min.insync.replicas"]);
  assert.deepEqual(inSync(2), [undefined, undefined, undefined]);
  assert.deepEqual(inSync(3), ["2", "2", "2"]);
});
