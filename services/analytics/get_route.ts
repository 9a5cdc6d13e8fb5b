/**
 * GET routes of this role, for the OpenAPI document and for Hono. Query strings are read by
 * query_parameters.ts and not by schema, because they take more forms than one (lowerCamel names,
 * repeated or comma lists).
 */

import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { answerResponses } from "./answer_responses.ts";
import type { RequestedRange } from "./asked_range.ts";
import { QueryParameters } from "./query_parameters.ts";

/** A parameter that is a time. */
export const timeParameter = (what: string) =>
  z.string().optional().describe(`${what}: RFC 3339, or unix seconds or milliseconds`);

/** The range as every question of `analytics.v1` names it. */
export const rangeParameters = {
  "time_range.start": timeParameter("First instant; 24 hours before the end if missing"),
  "time_range.end": timeParameter("First instant after the range; the current minute's end"),
};

/** A route and what it reads. */
export interface GetRoute {
  /** For the OpenAPI document. */
  readonly config: RouteConfig;
  /** The path as Hono writes it. */
  readonly path: string;
  /** Parameters of the query string. */
  readonly names: readonly string[];
}

/** A GET route that answers 200 with the schema (as CSV too if it has a `format`), or a problem. */
export function getRoute(
  path: string,
  summary: string,
  answer: z.ZodType,
  query: Record<string, z.ZodType>,
): GetRoute {
  const pathParameters = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const config = createRoute({
    method: "get",
    path,
    summary,
    request: {
      query: z.object(query),
      ...(pathParameters.length === 0 ? {} : {
        params: z.object(Object.fromEntries(pathParameters.map((name) => [name, z.string()]))),
      }),
    },
    responses: answerResponses(summary, answer, "format" in query),
  });
  return { config, path: config.getRoutingPath(), names: Object.keys(query) };
}

/** The parameters of a request. Throws ProblemError for those that the route does not know. */
export function parametersOf(context: Context, names: readonly string[]): QueryParameters {
  return new QueryParameters(new URL(context.req.url).searchParams, names);
}

/** The range that two parameters name. */
export function readRange(query: QueryParameters, start: string, end: string): RequestedRange {
  return { startMs: query.time(start), endMs: query.time(end) };
}
