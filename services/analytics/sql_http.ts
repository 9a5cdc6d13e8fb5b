/** `POST /v1/sql`: a read-only SELECT over all events. See answer_sql.ts. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { SQL_MS_MAX } from "../../lib/config/export_limits.ts";
import { message, time, wholeNumber } from "../../lib/http/json_body.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import type { SqlAnswers, SqlResult } from "./answer_sql.ts";
import { Duration, quality, TimeRange } from "./answer_json.ts";
import { qualityOf, rangeJson } from "./asked_range.ts";
import { CSV_CONTENT_TYPE, postedFormat, qualityHeaders } from "./csv_answer.ts";
import { durationJson } from "./proto_json.ts";
import { postRoute } from "./post_route.ts";
import { patienceOf, readBody } from "./question_body.ts";

/** What the route works with. */
export interface SqlRoutesOptions {
  /** null = SQL is off here. */
  readonly sql: SqlAnswers | null;
  /** Why it is off, and how to switch it on. */
  readonly whyOff: string;
  readonly bodies: BodyReader;
  readonly now: () => number;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const body = message({
  sql: z.string("must be a text").min(1, "must not be empty").describe("One SELECT"),
  time_range: message({ start: time.optional(), end: time.optional() }).optional()
    .describe("By event time; all events if missing"),
  format: z.enum(["json", "csv"], "must be json or csv").optional()
    .describe("As the parameter of this name"),
  allow_missing: z.boolean("must be true or false").optional()
    .describe("Leave out partitions that this process lacks, which are an error else"),
  timeout_seconds: wholeNumber(1, SQL_MS_MAX / 1_000).optional()
    .describe(`Longest wait, s; ${SQL_MS_MAX / 1_000} if missing`),
});

const { accuracy: _, ...reached } = quality;

const SqlSchema = z.strictObject({
  columns: z.array(z.strictObject({ name: z.string(), type: z.string().describe("DuckDB's") })),
  rows: z.array(z.array(z.unknown())).describe("Values in the order of the columns"),
  row_count: z.int(),
  time_range: TimeRange,
  processing_time: Duration,
  ...reached,
}).meta({ id: "SqlResult" });

const route = postRoute({
  path: "/v1/sql",
  id: "querySql",
  tag: "Export and SQL",
  summary: "The rows of one SELECT over the view events",
  asks: body,
  answer: SqlSchema,
  example: { body: { sql: "SELECT type, count(*) AS events FROM events GROUP BY type" } },
});

/** For the OpenAPI document. */
export const SQL_ROUTES = [route];

/** `POST /v1/sql`, to be mounted at the root. */
export function sqlRoutes(options: SqlRoutesOptions): Hono {
  const { sql, whyOff, bodies, now, projectOf } = options;
  const app = new Hono();
  app.post(route.path, async (context) => {
    if (sql === null) throw new ProblemError("sql_disabled", whyOff);
    const request = await readBody(context, bodies, body);
    const format = request.format ?? postedFormat(context);
    const answer = await sql.answer({
      project: projectOf(context),
      sql: request.sql,
      startMs: request.time_range?.start ?? null,
      endMs: request.time_range?.end ?? null,
      format,
      allowMissing: request.allow_missing ?? false,
      patience: patienceOf(context, request.timeout_seconds),
    });
    return format === "csv" ? csvOf(answer) : jsonOf(answer, now());
  });
  return app;
}

/** The answer as JSON; its rows are JSON already. */
function jsonOf({ columns, text, rows, asked, reach }: SqlResult, nowMs: number): Response {
  const { accuracy: _, ...quality } = qualityOf(asked, reach, {});
  const rest = {
    row_count: rows,
    time_range: rangeJson(asked),
    processing_time: durationJson(nowMs - asked.atMs),
    ...quality,
  };
  const head = `{"columns":${JSON.stringify(columns)},"rows":[`;
  const body = new Blob([head, ...text, `],${JSON.stringify(rest).slice(1)}`]);
  return new Response(body, { headers: { "content-type": "application/json" } });
}

function csvOf({ text, asked, reach }: SqlResult): Response {
  const headers = qualityHeaders(qualityOf(asked, reach, {}), rangeJson(asked));
  return new Response(new Blob([...text]), {
    headers: { ...headers, "content-type": CSV_CONTENT_TYPE },
  });
}
