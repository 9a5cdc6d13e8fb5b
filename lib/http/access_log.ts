/**
 * A line in the log for an answered request.
 *
 *     debug   requests that machines send all the time, when all is well or they are told to wait
 *     info    every other request
 *     error   failures of the server, with the error
 */
import { PATH_LOGGED_CHARS_MAX } from "../config/limits.ts";
import type { LoggedCaller } from "./admission.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceIdOf } from "../telemetry/trace_context.ts";

/** An answered request. */
export interface AnsweredRequest {
  readonly requestId: string;
  /** The trace that it is of (W3C); null = of none. */
  readonly traceparent: string | null;
  readonly method: string;
  readonly path: string;
  /** HTTP status. */
  readonly status: number;
  /** Time from the request's arrival to the answer, ms; undefined = not measured. */
  readonly durationMs: number | undefined;
  /** Whether machines send such requests all the time. */
  readonly isProbe: boolean;
  /** Who asked; null = it was not known. */
  readonly caller: LoggedCaller | null;
  /** What was thrown where the server is at fault, else null. */
  readonly failure: unknown;
}

/** Writes the line of one request. */
export function logAnswer(logger: Logger, answered: AnsweredRequest): void {
  const { failure, status, durationMs } = answered;
  const isExpected = status < 400 || status === 429;
  const level = failure !== null ? "error" : answered.isProbe && isExpected ? "debug" : "info";
  if (!logger.isLevelEnabled(level)) return;
  const line = {
    request_id: answered.requestId,
    trace_id: answered.traceparent === null ? undefined : traceIdOf(answered.traceparent),
    method: answered.method,
    path: shortened(answered.path),
    status,
    project: answered.caller?.project,
    key: answered.caller?.keyId ?? undefined,
    duration_ms: durationMs === undefined ? undefined : Math.round(durationMs * 1000) / 1000,
  };
  if (failure !== null) logger.error({ ...line, err: failure }, "request failed");
  else logger[level](line, "request");
}

/** A path that is fit to be logged and repeated. */
export function shortened(path: string): string {
  if (path.length <= PATH_LOGGED_CHARS_MAX) return path;
  return `${path.slice(0, PATH_LOGGED_CHARS_MAX)}…`;
}
