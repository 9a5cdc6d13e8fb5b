/**
 * The one closed list of reasons for which an event or a request is refused.
 *
 * A reason is the `code` of an API answer and the label of a metric, so codes never change their
 * meaning; add, never rename. `message` is the general sentence; a Rejection carries a more exact
 * one. `status` is the HTTP status of a request that fails for this reason alone.
 */

/** What a reason looks like to an API. */
export interface Reason {
  /** HTTP status. */
  readonly status: number;
  /** What is wrong and how to mend it, one sentence. */
  readonly message: string;
}

function reason(status: number, message: string): Reason {
  return { status, message };
}

/** Reasons to refuse one event. */
export const EVENT_REASONS = {
  invalid_json: reason(400, "the text is not valid JSON (RFC 8259)"),
  invalid_utf8: reason(400, "the bytes are not valid UTF-8; send JSON encoded as UTF-8"),
  invalid_message: reason(400, "the bytes are no protobuf message of this type"),
  not_an_object: reason(400, "an event must be a JSON object"),
  duplicate_key: reason(400, "a key appears twice in one object; send each key once"),
  forbidden_key: reason(400, "the key `__proto__` is not allowed; rename it"),
  nul_character: reason(400, "a string contains U+0000; remove that character"),
  lone_surrogate: reason(400, "a string contains half of a surrogate pair; send whole characters"),
  number_out_of_range: reason(400, "a number is too large for a 64-bit float; send it as a string"),
  missing_field: reason(400, "a required field is missing"),
  wrong_type: reason(400, "a field has the wrong JSON type"),
  empty_field: reason(400, "a field must not be empty"),
  too_long: reason(400, "a text field is too long"),
  invalid_timestamp: reason(400, "a timestamp must be a number or an RFC 3339 date-time"),
  timestamp_out_of_range: reason(400, "a timestamp must be after 1970-01-01T00:00:00Z"),
  timestamp_in_future: reason(400, "a timestamp lies too far in the future; check the clock"),
  property_nested: reason(400, "a property must be a string, a number or a boolean; flatten it"),
  too_many_properties: reason(400, "an event has too many properties; send fewer"),
  properties_too_large: reason(400, "the properties are too large; shorten them"),
  event_too_large: reason(413, "the event is too large; shorten it"),
  invalid_amount: reason(400, "an amount must be a number of 0 or more"),
  invalid_event_type: reason(400, "event_type must be a defined EVENT_TYPE_* name"),
  invalid_currency: reason(400, "a currency must be three letters, such as EUR"),
  invalid_category: reason(400, "a category must be a defined EVENT_TYPE_* name"),
} as const;

/** Reasons to refuse a whole request. */
export const REQUEST_REASONS = {
  body_too_large: reason(413, "the body is too large; send it in parts"),
  too_many_events: reason(413, "the batch holds too many events; send it in parts"),
  empty_batch: reason(400, "the batch holds no events"),
  unsupported_media_type: reason(415, "send application/json or application/x-ndjson"),
  unsupported_encoding: reason(415, "send the body plain, or with content-encoding gzip or zstd"),
  invalid_encoding: reason(400, "the body cannot be unpacked by its content-encoding"),
  invalid_parameter: reason(400, "a parameter is not valid"),
  rows_not_kept: reason(409, "single events are not kept here (RTA_ROWS=off); ask for rollups"),
  invalid_sql: reason(400, "the statement is not one SELECT that can be answered"),
  unauthenticated: reason(401, "an API key or a token that is valid here is needed"),
  permission_denied: reason(403, "the key or token given may not do this"),
  already_exists: reason(409, "there is one by that name already"),
  sql_disabled: reason(403, "this server answers no SQL; see RTA_SQL"),
  result_too_large: reason(422, "the answer is larger than allowed; ask for less"),
  resources_exceeded: reason(422, "the statement needs too much memory or disk; ask for less"),
  not_found: reason(404, "there is nothing at this address"),
  method_not_allowed: reason(405, "this address does not answer that method"),
  overloaded: reason(429, "more events arrive than can be stored; try again later"),
  too_many_streams: reason(429, "too many live streams are open; close some, or try again later"),
  rate_limited: reason(429, "more is asked for than this key or project may; try again later"),
  auth_unavailable: reason(
    503,
    "keys can't be changed, or tokens can't be checked, now; try again later",
  ),
  log_unavailable: reason(503, "the event log cannot be written; try again later"),
  store_unavailable: reason(503, "the event store cannot be read; try again later"),
  shutting_down: reason(503, "the server is shutting down; try again"),
  deadline_exceeded: reason(504, "the answer took too long; ask for less or try again"),
  internal: reason(500, "the server failed; the request id names the entry in its log"),
} as const;

/** A reason to refuse one event. */
export type EventReasonCode = keyof typeof EVENT_REASONS;
/** A reason to refuse a whole request. */
export type RequestReasonCode = keyof typeof REQUEST_REASONS;
/** Any reason of the list. */
export type ReasonCode = EventReasonCode | RequestReasonCode;

/** Every reason by its code. */
export const REASONS: Readonly<Record<ReasonCode, Reason>> = {
  ...EVENT_REASONS,
  ...REQUEST_REASONS,
};
