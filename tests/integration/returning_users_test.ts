/**
 * Retention, stickiness and paths over a real process: events in by REST, questions to both ports
 * that answer them, held to the oracles of the truth suite; the same again after a restart.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";
import { httpAsker, type TruthCase } from "../support/truth_case.ts";
import { bodyOf, storedEvents, type TruthEvent, truthSets } from "../support/truth_events.ts";
import { pathsCase } from "../support/truth_paths.ts";
import { retentionCase, stickinessCase } from "../support/truth_retention.ts";

const QUESTIONS = 6;
const env = { RTA_PARTITIONS: "4" };

Deno.test("questions about who came back are answered by both ports, also after a restart", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-returning-" });
  try {
    // Sent at once: what comes again soon is a duplicate.
    const batches = fc.sample(truthSets, { numRuns: 8, seed: 11 }).flat()
      .map((batch) => ({ ...batch, waitMs: 0 }));
    const events = storedEvents(batches, Date.now());
    assert.ok(events.length > 150, `${events.length} events`);
    {
      await using server = await startServer({ dataFolder, env });
      for (const batch of batches) await send(server, bodyOf(batch));
      await waitUntilCounted(server.urls.gateway);
      await holdAll(server, events, 1);
      assert.equal(await server.stop(), EXIT_OK);
    }
    await using server = await startServer({ dataFolder, env });
    await waitUntilCounted(server.urls.gateway);
    await holdAll(server, events, 2);
    await refuses(server);
    assert.equal(await server.stop(), EXIT_OK);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});

async function send(server: TestServer, body: string): Promise<void> {
  const response = await fetch(`${server.urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
  });
  assert.equal(response.status, 200, await response.text());
}

async function holdAll(server: TestServer, events: TruthEvent[], seed: number): Promise<void> {
  await hold(retentionCase, server, events, seed);
  await hold(stickinessCase, server, events, seed);
  await hold(pathsCase, server, events, seed);
}

async function hold<Question>(
  truth: TruthCase<Question>,
  { urls }: TestServer,
  events: TruthEvent[],
  seed: number,
): Promise<void> {
  for (const question of fc.sample(truth.questions, { numRuns: QUESTIONS, seed })) {
    const answer = await truth.hold(question, events, httpAsker(urls.gateway));
    assert.deepEqual(await truth.hold(question, events, httpAsker(urls.analytics)), answer);
  }
}

async function refuses({ urls }: TestServer): Promise<void> {
  const ask = httpAsker(urls.gateway);
  const day = 86_400;
  const time_range = { start: 100 * day, end: 161 * day };
  const body = { granularity: "day", time_range };
  const many = await ask({ path: "/v1/analytics/retention", body });
  assert.deepEqual([many.status, many.body.code, many.body.field], [
    400,
    "invalid_parameter",
    "time_range",
  ]);
  const deep = await ask({ path: "/v1/analytics/paths", body: { from: "view", depth: 6 } });
  assert.deepEqual([deep.status, deep.body.field], [400, "depth"]);
}
