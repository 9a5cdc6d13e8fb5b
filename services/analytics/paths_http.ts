/**
 * `POST /v1/analytics/paths`. It turns a JSON body into a request of answer_paths.ts and its answer
 * into JSON or CSV, and nothing else. Refusals are thrown as ProblemError, for the server's one error
 * handler.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  PATH_BRANCHES_DEFAULT,
  PATH_BRANCHES_MAX,
  PATH_DEPTH_DEFAULT,
  PATH_DEPTH_MAX,
  PATH_WITHIN_SECONDS_MAX,
} from "../../lib/config/limits.ts";
import { invalidParameter, message, wholeNumber } from "../../lib/http/json_body.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { PATH_SCOPES } from "../../lib/query/paths/paths.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { answerPaths } from "./answer_paths.ts";
import { postedFormat } from "./csv_answer.ts";
import { pathsCsv } from "./csv_tables.ts";
import { PathsSchema } from "./paths_json.ts";
import { postRoute } from "./post_route.ts";
import {
  commonShape,
  filterMember,
  filterOf,
  filtersMember,
  patienceOf,
  rangeOf,
  readBody,
  typeList,
} from "./question_body.ts";

/** What the route works with. */
export interface PathsRoutesOptions {
  readonly ports: AnalyticsPorts;
  readonly bodies: BodyReader;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

/** Conditions on the anchor; a text is the one type that it may have. */
const anchorShape = z.preprocess(
  (value) => typeof value === "string" ? { event_types: [value] } : value,
  message({
    event_types: typeList.optional(),
    filters: filtersMember,
    filter: filterMember,
  }),
).meta({ type: ["object", "string"] }).optional();

const PathsBody = message({
  ...commonShape,
  from: anchorShape.describe("What comes after these events: a type, or conditions"),
  to: anchorShape.describe("What came before these events; give from or to"),
  depth: wholeNumber(1, PATH_DEPTH_MAX).optional()
    .describe(`Steps away from it; ${PATH_DEPTH_DEFAULT} if missing`),
  limit: wholeNumber(1, PATH_BRANCHES_MAX).optional()
    .describe(`Types shown after each step; ${PATH_BRANCHES_DEFAULT} if missing`),
  scope: z.enum(PATH_SCOPES, `must be one of ${PATH_SCOPES.join(", ")}`).optional()
    .describe("session (if missing): steps within its session; user: any of the user's"),
  within_seconds: wholeNumber(0, PATH_WITHIN_SECONDS_MAX).optional()
    .describe("Longest time from it to a step; any if missing"),
  collapse_repeats: z.boolean("must be true or false").optional()
    .describe("Events of one type in a row are one step"),
});

type Body = z.infer<typeof PathsBody>;

const pathsRoute = postRoute({
  path: "/v1/analytics/paths",
  id: "getPaths",
  tag: "Behaviour",
  summary: "What users did next, or before",
  asks: PathsBody,
  answer: PathsSchema,
  example: { body: { from: { event_types: ["page_view"] }, depth: 2, limit: 5 } },
});

/** For the OpenAPI document. */
export const PATHS_ROUTES = [pathsRoute];

/** `POST /v1/analytics/paths`. */
export function pathsRoutes({ ports, bodies, projectOf }: PathsRoutesOptions): Hono {
  const app = new Hono();
  app.post(pathsRoute.path, async (context) => {
    const format = postedFormat(context);
    const body = await readBody(context, bodies, PathsBody);
    const answer = await answerPaths({
      project: projectOf(context),
      range: rangeOf(body),
      filter: filterOf(body),
      ...anchorOf(body),
      scope: body.scope ?? "session",
      withinSeconds: body.within_seconds ?? null,
      collapseRepeats: body.collapse_repeats ?? false,
      depth: body.depth ?? null,
      limit: body.limit ?? null,
      patience: patienceOf(context, body.timeout_seconds),
    }, ports);
    return format === "csv" ? pathsCsv(answer) : context.json(answer);
  });
  return app;
}

/** The anchor and where to look from it. */
function anchorOf({ from, to }: Body): { anchor: Filter; direction: "next" | "previous" } {
  if (from !== undefined && to !== undefined) {
    throw invalidParameter("to", "from and to can't both be given: a path begins or ends there");
  }
  const [place, conditions] = to === undefined ? ["from", from] as const : ["to", to] as const;
  const anchor = conditions === undefined ? null : filterOf(conditions, place);
  if (anchor === null) {
    const detail = `${place} must name an event type, or have conditions; give from to see what ` +
      "comes next, to to see what came before";
    throw invalidParameter(place, detail);
  }
  return { anchor, direction: to === undefined ? "next" : "previous" };
}
