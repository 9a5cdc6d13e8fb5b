/** The gateway's handler over an AnswerScene: the questions that users ask, with or without a socket. */
import type { Handler } from "../../lib/http/app.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { breakdownRoutes } from "../../services/analytics/breakdown_http.ts";
import { funnelRoutes } from "../../services/analytics/funnel_http.ts";
import { analyticsRoutes } from "../../services/analytics/http.ts";
import { pathsRoutes } from "../../services/analytics/paths_http.ts";
import { retentionRoutes } from "../../services/analytics/retention_http.ts";
import { createGatewayHandler } from "../../services/gateway/http.ts";
import type { AnswerScene } from "./answer_scene.ts";

/** The handler; each request is about the project that is told then. */
export function sceneHandler(scene: AnswerScene, projectOf: () => string): Handler {
  const { ports } = scene;
  const health = () => ({ status: "healthy", logStatus: "healthy" }) as const;
  return createGatewayHandler({
    operational: {
      service: "gateway",
      metrics: createMetrics(0, ports.now),
      startedAtMs: 0,
      health,
      ready: () => ({ ready: true }),
      now: ports.now,
    },
    logger: createLogger("silent"),
    serviceHealth: { events: health, analytics: health, metrics: health },
    routes: [
      analyticsRoutes({ ports, projectOf }),
      breakdownRoutes({ ports, bodies: new BodyReader(), projectOf }),
      pathsRoutes({ ports, bodies: new BodyReader(), projectOf }),
      retentionRoutes({ ports, bodies: new BodyReader(), projectOf }),
      funnelRoutes({ ports, bodies: new BodyReader(), projectOf }),
    ],
  });
}
