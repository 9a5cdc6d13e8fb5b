/**
 * Load of the stream of the case `grpc`, a process of its own: StreamEvents on one connection, as many
 * events under way as flow control lets through, one response for each.
 */
import { GrpcChannel } from "../../lib/grpc/grpc_channel.ts";
import { readOrder, sayResult, sayStarted } from "./bench_process.ts";

/** What the client is to send. */
export interface StreamOrder {
  readonly port: number;
  readonly seconds: number;
}

/** What was answered with success. */
export interface StreamResult {
  readonly events: number;
  readonly seconds: number;
}

const order = readOrder<StreamOrder>();
const place = { host: "127.0.0.1", port: order.port, caCertificate: null };
using channel = await GrpcChannel.connect(place);
const call = channel.open("analytics.v1.EventIngestionService", "StreamEvents");
const seconds = Math.floor(Date.now() / 1_000);
sayStarted({});
const startedMs = performance.now();
let sent = 0;
const sending = (async () => {
  const endMs = startedMs + 1_000 * order.seconds;
  while (performance.now() < endMs) {
    await call.send({
      event: {
        id: `stream-${sent}`,
        user_id: `user-${sent % 1_000}`,
        event_type: "EVENT_TYPE_USER",
        timestamp: { seconds, nanos: 0 },
        user_event: { action: "page_view" },
      },
    });
    sent++;
  }
  call.finish();
})();
let answered = 0;
for await (const { event_response: response } of call) {
  if (!response) continue;
  if (!response.success) throw new Error(`an event was refused: ${response.message}`);
  answered++;
}
await sending;
if (answered !== sent) throw new Error(`${sent} events were sent, ${answered} answered`);
sayResult({ events: answered, seconds: (performance.now() - startedMs) / 1_000 });
