import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { decodeLivePartial } from "../../lib/live/live_partial.ts";
import { LiveCollector } from "../../lib/live/live_collector.ts";
import { LiveWindow } from "../../lib/live/live_window.ts";
import { RollupDelta } from "../../lib/rollup/rollup_delta.ts";
import { LiveSchema } from "./live_json.ts";
import { liveRoutes } from "./live_http.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");

/** The route over what one shard's collector publishes: 3 views and 1 purchase of 2 users. */
function openRoute() {
  const delta = new RollupDelta();
  for (const [series, user] of [[0, 1], [0, 1], [0, 2], [1, 2]]) {
    delta.cellAt(series, NOW_MS).add(NOW_MS, user, user, user, user, NaN);
  }
  const collector = new LiveCollector();
  collector.open(0, 0, (series) => ({ project: "shop", type: ["view", "buy"][series] }));
  const times = { firstReceivedAtMs: NOW_MS - 900, lastReceivedAtMs: NOW_MS - 800 };
  collector.note(0, { fromOffset: 0, toOffset: 4, delta: delta.encode(), ...times });
  const live = new LiveWindow(1);
  for (const { bytes } of collector.takeDue(NOW_MS, () => NOW_MS)) {
    live.add(decodeLivePartial(bytes), NOW_MS);
  }
  const app = liveRoutes({ ports: { now: () => NOW_MS, live }, projectOf: () => "shop" });
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    return context.json({ code: error.code, field: error.options.field }, 400);
  });
  return app;
}

async function get(path: string) {
  const response = await openRoute().request(path);
  assert.equal(response.status, 200);
  const { metrics, ...rest } = LiveSchema.parse(await response.json());
  return { rest, metrics: metrics.map(({ name, value, labels }) => [name, value, labels]) };
}

Deno.test("GET /v1/analytics/live answers what was published in the last minute", async () => {
  const { metrics, rest } = await get("/v1/analytics/live");
  assert.deepEqual(metrics, [
    ["events", 4, {}],
    ["events_per_second", 4 / 60.789, {}],
    ["active_users", 2, {}],
    ["events_by_type", 3, { event_type: "view" }],
    ["events_by_type", 1, { event_type: "buy" }],
  ]);
  assert.deepEqual([rest.window_seconds, rest.complete], [60, true]);
});

Deno.test("GET /v1/analytics/live reads its parameters under both spellings", async () => {
  const proto = await get("/v1/analytics/live?window_seconds=10&event_types=view&event_types=none");
  const camel = await get("/v1/analytics/live?windowSeconds=10&eventTypes=view,none");
  assert.deepEqual(camel, proto);
  assert.deepEqual(proto.metrics.slice(0, 3), [
    ["events", 3, {}],
    ["events_per_second", 3 / 10.789, {}],
    ["active_users", 2, {}],
  ]);
  assert.deepEqual(proto.rest.window_seconds, 10);
});

Deno.test("GET /v1/analytics/live refuses a bad parameter by its name", async () => {
  const cases = [
    ["window_seconds=0", "window_seconds"],
    ["window_seconds=3601", "window_seconds"],
    ["window_seconds=1.5", "window_seconds"],
    ["event_types=EVENT_TYPE_USER", "event_types"],
    ["window=60", "window"],
    ["filters%5Bcountry%5D=DE", "filters"],
  ];
  for (const [query, field] of cases) {
    const response = await openRoute().request(`/v1/analytics/live?${query}`);
    assert.deepEqual([response.status, await response.json()], [
      400,
      { code: "invalid_parameter", field },
    ], query);
  }
});

Deno.test("docs/REST_API.md shows a live answer of the real shape", async () => {
  const document = await Deno.readTextFile(new URL("../../docs/REST_API.md", import.meta.url));
  const section = document.split(/^### /m).find((part) =>
    part.startsWith("`GET /v1/analytics/live")
  );
  const sample = /```json\n([\s\S]*?)```/.exec(section ?? "")?.[1];
  const { metrics } = LiveSchema.parse(JSON.parse(sample ?? "null"));
  assert.ok(metrics.length > 3);
});
