/** What the analytics routes answer, for the OpenAPI document: JSON, CSV, or a problem (RFC 9457). */

import { z } from "@hono/zod-openapi";

/** The parameter of all routes that answer as CSV too. */
export const formatParameter = {
  format: z.string().optional().describe("json or csv; by the header accept if missing, else json"),
};

/** 200 with the schema, as CSV too if `csv`; anything else is a problem. */
export function answerResponses(summary: string, answer: z.ZodType, csv: boolean) {
  return {
    200: {
      description: summary,
      content: {
        "application/json": { schema: answer },
        ...(csv ? { "text/csv": { schema: z.string() } } : {}),
      },
    },
    default: {
      description: "The question can't be answered (RFC 9457)",
      content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
    },
  };
}
