/** The gRPC services of a process: those of its roles. */
import type { Role } from "../lib/config/config.ts";
import type { GrpcService } from "../lib/grpc/grpc_server.ts";
import { healthMethod, legacyHealthMethod } from "../lib/grpc/health_method.ts";
import type { HealthReport } from "../lib/http/operational_routes.ts";
import type { Metrics } from "../lib/telemetry/metrics.ts";
import type { AnalyticsPorts } from "./analytics/answer_query.ts";
import { analyticsGrpcService } from "./analytics/grpc.ts";
import { legacyAnalyticsGrpcService } from "./analytics/legacy_grpc.ts";
import type { LiveStreams } from "./analytics/live_streams.ts";
import type { ConsumerState } from "./consumer/consumer_state.ts";
import { consumerGrpcService } from "./consumer/grpc.ts";
import type { EventAcceptor } from "./ingestion/accept_events.ts";
import { ingestionGrpcService } from "./ingestion/grpc.ts";
import { producerGrpcService } from "./ingestion/producer_grpc.ts";
import { metricsGrpcService } from "./metrics/grpc.ts";
import type { MetricHistory } from "./metrics/metric_history.ts";

/** What the services of the roles work with; null = the process has no such role. */
export interface GrpcServiceParts {
  readonly roles: ReadonlySet<Role>;
  readonly acceptor: EventAcceptor | null;
  readonly consumer: ConsumerState | null;
  readonly questions: { readonly ports: AnalyticsPorts; readonly streams: LiveStreams } | null;
  readonly metrics: Metrics;
  readonly history: MetricHistory;
  readonly health: (role: Role) => HealthReport;
}

/** All services of the roles. */
export function grpcServices(parts: GrpcServiceParts): GrpcService[] {
  const { roles, acceptor, consumer, questions, metrics, history, health } = parts;
  const v1Health = (role: Role) => healthMethod(role, () => health(role));
  const legacyHealth = (role: Role) => legacyHealthMethod(() => health(role));
  const services: GrpcService[] = [];
  if (roles.has("ingestion") && acceptor !== null) {
    // The name of this process in answers.
    const node = `${Deno.hostname()}:${Deno.pid}`;
    services.push(
      ingestionGrpcService({ acceptor, node, health: v1Health("ingestion") }),
      producerGrpcService({ acceptor, health: legacyHealth("ingestion") }),
    );
  }
  if (consumer !== null) {
    const stats = () => consumer.stats();
    services.push(consumerGrpcService({ stats, health: legacyHealth("consumer") }));
  }
  if (questions !== null) {
    services.push(
      analyticsGrpcService({ ...questions, health: v1Health("analytics") }),
      legacyAnalyticsGrpcService({ ...questions, health: legacyHealth("analytics") }),
    );
  }
  if (roles.has("metrics")) {
    services.push(metricsGrpcService({ metrics, history, health: v1Health("metrics") }));
  }
  return services;
}
