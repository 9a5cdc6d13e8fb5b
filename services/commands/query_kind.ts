/**
 * What one kind of question is to `rta query`: what of the command line goes into the request, and
 * how its answer stands in tables. The kinds are in query_commands.ts.
 */
import {
  bodyArgument,
  filterArgument,
  jsonArgument,
  type SentCondition,
  timeArgument,
} from "./query_arguments.ts";
import { type Json, QueryError, type QueryRequest } from "./query_client.ts";
import type { AnswerTable } from "./query_table.ts";

/** What every question takes on the command line. */
export interface QueryOptions {
  /** Address of the gateway; default by RTA_GATEWAY_PORT, else port 8080 of 127.0.0.1. */
  readonly url?: string;
  readonly apiKey?: string;
  /** The answer as it came. */
  readonly json?: boolean;
  /** The table that the API answers as CSV. */
  readonly csv?: boolean;
  readonly from?: string;
  readonly to?: string;
  /** Event types, or EVENT_TYPE_* names. */
  readonly type?: readonly string[];
  /** Conditions in shorthand; all must hold. */
  readonly filter?: readonly string[];
  /** A list of conditions as JSON. */
  readonly filterJson?: string;
  /** IANA name. */
  readonly tz?: string;
  /** Longest wait for the answer, s. */
  readonly timeout?: number;
  /** File with the body of the request, where the question is put by one. */
  readonly body?: string;
  /** What is the kind's own. */
  readonly [option: string]: unknown;
}

/** One kind of question. */
export interface QueryKind {
  /** `subject` is what stands on the command line beside options: a user id, a prefix. */
  request(options: QueryOptions, nowMs: number, subject: string): QueryRequest;
  /** For people. */
  tables(answer: Json, options: QueryOptions): AnswerTable[];
}

/** The range, types and filters as parameters of a query string; what is missing is left out. */
export function commonParameters(options: QueryOptions, nowMs: number): Record<string, string> {
  const { from, to, type = [], timeout } = options;
  const filter = filterOf(options);
  return withoutUndefined({
    "time_range.start": from && timeArgument(from, "--from", nowMs),
    "time_range.end": to && timeArgument(to, "--to", nowMs),
    event_types: type.length === 0 ? undefined : type.join(","),
    filter: filter && JSON.stringify(filter),
    timeout_seconds: timeout === undefined ? undefined : String(timeout),
  });
}

/** The same as members of a body, over those of --body. */
export function commonBody(options: QueryOptions, nowMs: number): Record<string, unknown> {
  const { from, to, type = [], timeout, body, tz } = options;
  const given = body === undefined ? {} : bodyArgument(body);
  const start = from && timeArgument(from, "--from", nowMs);
  const end = to && timeArgument(to, "--to", nowMs);
  const range = start === undefined && end === undefined ? undefined : { start, end };
  return {
    ...given,
    ...withoutUndefined({
      time_range: range,
      event_types: type.length === 0 ? undefined : type,
      filter: filterOf(options),
      tz,
      timeout_seconds: timeout,
    }),
  };
}

/** All conditions of the command line; undefined = none. */
function filterOf({ filter = [], filterJson }: QueryOptions): unknown[] | undefined {
  const short: SentCondition[] = filter.map(filterArgument);
  const given = filterJson === undefined ? [] : jsonArgument(filterJson, "--filter-json");
  const list = [...short, ...(Array.isArray(given) ? given : [given])];
  return list.length === 0 ? undefined : list;
}

/** A member of an answer that is an object. */
export function objectIn(answer: Json, name: string): Json {
  const value = answer[name];
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw unexpected(name);
}

/** A member of an answer that is a list of objects. */
export function listIn(answer: Json, name: string): readonly Json[] {
  const value = answer[name];
  if (Array.isArray(value)) return value as Json[];
  throw unexpected(name);
}

/** A number of an answer, also where it is an int64 as text; null = there is none. */
export function numberIn(answer: Json, name: string): number | null {
  const value = answer[name];
  if (value === undefined || value === null) return null;
  const number = Number(value);
  if (value !== "" && !Number.isNaN(number)) return number;
  throw unexpected(name);
}

/** A text of an answer; null = there is none. */
export function textIn(answer: Json, name: string): string | null {
  const value = answer[name];
  return value === undefined || value === null ? null : String(value);
}

/** The object without what is undefined. */
export function withoutUndefined<Value>(
  object: Readonly<Record<string, Value | undefined>>,
): Record<string, Value> {
  const given = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Record<string, Value>;
}

function unexpected(name: string): QueryError {
  return new QueryError(
    `the answer's ${name} is not what this command knows; is the platform of another version? ` +
      "--json shows the answer as it is",
  );
}
