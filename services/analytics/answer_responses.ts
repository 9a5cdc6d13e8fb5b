/** What the analytics routes have in common in their descriptions: ports, and JSON or CSV. */

import { z } from "zod";
import { wordParameter } from "../../lib/http/api_parameters.ts";
import type { ApiRoute } from "../../lib/http/api_route.ts";

/** Ports that answer questions. */
export const QUESTION_ROLES = ["gateway", "analytics"] as const;

/** The parameter of all routes that answer as CSV too. */
export const formatParameter = {
  format: wordParameter(["json", "csv"], "By the header accept if missing, else json"),
};

/** 200 with the schema, as CSV too if `csv`. */
export function questionAnswers(
  description: string,
  answer: z.ZodType,
  csv: boolean,
): ApiRoute["answers"] {
  const csvContent = { "text/csv": z.string() };
  const content = { "application/json": answer, ...(csv ? csvContent : {}) };
  return { 200: { description, content } };
}
