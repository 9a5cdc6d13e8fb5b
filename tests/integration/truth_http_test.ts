/**
 * The truth suite once more in the small, over HTTP: sets of events are sent to a real server, which
 * is asked every kind of question. The large one is tests/contract/truth_test.ts.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { startServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";
import { httpAsker } from "../support/truth_case.ts";
import { TRUTH_CASES } from "../support/truth_cases.ts";
import { bodyOf, storedEvents, truthSets } from "../support/truth_events.ts";

const SETS = 2;
const QUESTIONS = 4;
/** Small sets are much the same as none. */
const eventsMin = 40;

Deno.test("a server answers every kind of question as the oracle does", async () => {
  const sets = fc.tuple(
    truthSets.filter((batches) => storedEvents(batches, 0).length >= eventsMin),
    fc.tuple(...TRUTH_CASES.map(({ questions }) => {
      return fc.array(questions, { minLength: QUESTIONS, maxLength: QUESTIONS });
    })),
  );
  // Each set has a server of its own, so a failure is told as it is, without smaller ones.
  await fc.assert(
    fc.asyncProperty(sets, async ([batches, questions]) => {
      await using server = await startServer({ env: { RTA_PARTITIONS: "4" } });
      for (const batch of batches) {
        const response = await fetch(`${server.urls.ingestion}/events/batch`, {
          method: "POST",
          headers: { "content-type": "application/x-ndjson" },
          body: bodyOf(batch),
        });
        assert.equal((await response.json()).processed_count, batch.events.length);
      }
      await waitUntilCounted(server.urls.gateway);
      // All requests come within the time in which duplicates are known.
      const atOnce = batches.map(({ events }) => ({ waitMs: 0, events }));
      const events = storedEvents(atOnce, Date.now());
      const ask = httpAsker(server.urls.gateway);
      for (const [index, truth] of TRUTH_CASES.entries()) {
        for (const question of questions[index]) await truth.hold(question, events, ask);
      }
    }),
    { numRuns: SETS, endOnFailure: true },
  );
});
