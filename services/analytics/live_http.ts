/**
 * `GET /v1/analytics/live`: the last seconds, for the gateway (8080, `analytics.v1`). It turns a
 * query string into a request of live.ts and its answer into JSON, and nothing else. Refusals are
 * thrown as ProblemError, for the server's one error handler.
 */

import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { LIVE_WINDOW_SECONDS_DEFAULT, LIVE_WINDOW_SECONDS_MAX } from "../../lib/config/limits.ts";
import { answerLive, type LivePorts } from "./live.ts";
import { LiveSchema } from "./live_json.ts";
import { QueryParameters } from "./query_parameters.ts";

/** What the route works with. */
export interface LiveRoutesOptions {
  readonly ports: LivePorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const SUMMARY = "What happened in the last seconds";

const query = z.object({
  window_seconds: z.string().optional().describe(
    `1 to ${LIVE_WINDOW_SECONDS_MAX}; ${LIVE_WINDOW_SECONDS_DEFAULT} if missing`,
  ),
  event_types: z.string().optional().describe("Event types to count, a comma list or repeated"),
});

const liveRoute = createRoute({
  method: "get",
  path: "/v1/analytics/live",
  summary: SUMMARY,
  request: { query },
  responses: {
    200: { description: SUMMARY, content: { "application/json": { schema: LiveSchema } } },
    default: {
      description: "The question can't be answered (RFC 9457)",
      content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
    },
  },
});

/** `GET /v1/analytics/live`. */
export function liveRoutes({ ports, projectOf }: LiveRoutesOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerPath(liveRoute);
  app.get(liveRoute.getRoutingPath(), (context) => {
    const search = new URL(context.req.url).searchParams;
    const parameters = new QueryParameters(search, Object.keys(query.shape));
    const answer = answerLive({
      project: projectOf(context),
      windowSeconds: parameters.integer("window_seconds", 1, LIVE_WINDOW_SECONDS_MAX),
      eventTypes: parameters.list("event_types"),
    }, ports);
    return context.json(answer);
  });
  return app;
}
