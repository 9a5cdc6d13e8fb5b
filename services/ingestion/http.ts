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
import type { DirectRoute, Handler } from "../../lib/http/app.ts";
import { batchMediaType, requireJson } from "../../lib/http/media_type.ts";
import { ProblemError, problemResponse } from "../../lib/http/problem.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import {
  createServiceHandler,
  type ServiceHandlerOptions,
} from "../../lib/http/service_handler.ts";
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

/** Where nothing says how much may be stored. */
export const unlimited = (): EventQuota | null => null;

const okInit: ResponseInit = { headers: { "content-type": "application/json" } };
const acceptedInit: ResponseInit = { ...okInit, status: 202 };

/** The handler of the ingestion port, for listen(). */
export function createIngestionHandler(options: IngestionHandlerOptions): Handler {
  return createServiceHandler({
    ...options,
    direct: {
      "POST /events": eventRoute(options, "durable"),
      "POST /events/async": eventRoute(options, "async"),
      "POST /events/batch": batchRoute(options),
    },
  });
}

function eventRoute(options: IngestOptions, mode: AcceptMode): DirectRoute {
  const { acceptor, bodies, projectOf, quotaOf = unlimited } = options;
  return async (request, requestId) => {
    const project = projectOf(request);
    const quota = quotaOf(request);
    requireJson(request.headers);
    const body = await bodies.read(request);
    try {
      const answer = await acceptor.acceptOne(body.bytes, { form: "plain", mode, project, quota });
      return eventResponse(answer, mode, requestId);
    } finally {
      body.release();
    }
  };
}

function batchRoute(options: IngestOptions): DirectRoute {
  const { acceptor, bodies, projectOf, quotaOf = unlimited } = options;
  return async (request, requestId) => {
    const project = projectOf(request);
    const quota = quotaOf(request);
    const mediaType = batchMediaType(request.headers);
    const body = await bodies.read(request);
    try {
      const accepting = { form: "plain", mode: "durable", project, quota } as const;
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
