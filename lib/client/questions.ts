/**
 * What can be asked, with the names of the REST API (docs/REST_API.md), and how it goes over the
 * wire: as a query string or as a JSON body.
 */
import { type EventTypeName, type Instant, instantText } from "./events.ts";

/** Half open: `start` is inside, `end` is not. */
export interface TimeRange {
  readonly start?: Instant;
  readonly end?: Instant;
}

/** A condition on a field or property, or a group of them (docs/ANALYTICS.md, Filters). */
export type Condition =
  | {
    readonly property: string;
    readonly op: "eq" | "neq" | "contains" | "starts_with" | "gt" | "gte" | "lt" | "lte";
    readonly value: string | number | boolean;
  }
  | {
    readonly property: string;
    readonly op: "in" | "not_in";
    readonly value: readonly (string | number | boolean)[];
  }
  | { readonly property: string; readonly op: "exists" | "not_exists" }
  | { readonly or: readonly Condition[] }
  | { readonly and: readonly Condition[] };

/** Which events. */
export interface EventChoice {
  readonly event_types?: readonly (string | EventTypeName)[];
  /** Fields or properties that are equal to a text. */
  readonly filters?: Readonly<Record<string, string>>;
  readonly filter?: readonly Condition[];
}

/** What nearly every question takes. */
export interface Question extends EventChoice {
  /** The last 24 hours if missing. */
  readonly time_range?: TimeRange;
  /** Longest wait of the platform for an answer that needs rows, 1 to 120; 30 if missing. */
  readonly timeout_seconds?: number;
}

export type Granularity = "minute" | "hour" | "day" | "week" | "month";

export interface TimeSeriesQuestion extends Question {
  /** `events`, `users`, `sum:amount`, ... */
  readonly metric: string;
  readonly granularity?: Granularity;
  /** IANA name of a time zone. */
  readonly tz?: string;
  readonly group_by?: readonly string[];
}

export interface BreakdownQuestion extends Question {
  readonly metric: string;
  readonly group_by: readonly string[];
  readonly limit?: number;
  readonly granularity?: Granularity;
  readonly tz?: string;
}

export interface FunnelStep {
  readonly name?: string;
  readonly event_type?: string;
  readonly filters?: Readonly<Record<string, string>>;
  readonly filter?: readonly Condition[];
  readonly optional?: boolean;
}

export interface FunnelQuestion extends Question {
  readonly steps: readonly FunnelStep[];
  readonly order?: "sequential" | "strict" | "any";
  /** Such as `"86400s"`. */
  readonly window?: string;
  readonly step_timeout?: string;
  readonly exclusions?: readonly Omit<FunnelStep, "optional">[];
  readonly breakdown?: string;
  readonly breakdown_limit?: number;
}

export interface FunnelUsersQuestion extends FunnelQuestion {
  /** From 1 on. */
  readonly step: number;
  readonly outcome: "converted" | "dropped";
  readonly limit?: number;
  readonly page_token?: string;
}

export interface RetentionQuestion extends Question {
  readonly granularity?: "day" | "week" | "month";
  readonly tz?: string;
  readonly start?: EventChoice;
  readonly return?: EventChoice;
  readonly mode?: "exact" | "rolling";
  readonly cohort?: "first_in_range" | "first_ever";
  readonly periods?: number;
}

export interface StickinessQuestion extends Question {
  readonly granularity?: "week" | "month";
  readonly tz?: string;
}

export interface PathsQuestion extends Question {
  /** One of `from` and `to`: an event type, or a choice of events. */
  readonly from?: string | EventChoice;
  readonly to?: string | EventChoice;
  readonly depth?: number;
  readonly limit?: number;
  readonly scope?: "session" | "user";
  readonly within_seconds?: number;
  readonly collapse_repeats?: boolean;
}

export interface UserQuestion extends Question {
  readonly tz?: string;
  readonly include_sessions?: boolean;
  readonly sessions_limit?: number;
  readonly sessions_page_token?: string;
  readonly include_events?: boolean;
  readonly limit?: number;
  readonly page_token?: string;
  readonly attribute_events?: number;
}

export interface UsersQuestion {
  readonly prefix?: string;
  readonly limit?: number;
  readonly page_token?: string;
  readonly timeout_seconds?: number;
}

export interface ExportQuestion extends EventChoice {
  readonly time_range?: TimeRange;
  /** `parquet` has no lines: ask for it by any HTTP client. */
  readonly format?: "ndjson" | "csv";
  readonly columns?: readonly string[];
  readonly allow_missing?: boolean;
}

export interface SqlQuestion {
  readonly sql: string;
  readonly time_range?: TimeRange;
  readonly timeout_seconds?: number;
  readonly allow_missing?: boolean;
}

export interface LiveQuestion extends EventChoice {
  readonly window_seconds?: number;
  readonly top?: string;
  readonly top_limit?: number;
}

export interface LiveEventsQuestion extends EventChoice {
  readonly sample?: number;
  readonly max_per_second?: number;
}

export interface DeadLetterFilter {
  readonly reason?: string;
  readonly topic?: string;
  readonly partition?: number;
  /** Set aside at `from` or later, and before `to`. */
  readonly from?: Instant;
  readonly to?: Instant;
  readonly q?: string;
  readonly state?: "waiting" | "replayed" | "all";
}

export interface DeadLettersQuestion extends DeadLetterFilter {
  readonly limit?: number;
  readonly page_token?: string;
}

/** Which letters, in one of three ways. */
export type DeadLetterChoice =
  | { readonly ids: readonly string[] }
  | {
    readonly letters: readonly {
      readonly id: string;
      readonly payload: string;
      readonly payload_encoding?: "text" | "base64";
    }[];
  }
  | { readonly filter: DeadLetterFilter; readonly limit?: number; readonly page_token?: string };

/** A question as a query string: lists repeat, ranges and maps have their names in the key. */
export function queryOf(question: object): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(question)) {
    if (value === undefined) continue;
    if (name === "time_range") {
      for (const [end, instant] of Object.entries(value as TimeRange)) {
        if (instant !== undefined) query.set(`time_range.${end}`, instantText(instant as Instant));
      }
    } else if (name === "filters") {
      for (const [key, text] of Object.entries(value)) query.set(`filters[${key}]`, String(text));
    } else if (name === "filter") {
      query.set(name, JSON.stringify(value));
    } else if (Array.isArray(value)) {
      for (const each of value) query.append(name, String(each));
    } else {
      query.set(name, value instanceof Date ? instantText(value) : String(value));
    }
  }
  return query;
}

/** A question as a JSON body: JSON writes a Date as RFC 3339, and leaves out what is undefined. */
export function bodyOf(question: object): { bytes: Uint8Array<ArrayBuffer>; type: string } {
  return { bytes: new TextEncoder().encode(JSON.stringify(question)), type: "application/json" };
}
