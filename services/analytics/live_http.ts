/**
 * `GET /v1/analytics/live`: the last seconds, for the gateway (8080, `analytics.v1`). It turns a
 * query string into a request of live.ts and its answer into JSON, and nothing else. Refusals are
 * thrown as ProblemError, for the server's one error handler.
 */

import { type Context, Hono } from "hono";
import { LIVE_WINDOW_SECONDS_DEFAULT, LIVE_WINDOW_SECONDS_MAX } from "../../lib/config/limits.ts";
import { listParameter, numberParameter } from "../../lib/http/api_parameters.ts";
import { getRoute, parametersOf } from "./get_route.ts";
import { answerLive, type LivePorts } from "./live.ts";
import { LiveSchema } from "./live_json.ts";

/** What the route works with. */
export interface LiveRoutesOptions {
  readonly ports: LivePorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const liveRoute = getRoute({
  path: "/v1/analytics/live",
  id: "getLive",
  tag: "Live",
  summary: "What happened in the last seconds",
  query: {
    window_seconds: numberParameter(
      1,
      LIVE_WINDOW_SECONDS_MAX,
      `${LIVE_WINDOW_SECONDS_DEFAULT} if missing`,
    ),
    event_types: listParameter("Event types to count"),
  },
  answer: LiveSchema,
  example: { query: { window_seconds: "60" } },
});

/** For the OpenAPI document. */
export const LIVE_ROUTES = [liveRoute];

/** `GET /v1/analytics/live`. */
export function liveRoutes({ ports, projectOf }: LiveRoutesOptions): Hono {
  const app = new Hono();
  app.get(liveRoute.path, (context) => {
    const parameters = parametersOf(context, liveRoute.names);
    const answer = answerLive({
      project: projectOf(context),
      windowSeconds: parameters.integer("window_seconds", 1, LIVE_WINDOW_SECONDS_MAX),
      eventTypes: parameters.list("event_types"),
    }, ports);
    return context.json(answer);
  });
  return app;
}
