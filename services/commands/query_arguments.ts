/**
 * What `rta query` takes on the command line, read into what the API takes:
 *
 *     times     2026-01-31T00:00:00Z, unix seconds or ms, now, or a time before now: -90m -24h -7d -4w
 *     filters   country=DE        plan!=free         amount>=100     n<5       page^=/shop   page~cart
 *               country=DE|FR     plan!=free|trial   coupon (exists)           !coupon (does not)
 *     steps     purchase          purchase:plan=pro  purchase:plan=pro,amount>=100
 *
 * A value that is written as a number is compared as a number, any other as text; quotes make text
 * of it: `zip="10115"`. What the shorthand can't say, the JSON form can (--filter-json, --body).
 */
import { QueryError } from "./query_client.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A condition in the JSON form of the API. */
export interface SentCondition {
  readonly property: string;
  readonly op: string;
  readonly value?: unknown;
}

/** The instant that a text means, as the API takes it: RFC 3339 where it is counted from now. */
export function timeArgument(text: string, flag: string, nowMs: number): string {
  if (text === "now") return new Date(nowMs).toISOString();
  const back = /^-(\d{1,6})([smhdw])$/.exec(text);
  if (back !== null) {
    return new Date(nowMs - Number(back[1]) * UNIT_MS[back[2]]).toISOString();
  }
  if (/^\d{1,15}$/.test(text) || !Number.isNaN(Date.parse(text))) return text;
  throw new QueryError(
    `${flag} takes an RFC 3339 time such as 2026-01-31T00:00:00Z, unix seconds, now, or a time ` +
      `before now such as -24h or -7d, not ${text}`,
  );
}

/** A span of time as the API takes a Duration: `90m` and `5400s` are `5400s`. */
export function durationArgument(text: string, flag: string): string {
  const match = /^(\d{1,9})([smhdw]?)$/.exec(text);
  if (match !== null) return `${Number(match[1]) * UNIT_MS[match[2] || "s"] / 1_000}s`;
  throw new QueryError(`${flag} takes a span of time such as 30m, 24h or 14d, not ${text}`);
}

/** The condition that a filter's shorthand means. */
export function filterArgument(text: string): SentCondition {
  const match = /^(.+?)(!=|>=|<=|\^=|=|>|<|~)(.*)$/s.exec(text);
  if (match === null) {
    if (text.startsWith("!") && text.length > 1) {
      return { property: text.slice(1), op: "not_exists" };
    }
    if (text !== "") return { property: text, op: "exists" };
    throw new QueryError("--filter takes a condition such as country=DE or amount>=100");
  }
  const [, property, sign, value] = match;
  if (sign === "=" || sign === "!=") return equality(property, sign === "!=", value);
  if (sign === "~" || sign === "^=") {
    return { property, op: sign === "~" ? "contains" : "starts_with", value: unquoted(value) };
  }
  const op = sign[0] === ">" ? "gt" : "lt";
  return { property, op: sign.endsWith("=") ? `${op}e` : op, value: comparand(value) };
}

function equality(property: string, negated: boolean, value: string): SentCondition {
  const values = value.startsWith('"') ? [value] : value.split("|");
  if (values.length === 1) {
    return { property, op: negated ? "neq" : "eq", value: comparand(values[0]) };
  }
  return { property, op: negated ? "not_in" : "in", value: values.map(comparand) };
}

function comparand(text: string): string | number {
  return JSON_NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : unquoted(text);
}

function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

/** A step of a funnel, or the event of a cohort, as the API takes it. */
export interface SentStep {
  readonly event_type: string;
  readonly filter?: readonly SentCondition[];
}

/** The step that `TYPE` or `TYPE:condition,condition` means. */
export function stepArgument(text: string): SentStep {
  const colon = text.indexOf(":");
  const type = colon < 0 ? text : text.slice(0, colon);
  if (type === "") throw new QueryError("a step begins with an event type, such as purchase");
  if (colon < 0) return { event_type: type };
  const conditions = text.slice(colon + 1).split(",").map(filterArgument);
  return { event_type: type, filter: conditions };
}

/** The JSON value of an option or a file. */
export function jsonArgument(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QueryError(`${what} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

/** The JSON object in a file. */
export function bodyArgument(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (cause) {
    throw new QueryError(`${path} can't be read: ${(cause as Error).message}`, { cause });
  }
  const body = jsonArgument(text, path);
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>;
  }
  throw new QueryError(`${path} must hold a JSON object: the body of the request`);
}
