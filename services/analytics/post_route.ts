/**
 * POST routes of this role, for the OpenAPI document and for Hono. Bodies are read by
 * question_body.ts and not by these schemas, because they take more spellings than one.
 */

import { createRoute, z } from "@hono/zod-openapi";
import { answerResponses, formatParameter } from "./answer_responses.ts";

/** A route that answers 200 with the schema, as JSON or CSV, or a problem (RFC 9457). */
export function postRoute(path: string, summary: string, answer: z.ZodType) {
  return createRoute({
    method: "post",
    path,
    summary,
    request: {
      query: z.object(formatParameter),
      body: { content: { "application/json": { schema: z.looseObject({}) } } },
    },
    responses: answerResponses(summary, answer, true),
  });
}
