/**
 * The ingestion port (8081): `POST /events`, `/events/async` and `/events/batch`, and the routes
 * that every role has.
 *
 *     /events        200 once the event is on disk
 *     /events/async  202 before that
 *     /events/batch  200 when at least one event was accepted, and the refused ones are named in
 *                    `errors`; when none was, the status of the first one's reason
 *
 * A refusal is a problem (RFC 9457) that also has the members of the contract, so that clients that
 * look for `success` and `message` find them.
 */
import { z } from "zod";
import { EVENTS_PER_BATCH_MAX } from "../../lib/config/limits.ts";
import { plainEvent } from "../../lib/event/validate_plain.ts";
import { type ApiRoute, jsonAnswer, jsonBody } from "../../lib/http/api_route.ts";
import type { DirectRoute } from "../../lib/http/app.ts";
import { batchMediaType, requireJson } from "../../lib/http/media_type.ts";
import { ProblemError, problemResponse } from "../../lib/http/problem.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import {
  createServiceHandler,
  type ServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";
import { TRACEPARENT_HEADER } from "../../lib/telemetry/trace_context.ts";
import { requestTraceparent } from "../../lib/telemetry/tracing.ts";
import type {
  AcceptMode,
  BatchAnswer,
  EventAcceptor,
  EventAnswer,
  EventQuota,
  IndexedRejection,
} from "./accept_events.ts";

/** What ingest routes work with. */
export interface IngestOptions {
  readonly acceptor: EventAcceptor;
  /** Shared by all ports of the process, so that its limits are the process's. */
  readonly bodies: BodyReader;
  /** The project that a request writes to. */
  readonly projectOf: (request: Request) => string;
  /** How much a request may have stored; any number of events when missing or null. */
  readonly quotaOf?: (request: Request) => EventQuota | null;
}

export interface IngestionHandlerOptions extends IngestOptions, ServiceHandlerOptions {}

const OutcomeSchema = z.strictObject({
  success: z.literal(true),
  message: z.string(),
  event_id: z.string().describe("As sent, or made: a UUIDv7"),
}).meta({ id: "EventOutcome" });

const BatchOutcomeSchema = z.strictObject({
  success: z.boolean().describe("Every event was accepted"),
  message: z.string(),
  processed_count: z.int().describe("Events that were accepted"),
  failed_event_ids: z.array(z.string()).describe("Of refused events, where they have one"),
  errors: z.array(z.strictObject({
    index: z.int().describe("Place in the batch, from 0"),
    id: z.string().nullable(),
    code: z.string(),
    field: z.string(),
    message: z.string(),
  })).describe("One for each refused event"),
}).meta({ id: "BatchOutcome" });

const EVENT = {
  user_id: "ada",
  event_type: "page_view",
  source: "web",
  properties: { page: "/pricing", logged_in: true },
};
const common = { method: "post", tag: "Sending events", roles: ["ingestion"] } as const;
const outcome = (description: string, status: number) => ({
  [status]: { description, content: { "application/json": OutcomeSchema } },
});

const eventRoute: ApiRoute = {
  ...common,
  path: "/events",
  id: "sendEvent",
  summary: "One plain event; answered when it is on disk",
  body: jsonBody(plainEvent),
  answers: outcome("It is on disk", 200),
  example: { body: EVENT },
};
const asyncRoute: ApiRoute = {
  ...common,
  path: "/events/async",
  id: "sendEventAsync",
  summary: "One plain event; answered before it is on disk",
  body: jsonBody(plainEvent),
  answers: outcome("It is checked, and on its way to the disk", 202),
  example: { body: EVENT },
};
const batchRoute: ApiRoute = {
  ...common,
  path: "/events/batch",
  id: "sendEvents",
  summary: `1 to ${EVENTS_PER_BATCH_MAX} plain events; each has a verdict of its own`,
  description:
    "Good events are kept whatever the others are. When none is, the answer is a problem " +
    "with the members of this one.",
  body: {
    isRequired: true,
    content: {
      "application/json": z.union([
        z.object({ events: z.array(plainEvent) }),
        z.array(plainEvent),
      ]),
      "application/x-ndjson": z.string().describe("One event a line"),
    },
  },
  answers: jsonAnswer("At least one event is on disk", BatchOutcomeSchema),
  example: { body: { events: [EVENT, { ...EVENT, event_type: "purchase", amount: 19.9 }] } },
};

/** For the OpenAPI document. */
export const INGESTION_ROUTES = [eventRoute, asyncRoute, batchRoute];

/** Where nothing says how much may be stored. */
export const unlimited = (): EventQuota | null => null;

const okInit: ResponseInit = { headers: { "content-type": "application/json" } };
const acceptedInit: ResponseInit = { ...okInit, status: 202 };

/** The handler of the ingestion port, for listen(). */
export function createIngestionHandler(options: IngestionHandlerOptions): ServiceHandler {
  return createServiceHandler({
    ...options,
    direct: {
      [`POST ${eventRoute.path}`]: takeEvent(options, "durable"),
      [`POST ${asyncRoute.path}`]: takeEvent(options, "async"),
      [`POST ${batchRoute.path}`]: takeBatch(options),
    },
  });
}

function takeEvent(options: IngestOptions, mode: AcceptMode): DirectRoute {
  const { acceptor, bodies, projectOf, quotaOf = unlimited } = options;
  return async (request, requestId) => {
    const project = projectOf(request);
    const quota = quotaOf(request);
    const traceparent = requestTraceparent(request.headers.get(TRACEPARENT_HEADER));
    requireJson(request.headers);
    const body = await bodies.read(request);
    try {
      const accepting = { form: "plain", mode, project, quota, traceparent } as const;
      const answer = await acceptor.acceptOne(body.bytes, accepting);
      return eventResponse(answer, mode, requestId);
    } finally {
      body.release();
    }
  };
}

function takeBatch(options: IngestOptions): DirectRoute {
  const { acceptor, bodies, projectOf, quotaOf = unlimited } = options;
  return async (request, requestId) => {
    const project = projectOf(request);
    const quota = quotaOf(request);
    const traceparent = requestTraceparent(request.headers.get(TRACEPARENT_HEADER));
    const mediaType = batchMediaType(request.headers);
    const body = await bodies.read(request);
    try {
      const accepting = { form: "plain", mode: "durable", project, quota, traceparent } as const;
      const answer = await acceptor.acceptBatch(body.bytes, mediaType, accepting);
      return batchResponse(answer, requestId);
    } finally {
      body.release();
    }
  };
}

function eventResponse(answer: EventAnswer, mode: AcceptMode, requestId: string): Response {
  if (!answer.ok) {
    const { code, field, message, id } = answer.rejection;
    const members = { success: false, message, event_id: id ?? "" };
    const problem = new ProblemError(code, message, { field: field || undefined, members });
    return problemResponse(problem, requestId);
  }
  const message = mode === "async" ? "event queued" : "event accepted";
  const id = JSON.stringify(answer.eventId);
  const text = `{"success":true,"message":"${message}","event_id":${id}}`;
  return new Response(text, mode === "async" ? acceptedInit : okInit);
}

function batchResponse(answer: BatchAnswer, requestId: string): Response {
  const { accepted, rejections } = answer;
  const message = rejections.length === 0
    ? `${accepted} events accepted`
    : `${accepted} of ${accepted + rejections.length} events accepted`;
  const body = {
    success: rejections.length === 0,
    message,
    processed_count: accepted,
    failed_event_ids: failedIds(rejections),
    errors: rejections.map(({ index, id, code, field, message }) => (
      { index, id, code, field, message }
    )),
  };
  if (accepted > 0) return new Response(JSON.stringify(body), okInit);
  const [first] = rejections;
  const problem = new ProblemError(first.code, `no event was accepted; first: ${first.message}`, {
    field: `events[${first.index}]${first.field === "" ? "" : `.${first.field}`}`,
    members: body,
  });
  return problemResponse(problem, requestId);
}

/** Ids of the refused events that have one. */
export function failedIds(rejections: readonly IndexedRejection[]): string[] {
  return rejections.flatMap(({ id }) => id === null ? [] : [id]);
}
