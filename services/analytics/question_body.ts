/**
 * What questions to rows have in common when they come as a JSON body, read strictly: the range, the
 * conditions on events, the time zone and how long to wait. A body has these members beside its own:
 *
 *     {"time_range": {"start": …, "end": …}, "event_types": [...], "filters": {…}, "filter": [...],
 *      "timeout_seconds": 30}
 *
 * Names may be in proto or lowerCamel spelling, times RFC 3339 or unix seconds or milliseconds. All
 * given conditions must hold.
 */

import type { Context } from "hono";
import { z } from "zod";
import {
  FILTER_TYPES_MAX,
  ROW_QUESTION_MS_DEFAULT,
  ROW_QUESTION_SECONDS_MAX,
  TYPE_CHARS_MAX,
} from "../../lib/config/limits.ts";
import { checkedBy, jsonOf, message, time, wholeNumber } from "../../lib/http/json_body.ts";
import { requireJson } from "../../lib/http/media_type.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { allOf, type Filter, isOfType } from "../../lib/query/filter/filter.ts";
import {
  parseFilter,
  parseFilterMap,
  parseFilterText,
} from "../../lib/query/filter/parse_filter.ts";
import type { Patience } from "./ask_rows.ts";
import type { RequestedRange } from "./asked_range.ts";
import { filterRead } from "./query_parameters.ts";

/** A text that must not be empty. */
export const name = z.string("must be a text").min(1, "must not be empty")
  .max(TYPE_CHARS_MAX, `must not be longer than ${TYPE_CHARS_MAX} characters`);

/** Event types, or EVENT_TYPE_* names that mean categories. */
export const typeList = z.array(name, "must be a list of event types")
  .max(FILTER_TYPES_MAX, `must not name more than ${FILTER_TYPES_MAX} event types`);

/** Fields or properties and the text that each has to be. */
export const filtersMember = z.unknown().optional().meta({
  type: "object",
  additionalProperties: { type: "string" },
  description: "Fields or properties and the text that each has to be",
});

/** Conditions. */
export const filterMember = z.unknown().optional().meta({
  type: ["array", "string"],
  items: {},
  description: "A list of conditions, or that as JSON text (docs/ANALYTICS.md)",
});

/** Members of every body; spread them into a question's own shape. */
export const commonShape = {
  time_range: message({ start: time.optional(), end: time.optional() }).optional()
    .describe("Of all events that take part; the last 24 hours if missing"),
  event_types: typeList.optional().describe(
    "Only events of these types, or EVENT_TYPE_* categories",
  ),
  filters: filtersMember,
  filter: filterMember,
  timeout_seconds: wholeNumber(1, ROW_QUESTION_SECONDS_MAX).optional()
    .describe(`Longest wait, s; ${ROW_QUESTION_MS_DEFAULT / 1_000} if missing`),
};

/** The common members as read. */
export interface CommonBody {
  readonly time_range?: { readonly start?: number; readonly end?: number };
  readonly event_types?: readonly string[];
  readonly filters?: unknown;
  readonly filter?: unknown;
  readonly timeout_seconds?: number;
}

/** Reads the body of a request by the schema. Throws ProblemError. */
export async function readBody<T>(
  context: Context,
  bodies: BodyReader,
  schema: z.ZodType<T>,
): Promise<T> {
  requireJson(context.req.raw.headers);
  const body = await bodies.read(context.req.raw);
  try {
    return checkedBy(schema, jsonOf(body.bytes));
  } finally {
    body.release();
  }
}

/** The range of a body. */
export function rangeOf({ time_range: range }: CommonBody): RequestedRange {
  return { startMs: range?.start ?? null, endMs: range?.end ?? null };
}

/** All conditions of a body, or of an object in it; `place` is where that stands, "" = the body. */
export function filterOf(body: Omit<CommonBody, "time_range">, place = ""): Filter | null {
  const at = (member: string) => place === "" ? member : `${place}.${member}`;
  const { event_types: types = [], filters, filter } = body;
  return allOf([
    types.length === 0 ? null : isOfType(types),
    filters === undefined ? null : filterRead(parseFilterMap(filters, at("filters"))),
    filter === undefined ? null : filterRead(
      typeof filter === "string"
        ? parseFilterText(filter, at("filter"))
        : parseFilter(filter, at("filter")),
    ),
  ]);
}

/** Who asks, over whatever transport. */
export interface Asker {
  /** The project that may be read. */
  readonly project: string;
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
}

/** Who sent a request. The signal is made only where it is looked at: for every request it costs. */
export function askerOf(context: Context, projectOf: (context: Context) => string): Asker {
  return {
    project: projectOf(context),
    get gone() {
      return context.req.raw.signal;
    },
  };
}

/** How long an asker waits. */
export function patienceOfAsker(asker: Asker, timeoutSeconds: number | null | undefined): Patience {
  return {
    timeoutMs: timeoutSeconds == null ? null : 1_000 * timeoutSeconds,
    get gone() {
      return asker.gone;
    },
  };
}

/** How long the sender of a request waits. */
export function patienceOf(context: Context, timeoutSeconds: number | null | undefined): Patience {
  return patienceOfAsker(askerOf(context, () => ""), timeoutSeconds);
}
