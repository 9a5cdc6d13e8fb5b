/**
 * Puts the handler of one role together: the routes that every role has, its own, and what all
 * answers have in common.
 */
import type { Hono } from "hono";
import type { Admission } from "./admission.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CrossOrigin } from "./cross_origin.ts";
import { createApp, createHandler, type DirectRoute, type Handler } from "./app.ts";
import { type OperationalOptions, operationalRoutes } from "./operational_routes.ts";

export interface ServiceHandlerOptions {
  readonly operational: OperationalOptions;
  readonly logger: Logger;
  /** Who may ask what; everybody everything when missing. */
  readonly admission?: Admission;
  /** What pages of other origins may; see createHandler. */
  readonly crossOrigin?: CrossOrigin;
  /** Routers with whole paths, mounted at the root. They throw ProblemError for refusals. */
  // deno-lint-ignore no-explicit-any -- routers bring environments of their own
  readonly routes?: readonly Hono<any>[];
  /** See createHandler. */
  readonly direct?: Readonly<Record<string, DirectRoute>>;
}

/** A handler that tells what it answers. */
export interface ServiceHandler extends Handler {
  /** `GET /v1/analytics/users/:user_id`, as the router has it; what is passed on is not listed. */
  readonly routes: readonly string[];
}

/** The handler of a role, for listen(). */
export function createServiceHandler(options: ServiceHandlerOptions): ServiceHandler {
  const { operational, logger, admission, crossOrigin, direct } = options;
  const { service, metrics } = operational;
  const app = createApp();
  app.route("/", operationalRoutes(operational));
  for (const routes of options.routes ?? []) app.route("/", routes);
  const log = logger.child({ service });
  const handler = createHandler({
    service,
    app,
    direct,
    admission,
    crossOrigin,
    logger: log,
    metrics,
  });
  const routed = app.routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
  return Object.assign(handler, { routes: [...Object.keys(direct ?? {}), ...routed] });
}
