import assert from "node:assert/strict";
import { LIVE_TYPES_SHOWN_MAX } from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { LiveAnswer, LiveQuestion } from "../../lib/live/live_window.ts";
import { DISTINCT_ESTIMATE, EXACT } from "../../lib/query/metric.ts";
import { OTHER_TYPES } from "../../lib/query/summary.ts";
import { answerLive, type LiveRequest } from "./live.ts";
import { LiveSchema, LOWER_BOUND } from "./live_json.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");
const REQUEST: LiveRequest = { project: "shop", windowSeconds: null, eventTypes: [] };

const NOTHING_LACKS: LiveAnswer["lack"] = {
  missing: [],
  behind: [],
  gaps: [],
  knownSinceMs: 0,
  projectsLeftOut: false,
};

const ANSWER: LiveAnswer = {
  windowStartMs: Date.parse("2026-03-29T12:33:56Z"),
  nowMs: NOW_MS,
  events: 30,
  eventsPerSecond: 0.5,
  typesWhole: true,
  users: { count: 12, exact: true, fromSecond: 1_774_787_630, whole: true },
  byType: [["view", 20], ["buy", 10]],
  newestPartialMs: NOW_MS - 300,
  partitions: [0, 1],
  completeUntilMs: NOW_MS - 800,
  complete: true,
  lack: NOTHING_LACKS,
};

function ask(request: Partial<LiveRequest> = {}, answer: Partial<LiveAnswer> = {}) {
  const questions: LiveQuestion[] = [];
  const live = {
    answer: (question: LiveQuestion) => {
      questions.push(question);
      return { ...ANSWER, ...answer };
    },
  };
  const json = answerLive({ ...REQUEST, ...request }, { now: () => NOW_MS, live });
  return { json: LiveSchema.parse(json), question: questions[0] };
}

Deno.test("answerLive() gives totals, then types, in proto JSON form", () => {
  const { json, question } = ask();
  assert.deepEqual(question, {
    project: "shop",
    windowSeconds: 60,
    eventTypes: null,
    nowMs: NOW_MS,
  });
  const timestamp = "2026-03-29T12:34:56.489Z";
  assert.deepEqual(json, {
    metrics: [
      { name: "events", value: 30, unit: "events", timestamp, labels: {} },
      { name: "events_per_second", value: 0.5, unit: "events/s", timestamp, labels: {} },
      { name: "active_users", value: 12, unit: "users", timestamp, labels: {} },
      {
        name: "events_by_type",
        value: 20,
        unit: "events",
        timestamp,
        labels: { event_type: "view" },
      },
      {
        name: "events_by_type",
        value: 10,
        unit: "events",
        timestamp,
        labels: { event_type: "buy" },
      },
    ],
    timestamp: "2026-03-29T12:34:56.789Z",
    window_id: "60s-1774787696",
    window_seconds: 60,
    window_start: "2026-03-29T12:33:56Z",
    users_since: "2026-03-29T12:33:50Z",
    complete_until: "2026-03-29T12:34:55.989Z",
    complete: true,
    missing_partitions: [],
    behind_partitions: [],
    gaps: [],
    known_since: "2026-03-29T12:33:56Z",
    accuracy: {
      events: EXACT,
      events_per_second: EXACT,
      active_users: EXACT,
      events_by_type: EXACT,
    },
  });
});

Deno.test("answerLive() says what lacks", () => {
  const lack = {
    ...NOTHING_LACKS,
    missing: [3],
    behind: [1],
    gaps: [{ partition: 0, fromOffset: 10, toOffset: 2 ** 40 }],
    knownSinceMs: NOW_MS - 1_789,
  };
  const { json } = ask({}, { complete: false, lack });
  assert.deepEqual(
    [json.complete, json.missing_partitions, json.behind_partitions, json.known_since],
    [false, [3], [1], "2026-03-29T12:34:55Z"],
  );
  assert.deepEqual(json.gaps, [{ partition: 0, from_offset: "10", to_offset: "1099511627776" }]);
});

Deno.test("answerLive() tells how exact its numbers are", () => {
  const users = (more: Partial<LiveAnswer["users"]>) => ({ ...ANSWER.users, ...more });
  const accuracyOf = (answer: Partial<LiveAnswer>) => {
    const { events, active_users } = ask({}, answer).json.accuracy;
    return [events, active_users];
  };
  assert.deepEqual(accuracyOf({ users: users({ exact: false }) }), [EXACT, DISTINCT_ESTIMATE]);
  assert.deepEqual(accuracyOf({ users: users({ whole: false }) }), [EXACT, LOWER_BOUND]);
  assert.deepEqual(accuracyOf({ typesWhole: false }), [LOWER_BOUND, LOWER_BOUND]);
  const lack = { ...NOTHING_LACKS, projectsLeftOut: true };
  assert.deepEqual(accuracyOf({ lack }), [LOWER_BOUND, LOWER_BOUND]);
});

Deno.test("answerLive() puts the smallest types together when there are too many", () => {
  const types = Array.from({ length: LIVE_TYPES_SHOWN_MAX + 2 }, (_, i) => `type-${i}`);
  const counted = types.map((type, i) => [type, 1000 - i] as const);
  const { json } = ask({}, { byType: [[OTHER_TYPES, 5000], ...counted] });
  const shown = json.metrics.slice(3).map(({ labels, value }) => [labels.event_type, value]);
  assert.equal(shown.length, LIVE_TYPES_SHOWN_MAX + 1);
  assert.deepEqual(shown[0], ["type-0", 1000]);
  assert.deepEqual(shown.at(-1), [OTHER_TYPES, 5000 + 900 + 899]);
});

Deno.test("answerLive() answers before anything was heard of", () => {
  const { json } = ask({}, { newestPartialMs: 0, completeUntilMs: 0, byType: [], complete: false });
  assert.deepEqual(
    [json.metrics[0].timestamp, json.complete_until],
    ["2026-03-29T12:34:56.789Z", "1970-01-01T00:00:00Z"],
  );
});

Deno.test("answerLive() refuses windows and types that it can't answer for", () => {
  const cases: [string, Partial<LiveRequest>][] = [
    ["window_seconds", { windowSeconds: 0 }],
    ["window_seconds", { windowSeconds: 3601 }],
    ["event_types", { eventTypes: ["EVENT_TYPE_USER"] }],
    ["event_types", { eventTypes: Array.from({ length: 101 }, (_, i) => `type-${i}`) }],
  ];
  for (const [field, request] of cases) {
    assert.throws(() => ask(request), (error: unknown) => {
      assert.ok(error instanceof ProblemError);
      assert.deepEqual([error.code, error.options.field], ["invalid_parameter", field]);
      return true;
    });
  }
});
