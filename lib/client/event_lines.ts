/** An event of the caller as the line that goes over the wire, with its id and time made once. */
import { clientError } from "./api_error.ts";
import type { EventLine } from "./event_queue.ts";
import { type ClientEvent, instantText, isTyped } from "./events.ts";
import { uuidV7 } from "./uuid_v7.ts";

const encoder = new TextEncoder();

/**
 * The line of an event. An id or a timestamp that is missing is made here, once, so that every
 * attempt sends the same. @throws ApiError `invalid_event` when it can't be written as JSON
 */
export function eventLine(event: ClientEvent, nowMs: number): EventLine {
  try {
    const whole = withIdAndTime(event, nowMs);
    return {
      form: isTyped(event) ? "typed" : "plain",
      id: whole.id,
      bytes: encoder.encode(JSON.stringify(whole)),
    };
  } catch (cause) {
    throw clientError("invalid_event", { detail: `${cause}`, cause });
  }
}

/** The event with an id and with its time as text. @throws RangeError when the time is none */
export function withIdAndTime<T extends ClientEvent>(event: T, nowMs: number) {
  const id = event.id === undefined || event.id === "" ? uuidV7(nowMs) : event.id;
  return { ...event, id, timestamp: instantText(event.timestamp ?? nowMs) };
}
