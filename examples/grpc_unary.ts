/**
 * One event over gRPC (IngestEvent), with what a refusal looks like. gRPC needs Deno:
 *
 *     deno run -A examples/grpc_unary.ts
 */
import { GrpcAnalyticsClient } from "../lib/client/grpc.ts";
import { ApiError, userEvent } from "../lib/client/mod.ts";

using client = new GrpcAnalyticsClient({
  address: Deno.env.get("RTA_GRPC_ADDRESS") ?? "127.0.0.1:50051",
  apiKey: Deno.env.get("RTA_API_KEY"),
});

console.log(`serving: ${await client.isServing()}`);

const { id } = await client.track(userEvent({ user_id: "ada" }, { action: "sign_up" }));
console.log(`stored ${id}`);

try {
  await client.track(userEvent({ user_id: "ada" }, { action: "" }));
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  console.log(`refused: ${error.code} at ${error.field}`);
}
