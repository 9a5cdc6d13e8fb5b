/**
 * POST routes of this role: questions as JSON bodies, which question_body.ts reads by the very
 * schemas that describe them.
 */

import type { z } from "zod";
import { type ApiRoute, jsonBody } from "../../lib/http/api_route.ts";
import { formatParameter, QUESTION_ROLES, questionAnswers } from "./answer_responses.ts";

/** What is said of a POST route of this role. */
export interface PostRouteParts extends Omit<ApiRoute, "method" | "roles" | "answers" | "body"> {
  /** The question. */
  readonly asks: z.ZodType;
  readonly answer: z.ZodType;
}

/** A route that answers 200 with the schema, as JSON or CSV. */
export function postRoute({ asks, answer, ...parts }: PostRouteParts): ApiRoute {
  return {
    ...parts,
    method: "post",
    roles: QUESTION_ROLES,
    query: formatParameter,
    body: jsonBody(asks),
    answers: questionAnswers(parts.summary, answer, true),
  };
}
