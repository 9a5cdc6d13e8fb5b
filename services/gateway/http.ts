/**
 * The gateway port (8080): the JSON form of `analytics.v1`. The routes themselves come from the
 * services they belong to (ingestion, analytics, metrics) and are mounted here by main.
 */
import type { HealthReport } from "../../lib/http/operational_routes.ts";
import {
  createServiceHandler,
  type ServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";
import { V1_HEALTH_ROUTES, v1HealthRoute } from "../../lib/http/v1_health.ts";

export interface GatewayHandlerOptions extends ServiceHandlerOptions {
  /** How the services behind the gateway are, for their `/v1/.../health`. */
  readonly serviceHealth: {
    readonly events: () => HealthReport;
    readonly analytics: () => HealthReport;
    readonly metrics: () => HealthReport;
  };
}

/** The handler of the gateway port, for listen(). */
export function createGatewayHandler(options: GatewayHandlerOptions): ServiceHandler {
  const { now } = options.operational;
  const { events, analytics, metrics } = options.serviceHealth;
  const healthRoutes = [
    { route: V1_HEALTH_ROUTES.events, name: "ingestion", health: events, now },
    { route: V1_HEALTH_ROUTES.analytics, name: "analytics", health: analytics, now },
    { route: V1_HEALTH_ROUTES.metrics, name: "metrics", health: metrics, now },
  ].map(v1HealthRoute);
  return createServiceHandler({
    ...options,
    routes: [...healthRoutes, ...options.routes ?? []],
  });
}
