/**
 * What a request of the client library fails with: the platform's own code and place, or a code of
 * the client's where the platform did not answer.
 */
import { CLIENT_QUOTED_CHARS_MAX } from "../config/client_limits.ts";

const SECOND_MS = 1_000;

/** Codes that the client itself gives; all others are of the platform's closed list. */
export const CLIENT_CODES = {
  network: "the platform can't be reached, or its answer broke off",
  no_answer: "there was no answer in time",
  queue_full: "too many events wait; await ready(), or send less",
  event_too_large: "the event is too large for one request",
  invalid_event: "the event can't be written as JSON",
  invalid_option: "an option or a parameter of a call is not valid",
  client_closed: "the client is closed",
  unexpected_answer: "the answer is not one of this platform",
} as const;

export type ClientCode = keyof typeof CLIENT_CODES;

export interface ApiErrorParts {
  readonly code: string;
  readonly detail: string;
  /** HTTP status; 0 where there was none, as over gRPC. */
  readonly status?: number;
  readonly field?: string | null;
  readonly requestId?: string | null;
  /** The platform asks to wait this long, ms. */
  readonly retryAfterMs?: number;
  /** Events may have been stored although the request failed. */
  readonly mayBeStored?: boolean;
  readonly isRetryable?: boolean;
  /** The whole answer. */
  readonly answer?: unknown;
  readonly cause?: unknown;
}

/** A refusal or failure. */
export class ApiError extends Error {
  /** Of the platform's closed list, or a ClientCode. */
  readonly code: string;
  /** What is wrong, and how to mend it. */
  readonly detail: string;
  /** HTTP status; 0 where there was none. */
  readonly status: number;
  /** Which field or parameter is at fault; null = none, or not told. */
  readonly field: string | null;
  /** Names the entry in the platform's log; null = it has none. */
  readonly requestId: string | null;
  /** The platform asks to wait this long, ms; 0 = it does not. */
  readonly retryAfterMs: number;
  /** Whether the events may be stored all the same: send them again with the same ids to be sure. */
  readonly mayBeStored: boolean;
  /** Whether the same request may succeed later. */
  readonly isRetryable: boolean;
  /** The answer as it was read: of a batch, it has the verdicts. */
  readonly answer: unknown;
  /** How often it was tried. */
  attempts = 1;

  constructor(parts: ApiErrorParts) {
    const place = parts.field ? ` at ${parts.field}` : "";
    super(`${parts.code}${place}: ${parts.detail}`, { cause: parts.cause });
    this.name = "ApiError";
    this.code = parts.code;
    this.detail = parts.detail;
    this.status = parts.status ?? 0;
    this.field = parts.field || null;
    this.requestId = parts.requestId ?? null;
    this.retryAfterMs = parts.retryAfterMs ?? 0;
    this.mayBeStored = parts.mayBeStored ?? false;
    this.isRetryable = parts.isRetryable ?? false;
    this.answer = parts.answer ?? null;
  }
}

/** An error of the client's own. */
export function clientError(
  code: ClientCode,
  parts: Partial<ApiErrorParts> = {},
): ApiError {
  return new ApiError({ detail: CLIENT_CODES[code], ...parts, code });
}

/** HTTP statuses after which the same request may succeed. */
const retryableStatuses = new Set([429, 503, 504]);

/**
 * The error of an answer that is none of success.
 * @param nowMs of the clock, ms since the epoch, for a Retry-After that is a date
 */
export function errorOfAnswer(
  { status, headers }: Pick<Response, "status" | "headers">,
  text: string,
  nowMs: number,
): ApiError {
  const answer = objectIn(text);
  const quoted = text.slice(0, CLIENT_QUOTED_CHARS_MAX).trim();
  const detail = answer?.detail ?? answer?.message ?? `answered ${status}: ${quoted}`;
  return new ApiError({
    code: String(answer?.code ?? "unexpected_answer"),
    detail: String(detail),
    status,
    field: typeof answer?.field === "string" ? answer.field : null,
    requestId: headers.get("x-request-id"),
    retryAfterMs: retryAfterMs(headers.get("retry-after"), nowMs),
    // Only what was refused before any work is surely not stored.
    mayBeStored: status >= 429,
    isRetryable: retryableStatuses.has(status),
    answer,
  });
}

/** `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3), as ms from now; 0 = none. */
export function retryAfterMs(value: string | null, nowMs: number): number {
  if (value === null) return 0;
  const text = value.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * SECOND_MS : Date.parse(text) - nowMs;
  return waitMs > 0 ? waitMs : 0;
}

function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
