/**
 * Request bodies as checked JSON: the bytes read strictly, then held against a schema, with
 * ProblemErrors that name the place of the first thing that is wrong.
 */
import { z } from "zod";
import { ECHO_CHARS_MAX } from "../config/limits.ts";
import { decodeUtf8 } from "../event/text_coding.ts";
import { timestampOfNumber, timestampOfText } from "../event/timestamp.ts";
import { ProblemError } from "./problem.ts";

/** Latest time a proto Timestamp can hold, 9999-12-31T23:59:59.999Z, ms since the epoch. */
export const TIMESTAMP_MS_MAX = 253_402_300_799_999;

/** How times are written, for messages. */
export const TIME_FORM = "an RFC 3339 date-time such as 2026-01-31T00:00:00Z, or unix seconds or " +
  "milliseconds, from 1970 on";

/** A time in ms since the epoch; NaN when the value is none. */
export function timeOf(value: unknown): number {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return NaN;
  const epochMs = /^\d{1,16}(\.\d{1,9})?$/.test(text)
    ? timestampOfNumber(Number(text))
    // A query string turns the + of an offset into a space.
    : timestampOfText(text.replace(/ (?=\d\d:\d\d$)/, "+"));
  return epochMs >= 0 && epochMs <= TIMESTAMP_MS_MAX ? epochMs : NaN;
}

/** A time, to ms since the epoch. */
export const time = z.unknown().transform((value, context) => {
  const epochMs = timeOf(value);
  if (!Number.isNaN(epochMs)) return epochMs;
  context.addIssue(`must be ${TIME_FORM}`);
  return z.NEVER;
}).meta({ type: ["string", "number"], description: `A time: ${TIME_FORM}` });

/** A proto Duration in JSON, `86400s` or `0.5s`, to ms; what it may be is for its reader to say. */
export const duration = z.unknown().transform((value, context) => {
  const match = typeof value === "string" ? /^(-?\d{1,12}(?:\.\d{1,9})?)s$/.exec(value) : null;
  if (match !== null) return 1_000 * Number(match[1]);
  context.addIssue('must be a duration in seconds, such as "86400s"');
  return z.NEVER;
}).meta({ type: "string", description: "Seconds, such as 86400s" });

/** A whole number, or the decimal text of one. */
export function wholeNumber(least: number, most: number) {
  return z.unknown().transform((value, context) => {
    const isText = typeof value === "string" && /^-?\d{1,15}$/.test(value);
    const number = typeof value === "number" || isText ? Number(value) : NaN;
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    context.addIssue(`must be a whole number from ${least} to ${most}`);
    return z.NEVER;
  }).meta({ type: "integer", minimum: least, maximum: most });
}

/**
 * An object with these members and no others, whose names may be in proto or lowerCamel spelling; a
 * member that is null is missing, as in proto JSON. For objects whose keys are the client's own use
 * z.record.
 */
export function message<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  return z.unknown().transform((value, context) => {
    if (!isPlainObject(value)) {
      context.addIssue("must be an object");
      return z.NEVER;
    }
    const members: Record<string, unknown> = {};
    for (const [sent, member] of Object.entries(value)) {
      const name = protoName(sent);
      if (names.includes(name) && !Object.hasOwn(members, name)) {
        if (member !== null) members[name] = member;
        continue;
      }
      const detail = names.includes(name)
        ? "is there twice"
        : `is unknown; this takes ${names.join(", ")}`;
      const path = [sent.slice(0, ECHO_CHARS_MAX)];
      context.addIssue({ code: "custom", message: detail, path });
      return z.NEVER;
    }
    return members;
  }).pipe(z.object(shape));
}

/** The JSON value of a body. Throws ProblemError invalid_utf8 or invalid_json. */
export function jsonOf(bytes: Uint8Array, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  let text: string;
  try {
    text = decodeUtf8(bytes);
  } catch (cause) {
    throw new ProblemError("invalid_utf8", undefined, { cause });
  }
  try {
    return JSON.parse(text, reviver);
  } catch (cause) {
    throw new ProblemError("invalid_json", undefined, { cause });
  }
}

/** The value by the schema. Throws ProblemError invalid_parameter with the place. */
export function checkedBy<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = placeOf(issue.path);
  throw invalidParameter(
    path,
    path === "" ? `the body ${issue.message}` : `${path} ${issue.message}`,
  );
}

/** A path of zod's as clients write it: `steps[1].name`. */
export function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (place, key) => typeof key === "number" ? `${place}[${key}]` : `${place}.${String(key)}`,
    "",
  ).slice(1);
}

/** Refusal of one parameter; "" = of none in particular. */
export function invalidParameter(name: string, detail: string): ProblemError {
  return new ProblemError("invalid_parameter", detail, { field: name || undefined });
}

/** Whether a JSON value is an object and no list. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `page_token` of `pageToken`. */
export function protoName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
