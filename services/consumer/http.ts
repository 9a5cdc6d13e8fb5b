/**
 * The consumer port (8082): how the processing of events goes. `/stats` and `/lag` have the members
 * of the contract (section 1).
 */
import type { OperationalOptions } from "../../lib/http/operational_routes.ts";
import {
  createServiceHandler,
  type ServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";

/** Members of `/stats` beside the ones that every role has. */
export interface ConsumerStats {
  readonly consumer: {
    readonly processed_events: number;
    readonly failed_events: number;
    readonly retried_events: number;
    readonly dlq_events: number;
    /** Events per second. */
    readonly processing_rate: number;
    readonly avg_processing_ms: number;
    /** RFC 3339; null = none yet. */
    readonly last_message_time: string | null;
  };
  readonly stream: {
    readonly events_processed: number;
    /** Left out on purpose: duplicates. */
    readonly events_filtered: number;
    readonly events_error: number;
    readonly avg_latency_ms: number;
    readonly throughput_per_sec: number;
  };
}

export interface ConsumerHandlerOptions extends ServiceHandlerOptions {
  readonly operational: Omit<OperationalOptions, "stats" | "lag">;
  readonly stats: () => ConsumerStats;
  /** By topic and partition: offsets that are in the log and not stored yet. */
  readonly lag: () => Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The handler of the consumer port, for listen(). */
export function createConsumerHandler(options: ConsumerHandlerOptions): ServiceHandler {
  const { stats, lag, ...common } = options;
  const operational = { ...common.operational, stats: () => ({ ...stats() }), lag };
  return createServiceHandler({ ...common, operational });
}
