/**
 * GET routes of this role. Query strings are read by query_parameters.ts and not by the schemas that
 * describe them, because they take more forms than one (lowerCamel names, repeated or comma lists).
 */

import type { Context } from "hono";
import type { z } from "zod";
import { timeParameter } from "../../lib/http/api_parameters.ts";
import type { ApiRoute } from "../../lib/http/api_route.ts";
import { QUESTION_ROLES, questionAnswers } from "./answer_responses.ts";
import type { RequestedRange } from "./asked_range.ts";
import { QueryParameters } from "./query_parameters.ts";

/** The range as every question of `analytics.v1` names it. */
export const rangeParameters = {
  "time_range.start": timeParameter("First instant; 24 hours before the end if missing"),
  "time_range.end": timeParameter("First instant after the range; the current minute's end"),
};

/** What is said of a GET route of this role. */
export interface GetRouteParts extends Omit<ApiRoute, "method" | "roles" | "answers"> {
  readonly roles?: ApiRoute["roles"];
  readonly query: NonNullable<ApiRoute["query"]>;
  readonly answer: z.ZodType;
}

/** A route and what it reads. */
export interface GetRoute extends ApiRoute {
  /** Parameters of the query string. */
  readonly names: readonly string[];
}

/** A GET route that answers 200 with the schema (as CSV too if it has a `format`). */
export function getRoute({ answer, ...parts }: GetRouteParts): GetRoute {
  return {
    roles: QUESTION_ROLES,
    ...parts,
    method: "get",
    answers: questionAnswers(parts.summary, answer, "format" in parts.query),
    names: Object.keys(parts.query),
  };
}

/** The parameters of a request. Throws ProblemError for those that the route does not know. */
export function parametersOf(context: Context, names: readonly string[]): QueryParameters {
  return new QueryParameters(new URL(context.req.url).searchParams, names);
}

/** The range that two parameters name. */
export function readRange(query: QueryParameters, start: string, end: string): RequestedRange {
  return { startMs: query.time(start), endMs: query.time(end) };
}
