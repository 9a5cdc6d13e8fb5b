/**
 * Live streams where processes share a topic's partitions: through a gateway of its own, all events
 * are counted by what the processes publish, and a stream that needs the events themselves names the
 * partitions that it can't see.
 */
import assert from "node:assert/strict";
import { waitUntil } from "../support/deadline.ts";
import { BUSY_MS_MAX, getJson, kafkaPlace, sendLines } from "../support/kafka_platform.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { LiveClient, metricOf } from "../support/live_client.ts";
import { startServer } from "../support/server.ts";

const kafka = await sharedKafka();
const PARTITIONS = 4;
const EVENTS = 300;

function linesOf(prefix: string): string[] {
  return Array.from({ length: EVENTS }, (_, index) => {
    const event = { id: `${prefix}${index}`, user_id: `u${index}`, event_type: "click" };
    return JSON.stringify({ ...event, properties: { page: "/" } });
  });
}

/** Where processes that share partitions keep what they store. */
function sharedFolder() {
  const path = Deno.makeTempDirSync({ prefix: "rta-live-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test(
  kafka.test("GET /v1/live counts what several processes process, and says what it lacks", async () => {
    const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
    using folder = sharedFolder();
    const start = (roles: string, more: Record<string, string> = {}) =>
      startServer({ roles, dataFolder: folder.path, env: { ...place.env, ...more } });
    await using first = await start("ingestion,consumer,analytics");
    const owned = async (url: string) => (await getJson(`${url}/health`)).partitions.length;
    const waitForOwned = (url: string, partitions: number) =>
      waitUntil(async () => await owned(url) === partitions, {
        what: `${partitions} partitions at ${url}`,
        deadlineMs: BUSY_MS_MAX,
      });
    await waitForOwned(first.urls.consumer, PARTITIONS);
    const RTA_ANALYTICS_URL = first.urls.analytics;
    await using gateway = await start("gateway", { RTA_ANALYTICS_URL });
    const all = `${gateway.urls.gateway}/v1/live?window_seconds=3600`;
    const filtered = `${all}&filters[page]=/`;

    // One process has all of them: everything is seen.
    await using alone = await LiveClient.openSocket(filtered);
    await alone.waitFor("a whole window", ({ data }) => data.missing_partitions.length === 0);
    await using before = await LiveClient.open(all);
    await sendLines(first.urls.ingestion, linesOf("a"));
    await alone.waitFor("the first events", (each) => metricOf(each, "events") === EVENTS);

    await using second = await start("consumer,analytics");
    await waitForOwned(second.urls.consumer, PARTITIONS / 2);
    await waitForOwned(first.urls.consumer, PARTITIONS / 2);
    await using shared = await LiveClient.open(all);
    await using half = await LiveClient.open(`${filtered}&top=page`);
    await shared.waitFor("the first window", () => true);
    await half.waitFor("the first window", () => true);
    await sendLines(first.urls.ingestion, linesOf("b"));
    const { data } = await shared.waitFor(
      "all events",
      (each) => metricOf(each, "events") === 2 * EVENTS,
    );
    assert.deepEqual([data.missing_partitions, data.gaps], [[], []]);
    // Also one that was opened while there was one process.
    await before.waitFor("all events", (each) => metricOf(each, "events") === 2 * EVENTS);
    const seen = await half.waitFor("its events", (each) => metricOf(each, "events") > 0);
    assert.equal(seen.data.missing_partitions.length, PARTITIONS / 2);
    assert.equal(seen.data.complete, false);
  }),
);
