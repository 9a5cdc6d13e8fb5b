/**
 * What every call goes through, whatever its method: request id, credentials, deadline, metrics and
 * access log around a handler that knows messages only. As lib/http/app.ts does for requests.
 */
import type { AdmittedCall } from "../auth/grpc_admission.ts";
import type { Quota } from "../auth/quota.ts";
import type { Role } from "../config/variables.ts";
import { BODY_BYTES_MAX } from "../config/limits.ts";
import { ProblemError } from "../http/problem.ts";
import { isRequestId, REQUEST_ID_HEADER } from "../http/request_id.ts";
import { NO_ERROR } from "../http2/frames.ts";
import { type Http2Stream, StreamReset } from "../http2/stream.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { traceIdOf, TRACEPARENT_HEADER, traceparentOf } from "../telemetry/trace_context.ts";
import { tracing } from "../telemetry/tracing.ts";
import type { CallGate } from "./call_gate.ts";
import { timeoutMsOf } from "./call_headers.ts";
import type { HeldBytes } from "./held_bytes.ts";
import { messageFrame, MessageFrames, MessageReader } from "./message_frames.ts";
import { problemOf, problemTrailers, statusOf } from "./status.ts";
import { Status, type StatusCode, statusName } from "./status_code.ts";

/** Who calls, as far as the call's metadata tells. */
export interface CallContext {
  readonly requestId: string;
  /** The trace that the call is of (W3C); null = of none. */
  readonly traceparent: string | null;
  /** The project that the call may act on. */
  readonly project: string;
  /** What may be stored for the call; null = any number of events. */
  readonly quota: Quota | null;
  /** Aborted when the client has gone or its deadline is over; the reason is a ProblemError. */
  readonly signal: AbortSignal;
  /** The first value of a metadata key, or null. */
  header(name: string): string | null;
}

export interface CallOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly gate: CallGate;
  /** Where the bytes of messages under way are counted. */
  readonly held: HeldBytes;
  /** Lets a call in. Throws ProblemError when it may not be made. */
  readonly admit: (
    path: string,
    header: (name: string) => string | null,
  ) => Promise<AdmittedCall>;
}

export type UnaryHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response>;

/** Answers with any number of messages: `write` resolves when there is room for the next one. */
export type StreamHandler<Request, Response> = (
  request: Request,
  write: (response: Response) => Promise<void>,
  context: CallContext,
) => Promise<void>;

/** Reads requests as they come and writes responses, single ones or several that are encoded. */
export type DuplexHandler<Request, Response> = (
  requests: AsyncIterable<Request>,
  write: (response: Response | MessageFrames) => Promise<void>,
  context: CallContext,
) => Promise<void>;

/** A method as a service lists it. `raw`: its requests are the bytes of the messages, undecoded. */
export type Method<Request = unknown, Response = unknown> =
  & { readonly raw?: true }
  & (
    | { readonly unary: UnaryHandler<Request, Response> }
    | { readonly stream: StreamHandler<Request, Response> }
    | { readonly duplex: DuplexHandler<Request, Response> }
  );

/** A method with what goes over the wire. */
export interface ServedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly role: Role;
  // deno-lint-ignore no-explicit-any -- each method has messages of its own
  readonly method: Method<any, any>;
  /** Throws when the bytes are no such message. */
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode: (message: unknown) => Uint8Array;
}

/** Longest deadline that a timer can hold, ms: 24 days. */
const DEADLINE_MS_MAX = 2_147_483_647;

const CREDENTIALS_ENDED = "the key or token of this call has ended";

/** Serves one call; never throws. */
export async function serveCall(
  stream: Http2Stream,
  served: ServedMethod,
  options: CallOptions,
): Promise<void> {
  const { logger, metrics, gate, admit } = options;
  const { path, role } = served;
  const startedMs = performance.now();
  const header = (name: string) => stream.header(name);
  const given = header(REQUEST_ID_HEADER);
  const requestId = given !== null && isRequestId(given) ? given : crypto.randomUUID();
  const givenTrace = traceparentOf(header(TRACEPARENT_HEADER));
  const span = tracing?.startCall(path, givenTrace) ?? null;
  const traceparent = span?.traceparent ?? givenTrace;
  const exchange = new Exchange(stream, requestId, acceptsGzip(stream));
  const end = new AbortController();
  const expire = (what: string) => end.abort(new ProblemError("deadline_exceeded", what));
  const timeoutMs = timeoutMsOf(header("grpc-timeout"));
  const timer = timeoutMs === null ? undefined : setTimeout(
    () => expire("the call's deadline is over"),
    Math.min(timeoutMs, DEADLINE_MS_MAX),
  );
  stream.onReset = () => expire("the client has gone");
  metrics.grpcMeter.begin(role);
  let code: StatusCode = Status.OK;
  let failure: unknown = null;
  let entered = false;
  let reader: MessageReader | null = null;
  let admitted: AdmittedCall | null = null;
  try {
    gate.enter();
    entered = true;
    admitted = await admit(path, header);
    const { project, quota } = admitted;
    admitted.whileGood(() => end.abort(new ProblemError("unauthenticated", CREDENTIALS_ENDED)));
    const context = { requestId, traceparent, project, quota, signal: end.signal, header };
    reader = messagesOf(stream, options.held);
    await withinSignal(end.signal, run(reader, served, exchange, context));
    exchange.end([["grpc-status", "0"]]);
  } catch (error) {
    const isGone = stream.reset !== null || error instanceof StreamReset;
    const problem = problemOf(end.signal.aborted ? end.signal.reason : error);
    code = isGone ? Status.CANCELLED : statusOf(problem.code);
    metrics.errors.inc({ service: role, error_type: isGone ? "cancelled" : problem.code });
    if (!isGone && problem.status >= 500) failure = error;
    exchange.end(problemTrailers(problem, requestId));
  } finally {
    clearTimeout(timer);
    reader?.release();
    admitted?.end();
    if (entered) gate.leave();
    const durationMs = performance.now() - startedMs;
    metrics.grpcMeter.end(role, path, statusName(code), durationMs / 1_000);
    span?.end(code === Status.OK ? undefined : statusName(code));
    logCall(logger, { requestId, traceparent, path, code, admitted, durationMs, failure });
  }
}

/** The answering side of a stream. */
class Exchange {
  readonly #stream: Http2Stream;
  readonly #requestId: string;
  readonly #isGzip: boolean;
  #begun = false;

  constructor(stream: Http2Stream, requestId: string, isGzip: boolean) {
    this.#stream = stream;
    this.#requestId = requestId;
    this.#isGzip = isGzip;
  }

  /** Sends a message once there is room for it. */
  send(message: Uint8Array): Promise<void> {
    return this.sendFrames(messageFrame(message, this.#isGzip));
  }

  /** The same with messages that have their prefixes. */
  async sendFrames(frames: Uint8Array): Promise<void> {
    this.#begin(false);
    await this.#stream.write(frames);
  }

  /** Ends with these trailers; where nothing was sent they are all there is. */
  end(trailers: readonly (readonly [string, string])[]): void {
    if (this.#stream.reset !== null) return;
    if (this.#begun) this.#stream.sendHeaders(trailers, true);
    else this.#stream.sendHeaders([...this.#headers(), ...trailers], true);
    // A client that still sends is told that nobody reads it.
    if (!this.#stream.remoteEnded) this.#stream.cancel(NO_ERROR);
    else this.#stream.discard();
  }

  #begin(isEnd: boolean): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#stream.sendHeaders(this.#headers(), isEnd);
  }

  #headers(): [string, string][] {
    return [
      [":status", "200"],
      ["content-type", "application/grpc"],
      [REQUEST_ID_HEADER, this.#requestId],
      ...(this.#isGzip ? [["grpc-encoding", "gzip"] as [string, string]] : []),
      ["grpc-accept-encoding", "identity,gzip"],
    ];
  }
}

function messagesOf(stream: Http2Stream, held: HeldBytes): MessageReader {
  const encoding = stream.header("grpc-encoding") ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new ProblemError("unsupported_encoding", "send messages plain, or with gzip");
  }
  const isGzip = encoding === "gzip";
  return new MessageReader(stream, { isGzip, bytesMax: BODY_BYTES_MAX, held });
}

async function run(
  reader: MessageReader,
  { method, decode, encode }: ServedMethod,
  exchange: Exchange,
  context: CallContext,
): Promise<void> {
  const read = (bytes: Uint8Array) => method.raw ? bytes : decoded(decode, bytes);
  const write = (response: unknown) => {
    context.signal.throwIfAborted();
    if (response instanceof MessageFrames) return exchange.sendFrames(response.bytes);
    return exchange.send(encode(response));
  };
  if ("duplex" in method) {
    return await method.duplex(requestsOf(reader, read), write, context);
  }
  const bytes = await reader.next(true);
  if (bytes === null) throw new ProblemError("invalid_message", "a request is missing");
  if ("unary" in method) await write(await method.unary(read(bytes), context));
  else await method.stream(read(bytes), write, context);
}

function decoded(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new ProblemError("invalid_message", undefined, { cause });
  }
}

async function* requestsOf(reader: MessageReader, read: (bytes: Uint8Array) => unknown) {
  for (let bytes = await reader.next(); bytes !== null; bytes = await reader.next()) {
    yield read(bytes);
  }
}

/** Rejects as soon as the signal is aborted, whatever the work does then. */
function withinSignal(signal: AbortSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Who sends gzip gets gzip. */
function acceptsGzip(stream: Http2Stream): boolean {
  const accepted = (stream.header("grpc-accept-encoding") ?? "").split(",");
  return stream.header("grpc-encoding") === "gzip" &&
    accepted.some((each) => each.trim() === "gzip");
}

interface EndedCall {
  readonly requestId: string;
  readonly traceparent: string | null;
  readonly path: string;
  readonly code: StatusCode;
  readonly admitted: AdmittedCall | null;
  readonly durationMs: number;
  readonly failure: unknown;
}

/** One line a call: calls that went well at debug, as direct routes of HTTP. */
function logCall(logger: Logger, ended: EndedCall): void {
  const { requestId, traceparent, path, code, admitted, durationMs, failure } = ended;
  const level = failure !== null ? "error" : code === Status.OK ? "debug" : "info";
  if (!logger.isLevelEnabled(level)) return;
  const line = {
    request_id: requestId,
    trace_id: traceparent === null ? undefined : traceIdOf(traceparent),
    method: path,
    code: statusName(code),
    project: admitted?.project,
    key: admitted?.keyId ?? undefined,
    duration_ms: Math.round(durationMs * 1_000) / 1_000,
  };
  if (failure !== null) logger.error({ ...line, err: failure }, "call failed");
  else logger[level](line, "call");
}
