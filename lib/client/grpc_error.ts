/** A failed gRPC call as the ApiError that REST gives for the same fault. */
import { Buffer } from "node:buffer";
import { loadDefinitions } from "../grpc/definitions.ts";
import { type AnyMessage, GrpcError } from "../grpc/grpc_channel.ts";
import { Status, statusName } from "../grpc/status_code.ts";
import { ApiError } from "./api_error.ts";

const SECOND_MS = 1_000;
const NANOS_OF_MS = 1_000_000;

/** The error as the client gives it; what is no GrpcError stays as it is. */
export function apiErrorOf(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  const { ErrorInfo, BadRequest, RetryInfo } = detailsOf(error);
  const hasCode = ErrorInfo?.metadata?.code !== undefined;
  const { UNAVAILABLE, DEADLINE_EXCEEDED, INVALID_ARGUMENT } = Status;
  return new ApiError({
    code: hasCode ? ErrorInfo.metadata.code : ownCode(error),
    detail: error.details,
    field: BadRequest?.field_violations?.[0]?.field,
    requestId: ErrorInfo?.metadata?.request_id ?? error.trailer("x-request-id"),
    retryAfterMs: durationMs(RetryInfo?.retry_delay),
    mayBeStored: error.code !== INVALID_ARGUMENT,
    // A message that is too long is RESOURCE_EXHAUSTED as well, but without RetryInfo.
    isRetryable: RetryInfo !== undefined || error.code === UNAVAILABLE ||
      error.code === DEADLINE_EXCEEDED,
    cause: error,
  });
}

/** A code where the server gave none: the connection failed, or the status's own name. */
function ownCode({ code }: GrpcError): string {
  if (code === Status.UNAVAILABLE) return "network";
  if (code === Status.DEADLINE_EXCEEDED) return "no_answer";
  return statusName(code).toLowerCase();
}

/** google.rpc details of a status, by their name. */
function detailsOf(error: GrpcError): Record<string, AnyMessage> {
  const bytes = error.trailer("grpc-status-details-bin");
  if (bytes === null) return {};
  const { message } = loadDefinitions();
  const status: AnyMessage = message("google.rpc.Status").deserialize(Buffer.from(bytes, "base64"));
  const known = ["ErrorInfo", "BadRequest", "RetryInfo"];
  return Object.fromEntries(
    status.details.flatMap(({ type_url, value }: AnyMessage) => {
      const name = type_url.slice(type_url.lastIndexOf(".") + 1);
      if (!known.includes(name)) return [];
      return [[name, message(`google.rpc.${name}`).deserialize(value)]];
    }),
  );
}

function durationMs(duration: AnyMessage): number {
  if (!duration) return 0;
  return Number(duration.seconds) * SECOND_MS + Math.ceil(duration.nanos / NANOS_OF_MS);
}
