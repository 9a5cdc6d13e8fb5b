/**
 * EventIngestionService of `analytics.v1` in its JSON form, for the gateway to mount:
 * `POST /v1/events` and `/v1/events/batch`, with answers in proto JSON (proto field names).
 *
 * `options` beside `event` or `events` are followed: `async`, `validate_only`, `timeout_seconds`.
 */
import { Hono } from "hono";
import { z } from "zod";
import { EVENTS_PER_V1_BATCH_MAX } from "../../lib/config/limits.ts";
import type { Rejection } from "../../lib/event/event.ts";
import { type ApiRoute, jsonAnswer, jsonBody } from "../../lib/http/api_route.ts";
import type { AppEnv } from "../../lib/http/app.ts";
import { batchMediaType, requireJson } from "../../lib/http/media_type.ts";
import { ProblemError, problemResponse } from "../../lib/http/problem.ts";
import { TRACEPARENT_HEADER } from "../../lib/telemetry/trace_context.ts";
import { requestTraceparent } from "../../lib/telemetry/tracing.ts";
import type { AcceptMode, BatchAnswer, EventAnswer } from "./accept_events.ts";
import { failedIds, type IngestOptions, unlimited } from "./http.ts";
import { readIngestOptions, withinTimeout } from "./v1_options.ts";

export interface V1IngestOptions extends IngestOptions {
  /** `metadata.processing_node`: the name of this process. */
  readonly node: string;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

const EVENT = {
  user_id: "ada",
  event_type: "EVENT_TYPE_USER",
  timestamp: "2026-01-31T12:00:00Z",
  user_event: { action: "click", page_url: "/pricing" },
};
const common = { method: "post", tag: "Sending events", roles: ["gateway"] } as const;
const shape = (name: string) => ({ proto: `analytics.v1.${name}` });

const eventRoute: ApiRoute = {
  ...common,
  path: "/v1/events",
  id: "ingestEvent",
  summary: "One event of analytics.v1",
  description: "The event may also be sent bare, without the object around it.",
  body: jsonBody(shape("IngestEventRequest")),
  answers: jsonAnswer("It is on disk, or what options say", shape("IngestEventResponse")),
  example: { body: { event: EVENT, options: { timeout_seconds: 5 } } },
};
const batchRoute: ApiRoute = {
  ...common,
  path: "/v1/events/batch",
  id: "ingestEvents",
  summary: `1 to ${EVENTS_PER_V1_BATCH_MAX} events of analytics.v1; each has a verdict of its own`,
  description:
    "Good events are kept whatever the others are. When none is, the answer is a problem " +
    "with the members of this one. A bare list of events is taken too.",
  body: {
    isRequired: true,
    content: {
      "application/json": shape("IngestEventsRequest"),
      "application/x-ndjson": z.string().describe("One event a line"),
    },
  },
  answers: jsonAnswer("At least one event is on disk", shape("IngestEventsResponse")),
  example: { body: { events: [EVENT, { ...EVENT, user_id: "bob" }] } },
};

/** For the OpenAPI document. */
export const V1_INGEST_ROUTES = [eventRoute, batchRoute];

/** What both answers end with. */
interface IngestMetadata {
  readonly processed_at: string;
  readonly processing_node: string;
  readonly processing_time: string;
}

/** The routes, to be mounted at the root of the gateway's app. */
export function v1IngestRoutes(options: V1IngestOptions): Hono<AppEnv> {
  const { acceptor, bodies, projectOf, quotaOf = unlimited } = options;
  const metadataSince = metadataMaker(options);
  const routes = new Hono<AppEnv>();
  routes.post(eventRoute.path, async (context) => {
    const startedMs = performance.now();
    const request = context.req.raw;
    const project = projectOf(request);
    const quota = quotaOf(request);
    const traceparent = requestTraceparent(request.headers.get(TRACEPARENT_HEADER));
    requireJson(request.headers);
    const body = await bodies.read(request);
    try {
      const { mode, timeoutMs } = readIngestOptions(body.bytes, "event");
      const accepting = acceptor.acceptOne(body.bytes, {
        form: "v1",
        mode,
        project,
        quota,
        traceparent,
      });
      const answer = await withinTimeout(accepting, timeoutMs);
      return eventResponse(answer, mode, metadataSince(startedMs), context.env.requestId);
    } finally {
      body.release();
    }
  });
  routes.post(batchRoute.path, async (context) => {
    const startedMs = performance.now();
    const request = context.req.raw;
    const project = projectOf(request);
    const quota = quotaOf(request);
    const traceparent = requestTraceparent(request.headers.get(TRACEPARENT_HEADER));
    const mediaType = batchMediaType(request.headers);
    const body = await bodies.read(request);
    try {
      const { mode, timeoutMs } = mediaType === "json"
        ? readIngestOptions(body.bytes, "events")
        : { mode: "durable" as const, timeoutMs: null };
      const accepting = acceptor.acceptBatch(body.bytes, mediaType, {
        form: "v1",
        mode,
        project,
        quota,
        traceparent,
      });
      const answer = await withinTimeout(accepting, timeoutMs);
      return batchResponse(answer, metadataSince(startedMs), context.env.requestId);
    } finally {
      body.release();
    }
  });
  return routes;
}

function metadataMaker(options: V1IngestOptions): (startedMs: number) => IngestMetadata {
  const now = options.now ?? Date.now;
  return (startedMs) => ({
    processed_at: new Date(now()).toISOString(),
    processing_node: options.node,
    processing_time: `${((performance.now() - startedMs) / 1000).toFixed(6)}s`,
  });
}

export const MESSAGES: Readonly<Record<AcceptMode, string>> = {
  durable: "event accepted",
  async: "event queued",
  check: "event is valid",
};

function eventResponse(
  answer: EventAnswer,
  mode: AcceptMode,
  metadata: IngestMetadata,
  requestId: string,
): Response {
  if (answer.ok) {
    return Response.json({
      success: true,
      event_id: answer.eventId,
      message: MESSAGES[mode],
      validation_errors: [],
      metadata,
    });
  }
  const { code, field, message, id } = answer.rejection;
  const members = {
    success: false,
    event_id: id ?? "",
    message,
    validation_errors: [validationError(answer.rejection, "")],
    metadata,
  };
  const problem = new ProblemError(code, message, { field: field || undefined, members });
  return problemResponse(problem, requestId);
}

function batchResponse(
  answer: BatchAnswer,
  metadata: IngestMetadata,
  requestId: string,
): Response {
  const { accepted, rejections } = answer;
  const body = {
    success: rejections.length === 0,
    processed_count: accepted,
    failed_count: rejections.length,
    failed_event_ids: failedIds(rejections),
    validation_errors: rejections.map((rejection) =>
      validationError(rejection, `events[${rejection.index}]`)
    ),
    metadata,
  };
  if (accepted > 0) return Response.json(body);
  const [first] = rejections;
  const problem = new ProblemError(first.code, `no event was accepted; first: ${first.message}`, {
    field: body.validation_errors[0].field,
    members: body,
  });
  return problemResponse(problem, requestId);
}

/** A ValidationError; `path` is the event's place in the request. */
export function validationError({ code, field, message }: Rejection, path: string) {
  return { field: [path, field].filter((part) => part !== "").join("."), message, code };
}
