/**
 * A stream of events over gRPC (StreamEvents): send() waits while the platform is behind, and what
 * was not answered is sent again when the connection breaks.
 *
 *     deno run -A examples/grpc_stream.ts
 */
import { GrpcAnalyticsClient } from "../lib/client/grpc.ts";
import { systemEvent } from "../lib/client/mod.ts";

using client = new GrpcAnalyticsClient({
  address: Deno.env.get("RTA_GRPC_ADDRESS") ?? "127.0.0.1:50051",
  apiKey: Deno.env.get("RTA_API_KEY"),
  onRetry: ({ code }, waitMs) => console.error(`${code}: again in ${waitMs} ms`),
});

const stream = client.stream({ batchSize: 200, flushIntervalMs: 20 });
for (let i = 0; i < 2_000; i++) {
  const { stored } = await stream.send(systemEvent({ user_id: `host-${i % 8}` }, {
    type: "SYSTEM_EVENT_TYPE_METRIC",
    component: "disk",
    metrics: { disk_usage: i / 2_000 },
  }));
  stored.catch((error) => console.error(`event ${i}: ${error}`));
}
const { stored, refused } = await stream.close();
console.log(`stored ${stored}, refused ${refused}`);
