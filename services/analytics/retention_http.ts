/**
 * `POST /v1/analytics/retention` and `/stickiness`. They turn a JSON body into a request of
 * answer_retention.ts and its answer into JSON or CSV, and nothing else. Refusals are thrown as
 * ProblemError, for the server's one error handler.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { RETENTION_PERIODS_DEFAULT, RETENTION_PERIODS_MAX } from "../../lib/config/limits.ts";
import { message, wholeNumber } from "../../lib/http/json_body.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { allOf } from "../../lib/query/filter/filter.ts";
import { PERIOD_WIDTHS } from "../../lib/query/retention/periods.ts";
import { COHORT_RULES, RETENTION_MODES } from "../../lib/query/retention/retention.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { answerRetention, answerStickiness } from "./answer_retention.ts";
import { postedFormat } from "./csv_answer.ts";
import { retentionCsv, stickinessCsv } from "./csv_tables.ts";
import { postRoute } from "./post_route.ts";
import {
  commonShape,
  filterMember,
  filterOf,
  filtersMember,
  name,
  patienceOf,
  rangeOf,
  readBody,
  typeList,
} from "./question_body.ts";
import { RetentionSchema, StickinessSchema } from "./retention_json.ts";

/** What the routes work with. */
export interface RetentionRoutesOptions {
  readonly ports: AnalyticsPorts;
  readonly bodies: BodyReader;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

/** One of these words; a granularity may be written `TIME_GRANULARITY_WEEK` as well. */
function wordOf<Word extends string>(words: readonly Word[], prefix = "") {
  return z.unknown().transform((value, context) => {
    const text = typeof value === "string" ? value : "";
    const bare = prefix !== "" && text.startsWith(prefix)
      ? text.slice(prefix.length).toLowerCase()
      : text;
    const found = words.find((word) => word === bare);
    if (found !== undefined) return found;
    context.addIssue(`must be one of ${words.join(", ")}`);
    return z.NEVER;
  }).meta({ type: "string", enum: [...words] });
}

const granularityOf = <Word extends string>(words: readonly Word[]) =>
  wordOf(words, "TIME_GRANULARITY_").optional();

/** Conditions on one of the two events. */
const eventShape = message({
  event_types: typeList.optional(),
  filters: filtersMember,
  filter: filterMember,
}).optional();

const time_range = commonShape.time_range.describe(
  `Widened to whole periods; without a start the last ${RETENTION_PERIODS_DEFAULT} of them`,
);

const RetentionBody = message({
  ...commonShape,
  time_range,
  start: eventShape.describe("Events that begin; any if missing"),
  return: eventShape.describe("Events of coming back; any if missing"),
  granularity: granularityOf(PERIOD_WIDTHS).describe("week if missing"),
  tz: name.optional().describe("IANA time zone of the periods; UTC if missing"),
  mode: wordOf(RETENTION_MODES).optional()
    .describe("exact (if missing): back in that period; rolling: in that or a later one"),
  cohort: wordOf(COHORT_RULES).optional().describe("first_in_range if missing"),
  periods: wholeNumber(1, RETENTION_PERIODS_MAX).optional()
    .describe("Columns at most, the cohort's own period counted"),
});

const StickinessBody = message({
  ...commonShape,
  time_range,
  granularity: granularityOf(["week", "month"] as const).describe("week if missing"),
  tz: name.optional().describe("IANA time zone of the days; UTC if missing"),
});

const retentionRoute = postRoute({
  path: "/v1/analytics/retention",
  id: "getRetention",
  tag: "Behaviour",
  summary: "Who came back",
  asks: RetentionBody,
  answer: RetentionSchema,
  example: { body: { start: { event_types: ["page_view"] }, granularity: "day", periods: 7 } },
});
const stickinessRoute = postRoute({
  path: "/v1/analytics/stickiness",
  id: "getStickiness",
  tag: "Behaviour",
  summary: "On how many days users were active",
  asks: StickinessBody,
  answer: StickinessSchema,
  example: { body: { granularity: "week", tz: "Europe/Berlin" } },
});

/** For the OpenAPI document. */
export const RETENTION_ROUTES = [retentionRoute, stickinessRoute];

/** `POST /v1/analytics/retention` and `/stickiness`. */
export function retentionRoutes({ ports, bodies, projectOf }: RetentionRoutesOptions): Hono {
  const app = new Hono();
  app.post(retentionRoute.path, async (context) => {
    const format = postedFormat(context);
    const body = await readBody(context, bodies, RetentionBody);
    const common = filterOf(body);
    const answer = await answerRetention({
      project: projectOf(context),
      range: rangeOf(body),
      start: allOf([common, filterOf(body.start ?? {}, "start")]),
      again: allOf([common, filterOf(body.return ?? {}, "return")]),
      granularity: body.granularity ?? "week",
      timeZone: body.tz ?? null,
      mode: body.mode ?? "exact",
      cohort: body.cohort ?? "first_in_range",
      columns: body.periods ?? null,
      patience: patienceOf(context, body.timeout_seconds),
    }, ports);
    return format === "csv" ? retentionCsv(answer) : context.json(answer);
  });
  app.post(stickinessRoute.path, async (context) => {
    const format = postedFormat(context);
    const body = await readBody(context, bodies, StickinessBody);
    const answer = await answerStickiness({
      project: projectOf(context),
      range: rangeOf(body),
      filter: filterOf(body),
      granularity: body.granularity ?? "week",
      timeZone: body.tz ?? null,
      patience: patienceOf(context, body.timeout_seconds),
    }, ports);
    return format === "csv" ? stickinessCsv(answer) : context.json(answer);
  });
  return app;
}
