/** Typed events as messages of `analytics.v1`, with their ids and times made once. */
import { loadDefinitions } from "../grpc/definitions.ts";
import type { AnyMessage } from "../grpc/grpc_channel.ts";
import { clientError } from "./api_error.ts";
import type { TypedEvent } from "./events.ts";
import { withIdAndTime } from "./event_lines.ts";

const SECOND_MS = 1_000;
const NANOS_OF_MS = 1_000_000;

/** @throws ApiError `invalid_event` when it is none that can be written */
export function eventMessage(
  event: TypedEvent,
  nowMs: number,
): { id: string; message: AnyMessage } {
  try {
    const whole = withIdAndTime(event, nowMs);
    const atMs = Date.parse(whole.timestamp);
    if (Number.isNaN(atMs)) throw new RangeError(`${whole.timestamp} is no time`);
    const seconds = Math.floor(atMs / SECOND_MS);
    const nanos = (atMs - seconds * SECOND_MS) * NANOS_OF_MS;
    const message = { ...whole, timestamp: { seconds, nanos } };
    // Written once here, so that a wrong type is this event's fault and not its stream's.
    loadDefinitions().message("analytics.v1.Event").serialize(message);
    return { id: whole.id, message };
  } catch (cause) {
    throw clientError("invalid_event", { detail: `${cause}`, cause });
  }
}
