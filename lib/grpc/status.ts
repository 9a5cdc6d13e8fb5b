/**
 * Refusals and failures as statuses of gRPC: the same codes of the one list that REST tells in
 * problem+json, here with google.rpc details in the trailer `grpc-status-details-bin`:
 *
 *     ErrorInfo    reason = the code in upper case, domain "rta", metadata: code, request_id
 *     BadRequest   the field at fault, where there is one
 *     RetryInfo    when to try again, where that helps
 */
import { GRPC_DETAIL_CHARS_MAX } from "../config/grpc_limits.ts";
import { RETRY_AFTER_SECONDS } from "../config/limits.ts";
import { type ReasonCode, REASONS } from "../event/reasons.ts";
import { ProblemError } from "../http/problem.ts";
import type { HeaderList } from "../http2/hpack.ts";
import { binaryText, encodeGrpcMessage } from "./call_headers.ts";
import { loadDefinitions } from "./definitions.ts";
import { Status, type StatusCode } from "./status_code.ts";

/** Domain of ErrorInfo: whose codes these are. */
export const ERROR_DOMAIN = "rta";

/** By HTTP status; a code whose status is not here is INTERNAL. */
const STATUS_OF_HTTP: ReadonlyMap<number, StatusCode> = new Map([
  [400, Status.INVALID_ARGUMENT],
  [401, Status.UNAUTHENTICATED],
  [403, Status.PERMISSION_DENIED],
  [404, Status.NOT_FOUND],
  [405, Status.UNIMPLEMENTED],
  [409, Status.FAILED_PRECONDITION],
  [413, Status.INVALID_ARGUMENT],
  [415, Status.INVALID_ARGUMENT],
  [422, Status.INVALID_ARGUMENT],
  [429, Status.RESOURCE_EXHAUSTED],
  [503, Status.UNAVAILABLE],
  [504, Status.DEADLINE_EXCEEDED],
]);

/** Codes whose gRPC status is not what their HTTP status says. */
const STATUS_OF_CODE: Partial<Record<ReasonCode, StatusCode>> = {
  body_too_large: Status.RESOURCE_EXHAUSTED,
};

/** The gRPC status of a code. */
export function statusOf(code: ReasonCode): StatusCode {
  return STATUS_OF_CODE[code] ?? STATUS_OF_HTTP.get(REASONS[code].status) ?? Status.INTERNAL;
}

/** What anything thrown means to the caller; what is not a ProblemError is `internal`. */
export function problemOf(error: unknown): ProblemError {
  return error instanceof ProblemError ? error : new ProblemError("internal", undefined, {
    cause: error,
  });
}

/** The trailers that end a call with a problem. */
export function problemTrailers(problem: ProblemError, requestId: string): HeaderList {
  const { code, options } = problem;
  // Peers take a few KiB of trailers, and this text is in them three times.
  const detail = problem.detail.slice(0, GRPC_DETAIL_CHARS_MAX);
  const status = statusOf(code);
  const reason = code.toUpperCase();
  const details = [
    detailOf("ErrorInfo", {
      reason,
      domain: ERROR_DOMAIN,
      metadata: { code, request_id: requestId },
    }),
  ];
  if (options.field !== undefined) {
    const field = options.field.slice(0, GRPC_DETAIL_CHARS_MAX);
    const violation = { field, description: detail, reason };
    details.push(detailOf("BadRequest", { field_violations: [violation] }));
  }
  const trailers: [string, string][] = [
    ["grpc-status", String(status)],
    ["grpc-message", encodeGrpcMessage(detail)],
  ];
  if (status === Status.RESOURCE_EXHAUSTED || status === Status.UNAVAILABLE) {
    const seconds = Math.max(1, Math.ceil(options.retryAfterSeconds ?? RETRY_AFTER_SECONDS));
    details.push(detailOf("RetryInfo", { retry_delay: { seconds } }));
    trailers.push(["retry-after", String(seconds)]);
  }
  const type = loadDefinitions().message("google.rpc.Status");
  const bytes = type.serialize({ code: status, message: detail, details });
  return [...trailers, ["grpc-status-details-bin", binaryText(bytes)]];
}

/** A google.protobuf.Any of a detail. */
function detailOf(name: string, value: object): { type_url: string; value: Uint8Array } {
  const type = loadDefinitions().message(`google.rpc.${name}`);
  return { type_url: `type.googleapis.com/google.rpc.${name}`, value: type.serialize(value) };
}
