/**
 * The zod schemas of single fields that both forms of an event share, and how a zod issue becomes a
 * Rejection. Every check of ours is a custom issue whose `params.reason` is the reason's code.
 *
 * Part of the slow path (validate.ts).
 */
import { z } from "zod";
import { FUTURE_MS_MAX, PROPERTIES_BYTES_MAX, PROPERTIES_MAX } from "../config/limits.ts";
import { CATEGORY_NAMES, isLongerThan, makeProperties, type PropertyValue } from "./event.ts";
import type { EventReasonCode } from "./reasons.ts";
import { reject, rejectField } from "./rejection.ts";
import type { Refusal } from "./slow_verdict.ts";
import { encodeUtf8 } from "./text_coding.ts";
import { timestampOfNumber, timestampOfText } from "./timestamp.ts";

/** What a schema's refinement is given to report to. */
interface IssueSink {
  addIssue(issue: {
    code: "custom";
    message: string;
    params: { reason: EventReasonCode };
    path?: PropertyKey[];
  }): void;
}

/**
 * Reports one of our reasons from within a schema. `message` goes on after the field's name:
 * "must not be empty; give it a value".
 */
export function addReason(
  sink: IssueSink,
  reason: EventReasonCode,
  message: string,
  path: PropertyKey[] = [],
): void {
  sink.addIssue({ code: "custom", message, params: { reason }, path });
}

/** The message of a value of the wrong type, or of none. */
function typeMessage(what: string): (issue: { input?: unknown }) => string {
  return (issue) => issue.input === undefined ? `is missing; send ${what}` : `must be ${what}`;
}

/** Any string, where it must be one. */
export const anyText = z.string({ error: typeMessage("a string") });

/** A string of at most `charsMax` Unicode code points. */
export function textUpTo(charsMax: number): z.ZodType<string, string> {
  return anyText.superRefine((text, sink) => {
    if (isLongerThan(text, charsMax)) {
      addReason(sink, "too_long", `must not be longer than ${charsMax} characters; shorten it`);
    }
  }).meta({ maxLength: charsMax });
}

/** A string of 1 to `charsMax` Unicode code points. */
export function filledText(charsMax: number): z.ZodType<string, string> {
  return textUpTo(charsMax).superRefine((text, sink) => {
    if (text === "") addReason(sink, "empty_field", "must not be empty; give it a value");
  }).meta({ minLength: 1, maxLength: charsMax });
}

const TIME = "Unix seconds, Unix ms or an RFC 3339 date-time such as 2024-05-06T07:08:09Z";

/** A number or an RFC 3339 text that is given, as ms since the epoch; the number 0 stays 0. */
export const timestampMs = z.unknown().transform((value, sink): number => {
  const ms = typeof value === "number"
    ? timestampOfNumber(value)
    : typeof value === "string"
    ? timestampOfText(value)
    : NaN;
  if (value === 0) return 0;
  if (value === undefined) {
    addReason(sink, "missing_field", `is missing; send ${TIME}`);
  } else if (Number.isNaN(ms)) {
    addReason(sink, "invalid_timestamp", `must be ${TIME}`);
  } else if (ms <= 0) {
    addReason(sink, "timestamp_out_of_range", "must be after 1970-01-01T00:00:00Z");
  }
  return ms;
}).meta({ type: ["number", "string"], description: TIME });

/** Refuses an event time that lies too far after its arrival; null = fine. */
export function rejectFuture(
  ms: number,
  receivedAtMs: number,
  id: string | null,
): Refusal | null {
  if (ms <= receivedAtMs + FUTURE_MS_MAX) return null;
  return reject(
    "timestamp_in_future",
    "timestamp",
    id,
    `timestamp must not be more than ${FUTURE_MS_MAX / 60_000} minutes ahead of the server's clock`,
  );
}

/** A number of 0 or more; -0 becomes 0. */
export const amount = z.number({ error: typeMessage("a number") }).transform((value, sink) => {
  if (value < 0) addReason(sink, "invalid_amount", "must be 0 or more");
  return value + 0;
}).meta({ type: "number", minimum: 0 });

/** EVENT_TYPE_USER and so on, as its number. */
export const category = anyText.transform((name, sink): number => {
  const number = CATEGORY_NAMES.indexOf(name);
  if (number < 1) {
    addReason(sink, "invalid_category", `must be one of ${CATEGORY_NAMES.slice(1).join(", ")}`);
  }
  return number;
}).meta({ type: "string", enum: CATEGORY_NAMES.slice(1) });

/** One property; null is none. */
const property = z.custom<PropertyValue | null>(
  (value) => value === null || typeof value !== "object",
  {
    error: "must be a string, a number or a boolean; flatten it",
    params: { reason: "property_nested" },
  },
);

/** A map of properties, before its limits are checked: nulls are dropped. */
export const propertyMap = z.record(z.string(), property, {
  error: typeMessage("an object of properties"),
}).transform((map) => makeProperties(Object.entries(map))).meta({
  type: "object",
  additionalProperties: { type: ["string", "number", "boolean", "null"] },
  maxProperties: PROPERTIES_MAX,
});

/** The reason why properties are too many or too large; null = they are fine. */
export function propertiesFault(
  properties: Record<string, PropertyValue>,
): { readonly code: EventReasonCode; readonly message: string } | null {
  const count = Object.keys(properties).length;
  if (count > PROPERTIES_MAX) {
    return {
      code: "too_many_properties",
      message: `an event has at most ${PROPERTIES_MAX} properties, not ${count}; send fewer`,
    };
  }
  const length = encodeUtf8(JSON.stringify(properties)).length;
  if (length <= PROPERTIES_BYTES_MAX) return null;
  return {
    code: "properties_too_large",
    message: `properties hold at most ${PROPERTIES_BYTES_MAX} bytes of JSON, not ${length}; ` +
      "shorten them",
  };
}

/**
 * The Rejection that the first issue of a failed parse stands for; the parse must have been asked
 * to report its input.
 */
export function rejectIssue(error: z.ZodError, id: string | null): Refusal {
  const issue = error.issues[0];
  const field = issue.path.join(".");
  if (issue.code === "custom" && issue.params !== undefined) {
    return rejectField(issue.params.reason as EventReasonCode, field, id, issue.message);
  }
  const code = issue.input === undefined ? "missing_field" : "wrong_type";
  return rejectField(code, field, id, issue.message);
}
