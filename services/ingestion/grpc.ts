/**
 * EventIngestionService of `analytics.v1` on gRPC. Turns messages into calls of accept_events.ts and
 * its verdicts into messages, and nothing else; what ends a whole call is thrown as ProblemError.
 *
 * Requests are taken as bytes: events go from there into the log's lines without an object in
 * between (proto_events.ts).
 */
import { type ProtoRequest, splitProtoRequest } from "../../lib/event/proto_request.ts";
import type { CallContext, UnaryHandler } from "../../lib/grpc/call.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import { durationOf, timestampOf } from "../../lib/grpc/well_known.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { AcceptMode, EventAcceptor } from "./accept_events.ts";
import { failedIds } from "./http.ts";
import type { DecodeEvent, ProtoPart } from "./proto_events.ts";
import { StreamAnswers } from "./stream_answers.ts";
import { streamEvents } from "./stream_events.ts";
import { MESSAGES, validationError } from "./v1_http.ts";
import { withinTimeout } from "./v1_options.ts";

export interface IngestionGrpcOptions {
  readonly acceptor: EventAcceptor;
  /** `metadata.processing_node`: the name of this process. */
  readonly node: string;
  /** Answers the method Health. */
  readonly health: UnaryHandler<unknown, unknown>;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

/** `analytics.v1.IngestOptions`. */
interface OptionsMessage {
  readonly async: boolean;
  readonly timeout_seconds: number;
  readonly validate_only: boolean;
}

/** A request's events and how they are to be taken. */
interface IngestRequest extends ProtoPart {
  readonly mode: AcceptMode;
  readonly timeoutMs: number | null;
}

/** The service, to be added to a server. */
export function ingestionGrpcService(options: IngestionGrpcOptions): GrpcService {
  const { acceptor, health } = options;
  const { message } = loadDefinitions();
  const event = message("analytics.v1.Event");
  const decode: DecodeEvent = (bytes) => event.deserialize(Buffer.from(bytes));
  const metadataSince = metadataMaker(options);
  const answers = new StreamAnswers();
  const accept = async (request: IngestRequest, context: CallContext, wantsIds: boolean) => {
    const startedMs = performance.now();
    const { mode, timeoutMs } = request;
    const { project, quota, traceparent } = context;
    const wishes = { mode, project, quota, traceparent, wantsIds };
    const accepting = acceptor.acceptProto([request], decode, wishes);
    const answer = await withinTimeout(accepting, timeoutMs);
    return { ...answer, mode, metadata: metadataSince(startedMs) };
  };
  return {
    name: "analytics.v1.EventIngestionService",
    role: "ingestion",
    methods: {
      IngestEvent: {
        raw: true,
        unary: async (bytes: Uint8Array, context) => {
          const { ids, rejections, mode, metadata } = await accept(readOne(bytes), context, true);
          if (rejections.length === 0) {
            return { success: true, event_id: ids[0], message: MESSAGES[mode], metadata };
          }
          const [{ code, field, message }] = rejections;
          // Whoever only asks for a verdict gets it as an answer.
          if (mode !== "check") {
            throw new ProblemError(code, message, { field: field || undefined });
          }
          const errors = [validationError(rejections[0], "")];
          return { success: false, event_id: ids[0], message, validation_errors: errors, metadata };
        },
      },
      IngestEvents: {
        raw: true,
        unary: async (bytes: Uint8Array, context) => {
          const { accepted, rejections, metadata } = await accept(readAll(bytes), context, false);
          return {
            success: rejections.length === 0,
            processed_count: accepted,
            failed_count: rejections.length,
            failed_event_ids: failedIds(rejections),
            validation_errors: rejections.map((rejection) =>
              validationError(rejection, `events[${rejection.index}]`)
            ),
            metadata,
          };
        },
      },
      StreamEvents: {
        raw: true,
        duplex: (requests: AsyncIterable<Uint8Array>, write, context) =>
          streamEvents({ acceptor, decode, answers, metadataSince }, requests, write, context),
      },
      Health: { unary: health },
    },
  };
}

/** Reads an IngestEventsRequest. */
function readAll(bytes: Uint8Array): IngestRequest {
  const { events, options } = split(bytes);
  return { bytes, events, ...wishesOf(bytes, options) };
}

/** Reads an IngestEventRequest, which has one event: what comes in parts is one after the other. */
function readOne(bytes: Uint8Array): IngestRequest {
  const request = readAll(bytes);
  if (request.events.length === 0) {
    throw new ProblemError("missing_field", "event is missing; send an event", { field: "event" });
  }
  if (request.events.length === 2) return request;
  throw new ProblemError("invalid_message", "the field event comes twice; send it once", {
    field: "event",
  });
}

function split(bytes: Uint8Array): ProtoRequest {
  const request = splitProtoRequest(bytes);
  if (request === null) throw new ProblemError("invalid_message");
  return request;
}

function wishesOf(
  bytes: Uint8Array,
  ranges: readonly number[],
): { mode: AcceptMode; timeoutMs: number | null } {
  if (ranges.length === 0) return { mode: "durable", timeoutMs: null };
  // The last occurrence wins in all fields that it has, which is all of them for every known client.
  const [start, end] = ranges.slice(-2);
  const type = loadDefinitions().message<OptionsMessage>("analytics.v1.IngestOptions");
  let options: OptionsMessage;
  try {
    options = type.deserialize(Buffer.from(bytes.subarray(start, end)));
  } catch (cause) {
    throw new ProblemError("invalid_message", undefined, { field: "options", cause });
  }
  if (options.timeout_seconds < 0) {
    const detail = "options.timeout_seconds must be 0 or more";
    throw new ProblemError("invalid_parameter", detail, { field: "options.timeout_seconds" });
  }
  return {
    mode: options.validate_only ? "check" : options.async ? "async" : "durable",
    timeoutMs: options.timeout_seconds > 0 ? 1_000 * options.timeout_seconds : null,
  };
}

function metadataMaker({ node, now = Date.now }: IngestionGrpcOptions) {
  return (startedMs: number) => ({
    processed_at: timestampOf(now()),
    processing_node: node,
    processing_time: durationOf(performance.now() - startedMs),
  });
}
