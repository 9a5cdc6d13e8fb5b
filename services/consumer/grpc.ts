/** ConsumerService of the older generation on gRPC. */
import type { UnaryHandler } from "../../lib/grpc/call.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import type { ConsumerStats } from "./http.ts";

export interface ConsumerGrpcOptions {
  readonly stats: () => ConsumerStats;
  /** Answers GetConsumerHealth. */
  readonly health: UnaryHandler<unknown, unknown>;
}

/** The service, to be added to a server. */
export function consumerGrpcService({ stats, health }: ConsumerGrpcOptions): GrpcService {
  return {
    name: "analytics.ConsumerService",
    role: "consumer",
    methods: {
      GetConsumerHealth: { unary: health },
      GetConsumerStats: {
        unary: () => {
          const { processed_events, failed_events, processing_rate, last_message_time } =
            stats().consumer;
          return Promise.resolve({
            processed_events,
            failed_events,
            events_per_second: processing_rate,
            last_processed: last_message_time === null
              ? 0
              : Math.floor(Date.parse(last_message_time) / 1_000),
          });
        },
      },
    },
  };
}
