/**
 * A connection to a gRPC server, and calls on it: the client half of lib/grpc, on the same HTTP/2.
 * Statuses come as GrpcError with the details that the server gave.
 */
import { Buffer } from "node:buffer";
import { BODY_BYTES_MAX } from "../config/limits.ts";
import { connectHttp2, type Http2Place } from "../http2/connect_http2.ts";
import { Http2Connection, type Http2Transport } from "../http2/connection.ts";
import type { HeaderList } from "../http2/hpack.ts";
import { type Http2Stream, StreamReset } from "../http2/stream.ts";
import { decodeGrpcMessage, timeoutText } from "./call_headers.ts";
import { loadDefinitions } from "./definitions.ts";
import type { LibraryDefinition, LibraryMethod } from "./library_service.ts";
import { messageFrame, MessageReader } from "./message_frames.ts";
import { Status, type StatusCode, statusName } from "./status_code.ts";

/** Longest time that a timer can hold, ms: 24 days. */
const TIMER_MS_MAX = 2_147_483_647;

/** What a call ended with, when not with an answer. */
export class GrpcError extends Error {
  constructor(
    readonly code: StatusCode,
    readonly details: string,
    /** Trailers of the call. */
    readonly trailers: HeaderList,
  ) {
    super(`${statusName(code)}: ${details}`);
    this.name = "GrpcError";
  }

  /** The first trailer of a name, or null. */
  trailer(name: string): string | null {
    return this.trailers.find(([each]) => each === name)?.[1] ?? null;
  }
}

export interface CallSettings {
  /** Headers of the call, lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Compress what is sent by gzip. */
  readonly gzip?: boolean;
}

/** A message as proto-loader has it. */
// deno-lint-ignore no-explicit-any -- messages of every service
export type AnyMessage = any;

/** A call that is open: messages go out and come in. */
export interface OpenCall extends AsyncIterable<AnyMessage> {
  /** Sends a message; resolves when there is room for the next one. */
  send(message: AnyMessage): Promise<void>;
  /** No more messages will be sent. */
  finish(): void;
  /** Ends the call at once. */
  cancel(): void;
}

export class GrpcChannel implements Disposable {
  readonly #connection: Http2Connection;
  readonly #authority: string;
  readonly #scheme: string;

  private constructor(connection: Http2Connection, authority: string, scheme: string) {
    this.#connection = connection;
    this.#authority = authority;
    this.#scheme = scheme;
  }

  /** Connects. Rejects with GrpcError UNAVAILABLE. */
  static async connect(place: Http2Place): Promise<GrpcChannel> {
    const { host, port, caCertificate } = place;
    const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    let transport: Http2Transport;
    try {
      transport = await connectHttp2(place);
    } catch (error) {
      throw new GrpcError(Status.UNAVAILABLE, `${authority} can't be reached: ${error}`, []);
    }
    const connection = new Http2Connection(transport, { isServer: false });
    void connection.run();
    return new GrpcChannel(connection, authority, caCertificate === null ? "http" : "https");
  }

  /** Whether calls can be made. */
  get isOpen(): boolean {
    return !this.#connection.isLeaving;
  }

  /** Calls under way. */
  get active(): number {
    return this.#connection.active;
  }

  /** Asks the server for a sign of life; resolves when it has come, or the connection has ended. */
  ping(): Promise<void> {
    return this.#connection.ping();
  }

  /** Calls a unary method. Rejects with GrpcError. */
  async call(
    service: string,
    method: string,
    request: AnyMessage,
    settings: CallSettings = {},
  ): Promise<AnyMessage> {
    const call = this.open(service, method, settings);
    await call.send(request);
    call.finish();
    let answer: AnyMessage;
    for await (const message of call) answer ??= message;
    return answer;
  }

  /** Opens a call of any kind. Throws GrpcError UNAVAILABLE when the connection is gone. */
  open(service: string, method: string, settings: CallSettings = {}): OpenCall {
    const definition = loadDefinitions().service(service) as unknown as LibraryDefinition;
    const defined = definition[method];
    let stream: Http2Stream;
    try {
      stream = this.#connection.open(this.#headers(defined.path, settings));
    } catch (error) {
      throw failureOf(error);
    }
    return new ClientCall(stream, defined, settings);
  }

  /** Ends the connection and all its calls. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #headers(path: string, { metadata = {}, timeoutMs, gzip }: CallSettings): HeaderList {
    return [
      [":method", "POST"],
      [":scheme", this.#scheme],
      [":path", path],
      [":authority", this.#authority],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ...(gzip ? [["grpc-encoding", "gzip"] as const] : []),
      ["grpc-accept-encoding", "identity,gzip"],
      ...(timeoutMs === undefined ? [] : [["grpc-timeout", timeoutText(timeoutMs)] as const]),
      ...Object.entries(metadata),
    ];
  }
}

class ClientCall implements OpenCall {
  readonly #stream: Http2Stream;
  readonly #method: LibraryMethod;
  readonly #isGzip: boolean;
  readonly #end: () => void;
  /** Why the call was ended from here. */
  #ended: GrpcError | null = null;

  constructor(stream: Http2Stream, method: LibraryMethod, settings: CallSettings) {
    this.#stream = stream;
    this.#method = method;
    this.#isGzip = settings.gzip ?? false;
    const { timeoutMs, signal } = settings;
    const stop = (code: StatusCode, why: string) => {
      this.#ended ??= new GrpcError(code, why, []);
      stream.cancel();
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      stop(Status.DEADLINE_EXCEEDED, `no answer within ${timeoutMs} ms`);
    }, timeoutMs);
    const abort = () => stop(Status.CANCELLED, "the call was cancelled");
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    this.#end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  }

  async send(message: AnyMessage): Promise<void> {
    try {
      const serialize =
        (this.#method as unknown as { requestSerialize: (m: unknown) => Uint8Array })
          .requestSerialize;
      await this.#stream.write(messageFrame(serialize(message), this.#isGzip));
    } catch (error) {
      // A call that has ended says why where its answer is read.
      if (!(error instanceof StreamReset)) throw error;
    }
  }

  finish(): void {
    void this.#stream.write(new Uint8Array(0), true).catch(() => {});
  }

  cancel(): void {
    this.#ended ??= new GrpcError(Status.CANCELLED, "the call was cancelled", []);
    this.#stream.cancel();
    this.#end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AnyMessage> {
    const { responseDeserialize } = this.#method as unknown as {
      responseDeserialize: (bytes: Buffer) => AnyMessage;
    };
    try {
      const headers = await this.#stream.response();
      const isGzip = headers.some(([name, value]) => name === "grpc-encoding" && value === "gzip");
      const reader = new MessageReader(this.#stream, {
        isGzip,
        bytesMax: 4 * BODY_BYTES_MAX,
        // How long an answer may take is the call's deadline.
        messageMsMax: TIMER_MS_MAX,
      });
      for (let bytes = await reader.next(); bytes !== null; bytes = await reader.next()) {
        yield responseDeserialize(Buffer.from(bytes));
      }
      throwStatus(this.#stream.trailers ?? headers);
    } catch (error) {
      throw this.#ended ?? failureOf(error);
    } finally {
      this.#end();
      if (this.#stream.isDone) this.#stream.discard();
      else this.#stream.cancel();
    }
  }
}

function throwStatus(trailers: HeaderList): void {
  const header = (name: string) => trailers.find(([each]) => each === name)?.[1] ?? null;
  const status = header("grpc-status");
  if (status === "0") return;
  const http = header(":status");
  const code = status === null ? Status.UNKNOWN : Number(status) as StatusCode;
  const said = header("grpc-message");
  const details = said === null ? `HTTP status ${http}` : decodeGrpcMessage(said);
  throw new GrpcError(code, details, trailers);
}

function failureOf(error: unknown): Error {
  if (error instanceof StreamReset) {
    return new GrpcError(Status.UNAVAILABLE, "the connection or the stream has ended", []);
  }
  return error instanceof Error ? error : new Error(String(error));
}
