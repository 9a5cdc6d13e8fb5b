/**
 * Events and questions over REST. Runs on Deno as it is:
 *
 *     deno run --allow-net --allow-env examples/rest.ts
 */
import { AnalyticsClient, transactionEvent, userEvent } from "../lib/client/mod.ts";

const client = new AnalyticsClient({
  url: Deno.env.get("RTA_URL") ?? "http://127.0.0.1:8080",
  ingestUrl: Deno.env.get("RTA_INGEST_URL") ?? "http://127.0.0.1:8081",
  apiKey: Deno.env.get("RTA_API_KEY"),
});

// One event: the promise resolves when it is on disk.
const { id } = await client.track({
  user_id: "ada",
  event_type: "page_view",
  properties: { page: "/pricing", logged_in: true },
});
console.log(`stored ${id}`);

// Several, each with an outcome of its own: the last one has no user.
const outcomes = await client.trackBatch([
  userEvent({ user_id: "ada" }, { action: "click", page_url: "/pricing" }),
  transactionEvent({ user_id: "ada" }, {
    transaction_id: "o-1001",
    type: "TRANSACTION_TYPE_PURCHASE",
    amount: 19.9,
    currency: "EUR",
  }),
  { user_id: "", event_type: "page_view" },
]);
for (const { error } of outcomes) {
  console.log(error === null ? "stored" : `refused: ${error.code} at ${error.field}`);
}

const summary = await client.summary();
console.log(`${summary.total_events} events of ${summary.unique_users} users in 24 hours`);
for (const [type, count] of Object.entries(summary.events_by_type)) {
  console.log(`  ${type}: ${count}`);
}

const funnel = await client.funnel({
  steps: [{ event_type: "page_view" }, { event_type: "purchase" }],
});
console.log(`bought: ${(100 * funnel.overall_conversion_rate).toFixed(1)} %`);

await client.close();
