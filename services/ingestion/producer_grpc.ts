/**
 * ProducerService of the older generation on gRPC: events with a type as text, times in unix
 * seconds. They become plain REST events and are judged as those.
 */
import { hadMalformedText } from "../../lib/event/malformed_text.ts";
import { encodeUtf8 } from "../../lib/event/text_coding.ts";
import type { Method, UnaryHandler } from "../../lib/grpc/call.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { EventAcceptor } from "./accept_events.ts";
import { failedIds } from "./http.ts";

export interface ProducerGrpcOptions {
  readonly acceptor: EventAcceptor;
  /** Answers GetProducerHealth. */
  readonly health: UnaryHandler<unknown, unknown>;
}

/** `analytics.Event` as proto-loader gives it. */
interface EventMessage {
  readonly id: string;
  readonly timestamp: string;
}

const OPTIONS = { form: "plain", mode: "durable" } as const;

/** The service, to be added to a server. */
export function producerGrpcService({ acceptor, health }: ProducerGrpcOptions): GrpcService {
  const sendEvent: Method<Uint8Array> = {
    raw: true,
    unary: async (bytes, { project, quota, traceparent }) => {
      const [line] = readLines(bytes, "analytics.Event", (message) => [message as EventMessage]);
      const answer = await acceptor.acceptOne(encodeUtf8(line), {
        ...OPTIONS,
        project,
        quota,
        traceparent,
      });
      if (answer.ok) return { success: true, message: "event accepted", event_id: answer.eventId };
      const { code, field, message } = answer.rejection;
      throw new ProblemError(code, message, { field: field || undefined });
    },
  };
  const sendBatch: Method<Uint8Array> = {
    raw: true,
    unary: async (bytes, { project, quota, traceparent }) => {
      const lines = readLines(bytes, "analytics.BatchEventsRequest", (message) => {
        return (message as { readonly events: readonly EventMessage[] }).events;
      });
      const batch = encodeUtf8(lines.join("\n"));
      const answer = await acceptor.acceptBatch(batch, "ndjson", {
        ...OPTIONS,
        project,
        quota,
        traceparent,
      });
      const { accepted, rejections } = answer;
      return {
        success: rejections.length === 0,
        message: rejections.length === 0
          ? `${accepted} events accepted`
          : `${accepted} of ${lines.length} events accepted; first refused: ` +
            rejections[0].message,
        processed_count: accepted,
        failed_event_ids: failedIds(rejections),
      };
    },
  };
  return {
    name: "analytics.ProducerService",
    role: "ingestion",
    methods: {
      SendEvent: sendEvent,
      SendBatchEvents: sendBatch,
      GetProducerHealth: { unary: health },
    },
  };
}

/** The events of a message as lines of JSON. Throws ProblemError. */
function readLines(
  bytes: Uint8Array,
  type: string,
  eventsOf: (message: object) => readonly EventMessage[],
): string[] {
  let message: object;
  try {
    message = loadDefinitions().message(type).deserialize(Buffer.from(bytes));
  } catch (cause) {
    throw new ProblemError("invalid_message", undefined, { cause });
  }
  const lines = eventsOf(message).map((event) => {
    const { id, timestamp, ...rest } = event;
    return JSON.stringify({ ...rest, ...(id === "" ? {} : { id }), timestamp: Number(timestamp) });
  });
  if (hadMalformedText(bytes, lines.join())) throw new ProblemError("invalid_utf8");
  return lines;
}
