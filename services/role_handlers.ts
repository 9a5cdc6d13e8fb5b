/** The handler of each role's port, put together from the parts of the process. */
import type { Config, Role } from "../lib/config/config.ts";
import { openTlsClient } from "../lib/http/client_tls.ts";
import { CrossOrigin } from "../lib/http/cross_origin.ts";
import type { HealthReport, OperationalOptions } from "../lib/http/operational_routes.ts";
import type { BodyReader } from "../lib/http/read_body.ts";
import { createServiceHandler, type ServiceHandler } from "../lib/http/service_handler.ts";
import type { LiveWindow } from "../lib/live/live_window.ts";
import type { OpenApiDocument } from "../lib/openapi/openapi_document.ts";
import type { Logger } from "../lib/telemetry/logger.ts";
import type { Metrics } from "../lib/telemetry/metrics.ts";
import type { AccessDesk } from "./access/access_desk.ts";
import type { AnalyticsPorts } from "./analytics/answer_query.ts";
import { breakdownRoutes } from "./analytics/breakdown_http.ts";
import type { ExportDesk } from "./analytics/export_desk.ts";
import { funnelRoutes } from "./analytics/funnel_http.ts";
import { analyticsRoutes, legacyAnalyticsRoutes } from "./analytics/http.ts";
import { liveRoutes } from "./analytics/live_http.ts";
import { liveStreamRoutes } from "./analytics/live_stream_http.ts";
import type { LiveStreams } from "./analytics/live_streams.ts";
import { pathsRoutes } from "./analytics/paths_http.ts";
import { retentionRoutes } from "./analytics/retention_http.ts";
import type { ConsumerState } from "./consumer/consumer_state.ts";
import { createConsumerHandler } from "./consumer/http.ts";
import type { DeadLetters } from "./dead_letters/dead_letters.ts";
import { deadLetterRoutes } from "./dead_letters/http.ts";
import { forwardRoutes } from "./gateway/forward.ts";
import { createGatewayHandler } from "./gateway/http.ts";
import { referenceRoutes } from "./gateway/reference_http.ts";
import type { EventAcceptor } from "./ingestion/accept_events.ts";
import { createIngestionHandler } from "./ingestion/http.ts";
import { v1IngestRoutes } from "./ingestion/v1_http.ts";
import { createMetricsHandler, metricsRoutes } from "./metrics/http.ts";
import type { MetricHistory } from "./metrics/metric_history.ts";

/** What handlers are made of; each is there where the roles of the process need it. */
export interface RoleParts {
  readonly config: Pick<Config, "roles" | "analyticsUrl" | "analyticsTls" | "corsOrigins">;
  readonly logger: Logger;
  readonly access: Pick<AccessDesk, "door" | "routes">;
  readonly bodies: BodyReader;
  readonly metrics: Metrics;
  readonly history: MetricHistory;
  readonly acceptor: EventAcceptor | null;
  readonly consumer: ConsumerState | null;
  readonly letters: DeadLetters | null;
  readonly exports: Pick<ExportDesk, "routes"> | null;
  readonly live: LiveWindow;
  readonly streams: LiveStreams;
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal;
  health(role: Role): HealthReport;
  operational(role: Role): OperationalOptions;
  analyticsPorts(): AnalyticsPorts;
  apiDocument(): OpenApiDocument;
}

/** The handler of a role's port, for listen(). */
export function roleHandler(role: Role, parts: RoleParts): ServiceHandler {
  const { logger, bodies, history, metrics, consumer } = parts;
  const { door } = parts.access;
  const { projectOf, quotaOf } = door;
  const crossOrigin = new CrossOrigin(parts.config.corsOrigins);
  const common = { operational: parts.operational(role), logger, admission: door, crossOrigin };
  const ingest = { acceptor: parts.acceptor!, bodies, projectOf, quotaOf };
  switch (role) {
    case "ingestion":
      return createIngestionHandler({ ...ingest, ...common });
    case "gateway":
      return createGatewayHandler({
        ...common,
        serviceHealth: {
          events: () => parts.health("ingestion"),
          analytics: () => parts.health("analytics"),
          metrics: () => parts.health("metrics"),
        },
        routes: [
          v1IngestRoutes({ ...ingest, node: `${Deno.hostname()}:${Deno.pid}` }),
          ...questionRoutes(parts),
          metricsRoutes(metrics, history),
          referenceRoutes(parts.apiDocument),
        ],
      });
    case "consumer":
      return createConsumerHandler({
        ...common,
        stats: () => consumer!.stats(),
        lag: () => consumer!.lag(),
      });
    case "analytics":
      return createServiceHandler({
        ...common,
        routes: [
          legacyAnalyticsRoutes({ ports: parts.analyticsPorts(), projectOf }),
          ...questionRoutes(parts),
        ],
      });
    case "metrics":
      return createMetricsHandler({ ...common, history });
  }
}

/** What the role analytics answers: here, or in the process that has it. */
function questionRoutes(parts: RoleParts) {
  const { config, bodies, access, live, streams } = parts;
  const { projectOf, whileGood, socketClosed } = access.door;
  const keyRoutes = access.routes(bodies);
  if (!config.roles.has("analytics")) {
    const client = openTlsClient(config.analyticsTls);
    return [forwardRoutes({ origin: config.analyticsUrl!, client }, parts.stopping), keyRoutes];
  }
  const ports = parts.analyticsPorts();
  return [
    liveRoutes({ ports: { now: Date.now, live }, projectOf }),
    liveStreamRoutes({ streams, projectOf, whileGood, socketClosed }),
    analyticsRoutes({ ports, projectOf }),
    breakdownRoutes({ ports, bodies, projectOf }),
    pathsRoutes({ ports, bodies, projectOf }),
    retentionRoutes({ ports, bodies, projectOf }),
    funnelRoutes({ ports, bodies, projectOf }),
    deadLetterRoutes({ deadLetters: parts.letters!, bodies, projectOf }),
    keyRoutes,
    ...parts.exports!.routes,
  ];
}
