/**
 * Projects never see each other: two of them on one real server, with the same ids of events, users
 * and sessions, try every way to what the other has.
 */
import assert from "node:assert/strict";
import { waitUntil } from "../support/deadline.ts";
import { grpcPortOf, TestGrpcClient } from "../support/grpc_client.ts";
import { makeKeys, withDataFolder } from "../support/key_scene.ts";
import { LiveClient } from "../support/live_client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const POISON = "poisonous";
const NAMES = ["alpha", "beta"] as const;
type Name = typeof NAMES[number];
// deno-lint-ignore no-explicit-any -- answers of the API
type Json = any;

/** What each project has: alpha 3 events of 2 users, beta 5 of 4; one user and one id in both. */
const EVENTS: Record<Name, Json[]> = {
  alpha: [
    { id: "same", user_id: "ada", event_type: "alpha_view", properties: { plan: "alpha-plan" } },
    { id: "a-2", user_id: "ada", event_type: "alpha_buy", amount: 3 },
    { id: "a-3", user_id: "alpha-only", event_type: "alpha_view" },
  ],
  beta: [
    { id: "same", user_id: "ada", event_type: "beta_view", properties: { plan: "beta-plan" } },
    ...["b-2", "b-3", "b-4"].map((id) => (
      { id, user_id: `beta-${id}`, event_type: "beta_view", properties: { plan: "beta-plan" } }
    )),
    { id: "b-5", user_id: "ada", event_type: "beta_buy" },
  ],
};
const COUNTS: Record<Name, { events: number; users: number }> = {
  alpha: { events: 3, users: 2 },
  beta: { events: 5, users: 4 },
};
const otherOf = (name: Name): Name => name === "alpha" ? "beta" : "alpha";

interface Asked {
  readonly status: number;
  readonly text: string;
  readonly json: Json;
}

class Caller {
  constructor(readonly server: TestServer, readonly key: string) {}

  async ask(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Asked> {
    const isIngest = path.startsWith("/events");
    const { gateway, ingestion } = this.server.urls;
    const response = await fetch(`${isIngest ? ingestion : gateway}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", "x-api-key": this.key, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, text, json: isJson ? JSON.parse(text.split("\n")[0]) : null };
  }

  async total(): Promise<number> {
    return Number((await this.ask("/v1/analytics/summary")).json.total_events);
  }
}

async function withProjects(
  use: (callers: Record<Name, Caller>, server: TestServer) => Promise<void>,
): Promise<void> {
  await withDataFolder(async (dataFolder) => {
    const keys = await makeKeys(dataFolder, {
      alpha: { project: "alpha" },
      beta: { project: "beta" },
    });
    await using server = await startServer({
      dataFolder,
      env: { RTA_AUTH: "required", RTA_FAULT: `shard-poison@${POISON}` },
    });
    const callers = {
      alpha: new Caller(server, keys.alpha),
      beta: new Caller(server, keys.beta),
    };
    for (const name of NAMES) {
      const sent = await callers[name].ask("/events/batch", { events: EVENTS[name] });
      assert.equal(sent.json.processed_count, EVENTS[name].length, sent.text);
    }
    for (const name of NAMES) {
      await waitUntil(async () => await callers[name].total() === COUNTS[name].events, {
        what: `all events of ${name}`,
      });
    }
    // A user's page and rows are asked for as well.
    await waitUntil(async () => {
      const { lag } = await (await fetch(`${server.urls.consumer}/lag`)).json();
      return Object.values(lag).flatMap((each) => Object.values(each as Json)).every((n) =>
        n === 0
      );
    }, { what: "all events are stored" });
    await use(callers, server);
    assert.equal(await server.stop(), 0);
  });
}

/** Questions whose answers name types, users or values of the project that asks. */
const QUESTIONS: [string, unknown?][] = [
  ["/v1/analytics/summary"],
  ["/v1/analytics/timeseries?metric=events&granularity=HOUR&group_by=event_type"],
  ["/v1/analytics/timeseries?metric=events&granularity=HOUR&group_by=plan"],
  ["/v1/analytics/breakdown?metric=events&group_by=plan"],
  ["/v1/analytics/breakdown?metric=users&group_by=event_type"],
  ["/v1/analytics/live?window_seconds=3600"],
  ["/v1/analytics/users?prefix="],
  ["/v1/analytics/users/ada?include_events=true&include_sessions=true"],
  ["/v1/export"],
  ["/v1/export?format=csv"],
  ["/v1/sql", { sql: "SELECT * FROM events ORDER BY id" }],
  ["/v1/sql", { sql: "SELECT DISTINCT user_id, type FROM events" }],
];

Deno.test("projects: no answer to one names anything of the other, whatever is asked", async () => {
  await withProjects(async (callers) => {
    for (const name of NAMES) {
      const [caller, other] = [callers[name], otherOf(name)];
      const summary = (await caller.ask("/v1/analytics/summary")).json;
      assert.equal(Number(summary.total_events), COUNTS[name].events);
      assert.equal(Number(summary.unique_users), COUNTS[name].users);
      const nameless: string[] = [];
      for (const [path, body] of QUESTIONS) {
        const asked = await caller.ask(path, body);
        assert.equal(asked.status, 200, `${name} ${path}: ${asked.text}`);
        assert.ok(
          !asked.text.includes(other),
          `${name} ${path} ${JSON.stringify(body)}: ${asked.text}`,
        );
        // The live window of now may be empty; live streams have a test of their own.
        if (!asked.text.includes(name) && !path.includes("/live")) nameless.push(path);
      }
      assert.deepEqual(nameless, []);
      const gone = await caller.ask(`/v1/analytics/users/${other}-only`);
      const page = gone.status === 404 ? "0" : gone.json.user_profile?.total_events ?? 0;
      assert.equal(Number(page), 0, gone.text);
      // Funnels and retention tell numbers only.
      const step = (type: string) => ({ name: type, event_type: type });
      const funnel = await caller.ask("/v1/analytics/funnel", {
        steps: [step(`${other}_view`), step(`${other}_buy`)],
      });
      assert.equal(funnel.status, 200, funnel.text);
      assert.deepEqual(funnel.json.steps.map((each: Json) => Number(each.users)), [0, 0]);
      const paths = await caller.ask("/v1/analytics/paths?start=" + `${name}_view`);
      assert.ok(!paths.text.includes(`${other}_`), paths.text);
      const sql = await caller.ask("/v1/sql", { sql: "SELECT count(*) FROM events" });
      assert.deepEqual(Number(sql.json.rows[0][0]), COUNTS[name].events, sql.text);
    }
  });
});

Deno.test("projects: an id of the other is no duplicate, and an own one is", async () => {
  await withProjects(async (callers) => {
    // "same" was stored for both (the totals say so); again it is stored for neither.
    for (const name of NAMES) {
      await callers[name].ask("/events", EVENTS[name][0]);
      await callers[name].ask("/events", { ...EVENTS[name][0], id: `last-${name}` });
      await waitUntil(async () => await callers[name].total() === COUNTS[name].events + 1, {
        what: `the last event of ${name}`,
      });
    }
  });
});

Deno.test("projects: nobody gets into another one by naming it", async () => {
  await withProjects(async (callers, server) => {
    const { alpha } = callers;
    const headers = {
      "x-project": "beta",
      "x-rta-project": "beta",
      "x-forwarded-project": "beta",
      cookie: "project=beta",
    };
    const asked = await alpha.ask("/v1/analytics/summary", undefined, headers);
    assert.equal(Number(asked.json.total_events), COUNTS.alpha.events);
    for (const path of ["/v1/analytics/summary?project=beta", "/v1/export?project=beta"]) {
      const refused = await alpha.ask(path);
      assert.deepEqual([refused.status, refused.json.code], [400, "invalid_parameter"], path);
    }
    const funnel = await alpha.ask("/v1/analytics/funnel", { project: "beta", steps: [] });
    assert.equal(funnel.json.code, "invalid_parameter");
    const body = { id: "x-1", user_id: "u", event_type: "alpha_view", project: "beta" };
    await alpha.ask("/events?project=beta", body, headers);
    await alpha.ask("/events", { ...body, id: "x-2", properties: { project: "beta" } }, headers);
    await waitUntil(async () => await alpha.total() >= COUNTS.alpha.events + 1, {
      what: "an event that names another project",
    });
    assert.equal(await callers.beta.total(), COUNTS.beta.events);
    for (
      const sql of [
        "SELECT * FROM (SELECT * FROM events) WHERE user_id LIKE 'beta%'",
        "SELECT project FROM events",
        "SELECT * FROM main.series",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM information_schema.tables",
        `SELECT * FROM read_text('${server.dataFolder}/keys.json')`,
      ]
    ) {
      const answer = await alpha.ask("/v1/sql", { sql });
      assert.ok(!answer.text.includes("beta-b") && !answer.text.includes("sha256"), answer.text);
    }
  });
});

Deno.test("projects: live streams carry the project's own events only", async () => {
  await withProjects(async (callers, server) => {
    const { gateway } = server.urls;
    const headers = { "x-api-key": callers.alpha.key };
    await using windows = await LiveClient.open(`${gateway}/v1/live?window_seconds=3600`, headers);
    await using tail = await LiveClient.open(`${gateway}/v1/live/events`, headers);
    await waitUntil(() => windows.heard.length > 0, { what: "a live window" });
    // The others' first, so that they would have come before the own one.
    const late = (name: Name) => ({
      id: `late-${name}`,
      user_id: "ada",
      event_type: `${name}_late`,
    });
    await callers.beta.ask("/events", late("beta"));
    await callers.alpha.ask("/events", late("alpha"));
    const text = (client: LiveClient) => JSON.stringify(client.heard.map(({ data }) => data));
    await waitUntil(
      () => text(tail).includes("alpha_late") && text(windows).includes("alpha_late"),
      {
        what: "the own event in both streams",
      },
    );
    for (const client of [windows, tail]) assert.ok(!text(client).includes("beta"), text(client));
  });
});

Deno.test("projects: over gRPC as over REST", async () => {
  await withProjects(async (callers, server) => {
    using questions = await TestGrpcClient.connect(
      "analytics.v1.AnalyticsService",
      grpcPortOf(server, "analytics"),
    );
    using ingest = await TestGrpcClient.connect(
      "analytics.v1.EventIngestionService",
      grpcPortOf(server),
    );
    for (const name of NAMES) {
      const metadata = { "x-api-key": callers[name].key };
      const before = await questions.call("GetAnalyticsSummary", {}, { metadata });
      assert.equal(Number(before.total_events), COUNTS[name].events);
      assert.ok(!JSON.stringify(before).includes(otherOf(name)));
      const page = await questions.call("GetUserAnalytics", {
        user_id: "ada",
        include_events: true,
        include_sessions: true,
      }, { metadata });
      assert.equal(page.events.length, 2);
      await ingest.call("IngestEvent", {
        event: {
          id: "grpc",
          user_id: "ada",
          event_type: "EVENT_TYPE_USER",
          timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
          user_event: { action: `${name}_grpc` },
        },
      }, {
        metadata: { authorization: `Bearer ${callers[name].key}`, "x-project": otherOf(name) },
      });
      await waitUntil(async () => await callers[name].total() === COUNTS[name].events + 1, {
        what: `the event of ${name} over gRPC`,
      });
    }
  });
});

Deno.test("projects: dead letters are shown, replayed and dropped by their own project only", async () => {
  await withProjects(async (callers) => {
    const { alpha, beta } = callers;
    await alpha.ask("/events", { id: "bad-alpha", user_id: "ada", event_type: POISON });
    const letter = await waitUntil(async () => {
      const { status, json } = await alpha.ask("/v1/dead-letters");
      return status === 200 ? json.dead_letters[0] : undefined;
    }, { what: "the dead letter", deadlineMs: 60_000 });
    assert.equal(letter.reason, "poison");
    const listed = await beta.ask("/v1/dead-letters?state=all");
    assert.deepEqual(listed.json.dead_letters, []);
    assert.ok(!listed.text.includes('poison":"1'), listed.text);
    const shown = await beta.ask(`/v1/dead-letters/${letter.id}`);
    assert.deepEqual([shown.status, shown.json.code], [404, "not_found"]);
    const replayed = await beta.ask("/v1/dead-letters/replay", { ids: [letter.id] });
    assert.equal(replayed.json.results[0].verdict, "not_found");
    const dropped = await beta.ask("/v1/dead-letters/drop", { filter: { state: "all" } });
    assert.equal(dropped.json.dropped_count, 0);
    assert.equal((await alpha.ask("/v1/dead-letters")).json.dead_letters.length, 1);
    assert.equal(
      (await alpha.ask("/v1/dead-letters/drop", { ids: [letter.id] })).json.dropped_count,
      1,
    );
  });
});
