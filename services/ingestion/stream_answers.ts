/**
 * The responses of a stream to a batch of events, as frames of gRPC that go out in one piece. Those
 * of accepted events differ by nothing but the id, so they are put together from bytes:
 *
 *     StreamEventsResponse    1 event_response, with its length
 *     IngestEventResponse     1 success = true | 2 event_id | 3 message | 5 metadata
 *                             `----- written for each event -'`-- encoded once, --'
 *                                                                 for all of the batch
 */
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { MESSAGE_PREFIX_BYTES, writeMessagePrefix } from "../../lib/grpc/message_frames.ts";
import type { IndexedRejection } from "./sort_events.ts";
import { MESSAGES, validationError } from "./v1_http.ts";

/** What became of a batch. */
export interface BatchOfAnswers {
  /** Of all its events, in order. */
  readonly ids: readonly string[];
  /** By their place, in order. */
  readonly rejections: readonly IndexedRejection[];
  /** `metadata` of each response. */
  readonly metadata: unknown;
}

const SUCCESS = [0x08, 1];
const EVENT_ID_TAG = 0x12;
const EVENT_RESPONSE_TAG = 0x0a;
/** Prefix, tags and lengths of a response, bytes: more than they take. */
const AROUND_BYTES = 24;
/** UTF-8 of a UTF-16 code unit, bytes at most. */
const UNIT_BYTES_MAX = 3;
const SCRATCH_BYTES = 16 * 1024;

const encoder = new TextEncoder();

/** Writes the responses of one batch at a time; one serves all streams. */
export class StreamAnswers {
  readonly #answer = loadDefinitions().message("analytics.v1.IngestEventResponse");
  readonly #response = loadDefinitions().message("analytics.v1.StreamEventsResponse");
  #scratch = new Uint8Array(SCRATCH_BYTES);
  #at = 0;

  /** The responses to all events of a batch, each with its prefix. */
  frames({ ids, rejections, metadata }: BatchOfAnswers): Uint8Array {
    const shared = this.#answer.serialize({ message: MESSAGES.durable, metadata });
    this.#at = 0;
    let refused = 0;
    for (let index = 0; index < ids.length; index++) {
      const rejection = rejections[refused]?.index === index ? rejections[refused++] : null;
      if (rejection === null) this.#accepted(ids[index], shared);
      else this.#refused(ids[index], rejection, metadata);
    }
    return this.#scratch.slice(0, this.#at);
  }

  #accepted(id: string, shared: Uint8Array): void {
    this.#reserve(AROUND_BYTES + UNIT_BYTES_MAX * id.length + shared.length);
    const target = this.#scratch;
    // The id first, at a place that is surely behind its own: then its length is known.
    const idAt = this.#at + AROUND_BYTES;
    const idBytes = writeText(id, target, idAt);
    const answerBytes = SUCCESS.length + 1 + varintBytes(idBytes) + idBytes + shared.length;
    const messageBytes = 1 + varintBytes(answerBytes) + answerBytes;
    let at = writeMessagePrefix(target, this.#at, false, messageBytes);
    target[at++] = EVENT_RESPONSE_TAG;
    at = writeVarint(answerBytes, target, at);
    target[at++] = SUCCESS[0];
    target[at++] = SUCCESS[1];
    target[at++] = EVENT_ID_TAG;
    at = writeVarint(idBytes, target, at);
    target.copyWithin(at, idAt, idAt + idBytes);
    at += idBytes;
    target.set(shared, at);
    this.#at = at + shared.length;
  }

  #refused(id: string, rejection: IndexedRejection, metadata: unknown): void {
    const { message } = rejection;
    const validation_errors = [validationError(rejection, "")];
    const response = this.#response.serialize({
      event_response: { success: false, event_id: id, message, validation_errors, metadata },
    });
    this.#reserve(MESSAGE_PREFIX_BYTES + response.length);
    const at = writeMessagePrefix(this.#scratch, this.#at, false, response.length);
    this.#scratch.set(response, at);
    this.#at = at + response.length;
  }

  /** Sees to it that there is room for `bytes`. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#scratch.length) return;
    const scratch = new Uint8Array(Math.max(2 * this.#scratch.length, this.#at + bytes));
    scratch.set(this.#scratch.subarray(0, this.#at));
    this.#scratch = scratch;
  }
}

/** Writes a text as UTF-8; gives how many bytes that was. */
function writeText(text: string, target: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return encoder.encodeInto(text, target.subarray(at)).written;
    target[at + i] = code;
  }
  return text.length;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (; value >= 0x80; value >>>= 7) bytes++;
  return bytes;
}

function writeVarint(value: number, target: Uint8Array, at: number): number {
  for (; value >= 0x80; value >>>= 7) target[at++] = value & 0x7f | 0x80;
  target[at++] = value;
  return at;
}
