/**
 * Refusals and failures as RFC 9457 problem details (`application/problem+json`):
 *
 *     { "type": "urn:rta:problem:too_long", "title": "a text field is too long", "status": 400,
 *       "detail": "id has more than 128 characters", "code": "too_long", "field": "id",
 *       "request_id": "..." }
 *
 * `code` is one of the closed list in lib/event/reasons.ts and never changes its meaning; `title` is
 * the list's sentence, `detail` what happened here. Members of a contract (`success`, `message`) may
 * be added, as RFC 9457 allows.
 */
import { RETRY_AFTER_SECONDS } from "../config/limits.ts";
import { type ReasonCode, REASONS } from "../event/reasons.ts";

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

/** What a problem may say beyond its code. */
export interface ProblemOptions {
  /** Field or parameter at fault. */
  readonly field?: string;
  /** `Retry-After`, seconds; RETRY_AFTER_SECONDS on 429 and 503 when missing. */
  readonly retryAfterSeconds?: number;
  /** Further members of the body. They cannot replace the ones of RFC 9457. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Further headers, such as `allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What lies behind a failure; logged, never sent. */
  readonly cause?: unknown;
}

/** Thrown anywhere below an HTTP handler to end the request with a problem. */
export class ProblemError extends Error {
  constructor(
    readonly code: ReasonCode,
    /** What happened here; the reason's general sentence when missing. */
    readonly detail: string = REASONS[code].message,
    readonly options: ProblemOptions = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = "ProblemError";
  }

  /** HTTP status. */
  get status(): number {
    return REASONS[this.code].status;
  }
}

/** The answer that a problem is, without the request id's header. */
export function problemResponse(problem: ProblemError, requestId: string): Response {
  const { code, detail, options, status } = problem;
  const body = {
    ...options.members,
    type: `urn:rta:problem:${code}`,
    title: REASONS[code].message,
    status,
    detail,
    code,
    field: options.field,
    request_id: requestId,
  };
  const response = new Response(JSON.stringify(body), { status });
  response.headers.set("content-type", PROBLEM_CONTENT_TYPE);
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    response.headers.set(name, value);
  }
  if (status === 429 || status === 503) {
    const seconds = Math.max(1, Math.ceil(options.retryAfterSeconds ?? RETRY_AFTER_SECONDS));
    response.headers.set("retry-after", String(seconds));
  }
  return response;
}
