/**
 * For each reason of the closed list: when it is given and what to do about it. Read by people, in
 * docs/ERRORS.md; answers carry the sentence of reasons.ts or a more exact one.
 */
import {
  BODY_BYTES_MAX,
  EVENT_BYTES_MAX,
  EVENTS_PER_BATCH_MAX,
  EVENTS_PER_V1_BATCH_MAX,
  FUTURE_MS_MAX,
  ID_CHARS_MAX,
  PROPERTIES_BYTES_MAX,
  PROPERTIES_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../config/limits.ts";
import type { EventReasonCode, RequestReasonCode } from "./reasons.ts";

/** What a person needs to know about a code. */
export interface Advice {
  /** When it is given. */
  readonly when: string;
  /** What whoever gets it does. */
  readonly mend: string;
}

function advice(when: string, mend: string): Advice {
  return { when, mend };
}

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;
const thousands = (count: number) => count.toLocaleString("en-US");

const resend =
  "Wait as long as `retry-after` or RetryInfo says, then send it again, with the same ids";

/** Of reasons to refuse one event; nothing is gained by sending the same again. */
export const EVENT_ADVICE: Readonly<Record<EventReasonCode, Advice>> = {
  invalid_json: advice(
    "The event, line or body is not JSON by RFC 8259, or is cut off",
    "Write it with a JSON library; the message names the byte",
  ),
  invalid_utf8: advice(
    "A byte sequence is not UTF-8, in JSON or in a text of a protobuf message",
    "Encode texts as UTF-8",
  ),
  invalid_message: advice(
    "gRPC: the bytes can't be read as the request's type, a message is missing or cut off, or a " +
      "stream's request is neither an event nor a config",
    "Generate the client from the files in proto/",
  ),
  not_an_object: advice("An event is an array, a text, a number or null", "Send an object"),
  duplicate_key: advice(
    "An object has a key twice; readers of JSON do not agree which one counts",
    "Send each key once",
  ),
  forbidden_key: advice("A key is `__proto__`, at any depth", "Rename it"),
  nul_character: advice("A text or key holds U+0000", "Take the character out"),
  lone_surrogate: advice(
    "A JSON text holds half of a surrogate pair, such as `\\ud83d` alone",
    "Cut texts between characters, not within them",
  ),
  number_out_of_range: advice(
    "A number is beyond what a 64-bit float holds, such as 1e400",
    "Send it as a text",
  ),
  missing_field: advice(
    "A required field is missing or null: `user_id`, `event_type`, on `analytics.v1` `timestamp` too",
    "Send the field that `field` names",
  ),
  wrong_type: advice(
    "A field has another JSON type than it should, such as a number for `user_id`",
    "Send the type that the message names",
  ),
  empty_field: advice(
    "A field is an empty text where one is needed",
    "Send at least one character",
  ),
  too_long: advice(
    `A text is too long: \`id\` ${ID_CHARS_MAX} characters, \`event_type\` ${TYPE_CHARS_MAX}, ` +
      `\`session_id\` ${SESSION_ID_CHARS_MAX}, \`user_id\` ${USER_ID_CHARS_MAX}, ` +
      `\`source\` ${SOURCE_CHARS_MAX} at most`,
    "Shorten it",
  ),
  invalid_timestamp: advice(
    "A timestamp is neither a number nor an RFC 3339 date-time with an offset, or no real date",
    "Send Unix seconds, Unix milliseconds or `2024-05-06T09:00:00Z`",
  ),
  timestamp_out_of_range: advice(
    "A timestamp lies at or before 1970-01-01T00:00:00Z",
    "Check the unit and the clock",
  ),
  timestamp_in_future: advice(
    `A timestamp lies more than ${FUTURE_MS_MAX / HOUR_MS} hour after the server's clock`,
    "Check the sender's clock, and that milliseconds are not sent as something finer",
  ),
  property_nested: advice(
    "A property is an object or an array",
    "Send texts, numbers and booleans: flatten it, or send its JSON as a text",
  ),
  too_many_properties: advice(`An event has more than ${PROPERTIES_MAX} properties`, "Send fewer"),
  properties_too_large: advice(
    `The properties are more than ${PROPERTIES_BYTES_MAX / KIB} KiB of JSON`,
    "Shorten them",
  ),
  event_too_large: advice(
    `An event is more than ${EVENT_BYTES_MAX / KIB} KiB of JSON, as sent or as kept`,
    "Shorten it",
  ),
  invalid_amount: advice(
    "`amount`, or `transaction_event.amount`, is not a number of 0 or more",
    "Send refunds as an event type of their own, with a positive amount",
  ),
  invalid_event_type: advice(
    "`analytics.v1`: `event_type` is unspecified or none of the enum's names and numbers",
    "Send `EVENT_TYPE_USER`, `_TRANSACTION`, `_SYSTEM` or `_CUSTOM`",
  ),
  invalid_currency: advice("A currency is not three letters", "Send an ISO 4217 code such as EUR"),
  invalid_category: advice(
    "`category` of a plain event is no `EVENT_TYPE_*` name",
    "Leave it out, or send one of those names",
  ),
};

/** Of reasons to refuse a whole request. */
export const REQUEST_ADVICE: Readonly<Record<RequestReasonCode, Advice>> = {
  body_too_large: advice(
    `A body or a gRPC message is more than ${BODY_BYTES_MAX / MIB} MiB, also after unpacking`,
    "Send it in parts",
  ),
  too_many_events: advice(
    `A batch holds more than ${thousands(EVENTS_PER_BATCH_MAX)} events, or more than ` +
      `${thousands(EVENTS_PER_V1_BATCH_MAX)} in \`analytics.v1\``,
    "Send it in parts",
  ),
  empty_batch: advice("A batch holds no event", "Send at least one"),
  unsupported_media_type: advice(
    "`content-type` is not one that the route takes, or names a charset other than UTF-8",
    "Send `application/json` or, in batches, `application/x-ndjson`",
  ),
  unsupported_encoding: advice(
    "`content-encoding` is none of gzip and zstd, or `grpc-encoding` is not gzip",
    "Send it plain, or packed by one of these",
  ),
  invalid_encoding: advice(
    "A body or message can't be unpacked by the encoding that it names, or is cut off",
    "Look for what packs twice, or names an encoding without packing",
  ),
  invalid_parameter: advice(
    "A parameter of a question, path, stream or setting by API is unknown or has a value out of range",
    "`field` names it, the message says what it takes",
  ),
  rows_not_kept: advice(
    "The question needs single events, and the store keeps none (`RTA_ROWS=off`)",
    "Ask for summaries and series, or run with `RTA_ROWS=on` for events to come",
  ),
  invalid_sql: advice(
    "A statement is not one SELECT over `events`, or has a mistake in it",
    "The message is the engine's own; mend the statement",
  ),
  unauthenticated: advice(
    "A key or token is needed and missing, or it is unknown, malformed, expired or revoked",
    "Send `x-api-key` or `authorization: Bearer`; make a key with `rta keys create`",
  ),
  permission_denied: advice(
    "The key or token is good but lacks the scope, or the project",
    "Use one with the scope that the message names",
  ),
  already_exists: advice("A project or key of that name is there", "Take it, or another name"),
  sql_disabled: advice(
    "SQL is switched off (`RTA_SQL`), or this process may not start the one that runs it",
    "The message says which; see CONFIGURATION.md",
  ),
  result_too_large: advice(
    "An answer of SQL has too many rows or bytes; nothing is cut off in silence",
    "Aggregate, add LIMIT, or use `/v1/export`",
  ),
  resources_exceeded: advice(
    "A question needs more memory, or more disk, than one may have",
    "Take a shorter range, fewer conditions on properties or fewer groups",
  ),
  not_found: advice(
    "There is no such route or method, or no user, key, project or dead letter by that name",
    "Check the address; for a user: whether the project is the right one",
  ),
  method_not_allowed: advice(
    "The route is there, but not for that method",
    "`allow` names those it has",
  ),
  overloaded: advice(
    "More arrives than can be stored, or too many requests are under way",
    `${resend}; if it lasts, add cores or machines`,
  ),
  too_many_streams: advice(
    "As many live streams are open as the process can serve",
    "Close some, or share one among readers",
  ),
  rate_limited: advice(
    "The key or project sends more, or has more queries or streams open, than it may",
    `${resend}; an admin can raise the limit`,
  ),
  auth_unavailable: advice(
    "The key file can't be written, or the token issuer's keys (JWKS) can't be had",
    "Try again; look at the server's log",
  ),
  log_unavailable: advice(
    "The event log can't be written: the disk is full or failing, or Kafka's brokers are away",
    `${resend}: some events may be stored, and the second copies are dropped`,
  ),
  store_unavailable: advice(
    "A part of the store can't answer now: a shard is being replaced, or runs in no process",
    "Try again; if it lasts, look at `/health` and the log",
  ),
  shutting_down: advice("The server is draining", "Connect again; another process takes over"),
  deadline_exceeded: advice(
    "A question, a wait for durability or the reading of a request took longer than it may",
    "Ask for less or allow more time; send events again with the same ids",
  ),
  internal: advice(
    "A fault of the server",
    "Report it with the request id, which names the entry in the server's log",
  ),
};
