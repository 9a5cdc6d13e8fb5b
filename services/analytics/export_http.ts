/**
 * `GET /v1/export`: all events of a range that match, as a file. See answer_export.ts.
 *
 * A body that is not whole is never ended as if it were: the connection is cut.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { EXPORT_COLUMNS_MAX, EXPORT_IDLE_MS, EXPORTS_MAX } from "../../lib/config/export_limits.ts";
import {
  flagParameter,
  listParameter,
  mapParameter,
  textParameter,
  wordParameter,
} from "../../lib/http/api_parameters.ts";
import type { ApiRoute } from "../../lib/http/api_route.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import {
  EVENT_COLUMNS,
  type EventColumn,
  fieldOf,
  type RowField,
} from "../../lib/query/event_columns.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import {
  answerExport,
  EXPORT_FORMATS,
  type ExportFormat,
  type ExportPorts,
  type ExportRequest,
} from "./answer_export.ts";
import { QUESTION_ROLES } from "./answer_responses.ts";
import { qualityOf, rangeJson } from "./asked_range.ts";
import { CSV_CONTENT_TYPE, qualityHeaders } from "./csv_answer.ts";
import { rangeParameters } from "./get_route.ts";
import { pullStream } from "./pull_stream.ts";
import { QueryParameters } from "./query_parameters.ts";

/** What the route works with. */
export interface ExportRoutesOptions {
  readonly ports: ExportPorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
  /** An export that had begun was cut off: why. */
  readonly onCut: (failure: unknown) => void;
}

const CONTENT_TYPES: Readonly<Record<ExportFormat, string>> = {
  ndjson: "application/x-ndjson",
  csv: CSV_CONTENT_TYPE,
  parquet: "application/vnd.apache.parquet",
};

const query = {
  format: wordParameter(EXPORT_FORMATS, "ndjson if missing"),
  ...rangeParameters,
  event_types: listParameter("Event types"),
  filters: mapParameter("filters[NAME]=text: NAME must be equal to the text"),
  filter: textParameter("Conditions as JSON"),
  columns: listParameter("Of csv and parquet: fields and properties, all fields if missing"),
  allow_missing: flagParameter("Leave out partitions that do not run in this process"),
};

const route: ApiRoute = {
  method: "get",
  path: "/v1/export",
  id: "exportEvents",
  tag: "Export and SQL",
  summary: "All events of a time range as a file",
  roles: QUESTION_ROLES,
  query,
  answers: {
    200: {
      description: "The events; a connection that is cut before the end of the body means an error",
      content: Object.fromEntries(
        Object.entries(CONTENT_TYPES).map(([format, type]) => [
          type.split(";")[0],
          format === "parquet" ? z.unknown().describe("A file") : z.string(),
        ]),
      ),
    },
  },
  example: { query: { format: "csv", columns: "timestamp,user_id,type" } },
};

/** For the OpenAPI document. */
export const EXPORT_ROUTES = [route];

const NAMES = Object.keys(query);

/** `GET /v1/export`, to be mounted at the root. */
export function exportRoutes(options: ExportRoutesOptions): Hono {
  const { ports, projectOf, onCut } = options;
  const app = new Hono();
  let running = 0;
  app.get(route.path, async (context) => {
    const request = readRequest(context, projectOf(context));
    if (running >= EXPORTS_MAX) {
      const detail = `${EXPORTS_MAX} exports are running; try again when one has ended`;
      throw new ProblemError("overloaded", detail, { retryAfterSeconds: RETRY_SECONDS });
    }
    const end = new AbortController();
    const leave = () => end.abort(new Error("the client has gone"));
    context.req.raw.signal.addEventListener("abort", leave);
    const release = () => {
      context.req.raw.signal.removeEventListener("abort", leave);
      running--;
    };
    running++;
    try {
      const { blocks, ...found } = await answerExport(request, ports, end.signal);
      const headers = headersOf(request.format, found);
      if (context.req.method === "HEAD") {
        release();
        return new Response(null, { headers });
      }
      const body = pullStream(blocks, {
        idleMs: EXPORT_IDLE_MS,
        abort: (reason) => end.abort(reason),
        onEnd: (failure) => {
          release();
          if (failure !== null) onCut(failure);
        },
      });
      return new Response(body, { headers });
    } catch (error) {
      release();
      throw error;
    }
  });
  return app;
}

/** What `Retry-After` says when too many exports run, seconds. */
const RETRY_SECONDS = 5;

function headersOf(
  format: ExportFormat,
  { asked, rows }: Pick<Awaited<ReturnType<typeof answerExport>>, "asked" | "rows">,
): Record<string, string> {
  return {
    "content-type": CONTENT_TYPES[format],
    "content-disposition": `attachment; filename="events.${format}"`,
    "rta-order": "partition, arrival",
    ...qualityHeaders(qualityOf(asked, rows, {}), rangeJson(asked)),
  };
}

function readRequest(context: Context, project: string): ExportRequest {
  const parameters = new QueryParameters(new URL(context.req.url).searchParams, NAMES);
  const format = readFormat(parameters.text("format"));
  const columns = readColumns(parameters.list("columns"));
  if (columns !== null && format === "ndjson") {
    const detail =
      "columns are taken with format=csv and parquet; lines of NDJSON are whole events";
    throw invalidParameter("columns", detail);
  }
  return {
    project,
    range: {
      startMs: parameters.time("time_range.start"),
      endMs: parameters.time("time_range.end"),
    },
    filter: parameters.filter(),
    format,
    columns,
    allowMissing: parameters.flag("allow_missing"),
  };
}

function readFormat(text: string | null): ExportFormat {
  const format = EXPORT_FORMATS.find((each) => each === (text ?? "ndjson"));
  if (format !== undefined) return format;
  throw invalidParameter("format", `format must be one of ${EXPORT_FORMATS.join(", ")}`);
}

function readColumns(names: readonly string[]): readonly RowField[] | null {
  if (names.length === 0) return null;
  if (names.length > EXPORT_COLUMNS_MAX) {
    throw invalidParameter("columns", `columns must name at most ${EXPORT_COLUMNS_MAX}`);
  }
  // Databases that read Parquet do not tell upper from lower case in names of columns.
  const lower = names.map((name) => name.toLowerCase());
  const twice = names.find((_, index) => lower.indexOf(lower[index]) !== index);
  if (twice !== undefined) throw invalidParameter("columns", `${twice} is named twice`);
  return names.map(columnNamed);
}

/** A field of the event by its name, else a property. */
function columnNamed(name: string): RowField {
  if ((EVENT_COLUMNS as readonly string[]).includes(name)) return fieldOf(name as EventColumn);
  const subject = subjectNamed(name);
  return subject.kind === "field"
    ? { kind: "field", name: subject.name, as: name }
    : { kind: "property", key: subject.key, as: name };
}
