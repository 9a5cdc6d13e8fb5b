/**
 * A batch of events over gRPC (IngestEvents): up to 1,000 in one call, a verdict for each.
 *
 *     deno run -A examples/grpc_batch.ts
 */
import { GrpcAnalyticsClient } from "../lib/client/grpc.ts";
import { customEvent, type TypedEvent } from "../lib/client/mod.ts";

using client = new GrpcAnalyticsClient({
  address: Deno.env.get("RTA_GRPC_ADDRESS") ?? "127.0.0.1:50051",
  apiKey: Deno.env.get("RTA_API_KEY"),
  gzip: true,
});

const events: TypedEvent[] = Array.from(
  { length: 500 },
  (_, i) => customEvent({ user_id: `user-${i % 20}` }, { name: i === 250 ? "" : "level_done" }),
);

const outcomes = await client.trackBatch(events);
const refused = outcomes.filter(({ error }) => error !== null);
console.log(`stored ${outcomes.length - refused.length}`);
for (const { id, error } of refused) console.log(`refused ${id}: ${error}`);
