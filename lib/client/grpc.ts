/**
 * The client library over gRPC, for events: unary calls, batches and streams on a pool of
 * connections. It needs TCP, so Deno, Node or Bun; REST (mod.ts) runs in browsers too.
 */
import "./promise_with_resolvers.ts";
import { CLIENT_DEADLINE_MS } from "../config/client_limits.ts";
import type { AnyMessage, CallSettings, GrpcChannel } from "../grpc/grpc_channel.ts";
import type { ClientIdentity } from "../http2/connect_http2.ts";
import { ApiError, clientError } from "./api_error.ts";
import { numberWithin } from "./client_options.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { EventReceipt } from "./event_queue.ts";
import type { TypedEvent } from "./events.ts";
import { apiErrorOf } from "./grpc_error.ts";
import { eventMessage } from "./grpc_messages.ts";
import { ChannelPool, connectInTime, type PoolOptions } from "./grpc_pool.ts";
import { EventStream, type StreamOptions } from "./grpc_stream.ts";
import type { CallOptions } from "./http_transport.ts";
import { withRetries } from "./retry.ts";
import { uuidV7 } from "./uuid_v7.ts";

export type { EventStream, SentEvent, StreamOptions, StreamTotals } from "./grpc_stream.ts";
export type { PoolOptions } from "./grpc_pool.ts";
export type { ClientIdentity };

export interface GrpcOptions extends PoolOptions {
  /** `host:port`; 127.0.0.1:50051 if missing. */
  readonly address?: string;
  /** PEM of authorities; "" = those of the system; no TLS if missing. */
  readonly caCertificate?: string;
  /** Of mutual TLS: the certificate that the client shows, and its key, in PEM. */
  readonly identity?: ClientIdentity;
  readonly apiKey?: string;
  readonly token?: string;
  /** Compress what is sent. */
  readonly gzip?: boolean;
  /** Longest time for a call with all its attempts, or for a stream without an answer, ms; 60 s. */
  readonly deadlineMs?: number;
  readonly onRetry?: (error: ApiError, waitMs: number) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** What became of one event of a batch. */
export type GrpcOutcome = { readonly id: string; readonly error: ApiError | null };

const INGESTION = "analytics.v1.EventIngestionService";
const HEALTH = "grpc.health.v1.Health";

export class GrpcAnalyticsClient implements Disposable {
  readonly #options: GrpcOptions;
  readonly #deadlineMs: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #pool: ChannelPool<GrpcChannel>;

  /** Connects when the first call needs it. @throws ApiError `invalid_option` */
  constructor(options: GrpcOptions = {}) {
    const { clock = systemClock, random = Math.random, caCertificate = null } = options;
    this.#options = options;
    const preset = CLIENT_DEADLINE_MS;
    const range = { preset, min: 1, max: 2 ** 31 - 1 };
    this.#deadlineMs = numberWithin("deadlineMs", options.deadlineMs, range);
    [this.#clock, this.#random] = [clock, random];
    const { address = "127.0.0.1:50051", identity } = options;
    const place = { ...placeOf(address), caCertificate, identity };
    this.#pool = new ChannelPool({ clock, connect: () => connectInTime(place, clock) }, options);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#pool.connections;
  }

  /** Sends one event; resolves when it is durable. Rejects with ApiError. */
  async track(event: TypedEvent, options: CallOptions = {}): Promise<EventReceipt> {
    const { id, message } = eventMessage(event, this.#clock.now());
    await this.#call(INGESTION, "IngestEvent", { event: message }, options);
    return { id };
  }

  /** Sends 1 to 1,000 events in one call; gives the outcome of each. Rejects with ApiError. */
  async trackBatch(
    events: readonly TypedEvent[],
    options: CallOptions = {},
  ): Promise<GrpcOutcome[]> {
    const sent = events.map((event) => eventMessage(event, this.#clock.now()));
    const request = { events: sent.map(({ message }) => message) };
    const answer = await this.#call(INGESTION, "IngestEvents", request, options);
    const outcomes: GrpcOutcome[] = sent.map(({ id }) => ({ id, error: null }));
    for (const { field, message, code } of answer.validation_errors) {
      const [, index, place] = /^events\[(\d+)\]\.?(.*)$/s.exec(field) ?? [];
      const outcome = outcomes[Number(index ?? -1)];
      const error = new ApiError({ code, detail: message, field: place });
      if (outcome !== undefined) outcomes[Number(index)] = { id: outcome.id, error };
    }
    return outcomes;
  }

  /** A stream of events, which is opened with the first one. @throws ApiError `invalid_option` */
  stream(options: StreamOptions = {}): EventStream {
    const range = { preset: 1, min: 1, max: 2 ** 31 - 1 };
    numberWithin("window", options.window, range);
    return new EventStream({
      ...{ clock: this.#clock, random: this.#random, deadlineMs: this.#deadlineMs },
      onRetry: this.#options.onRetry,
      withCall: (signal, converse) =>
        this.#pool.use(async (channel) => {
          const settings = { ...this.#settings(), signal };
          await converse(channel.open(INGESTION, "StreamEvents", settings));
        }),
    }, options);
  }

  /** Whether the server, or a service of it by its full name, says that it takes calls. */
  async isServing(service = "", options: CallOptions = {}): Promise<boolean> {
    const { status } = await this.#call(HEALTH, "Check", { service }, options);
    return status === "SERVING";
  }

  /** Ends every connection; calls under way fail. Close streams before. */
  close(): void {
    this.#pool.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #call(
    service: string,
    method: string,
    request: AnyMessage,
    { signal, deadlineMs = this.#deadlineMs }: CallOptions,
  ): Promise<AnyMessage> {
    const parts = { clock: this.#clock, random: this.#random, onRetry: this.#options.onRetry };
    const settings = this.#settings();
    return withRetries(parts, { deadlineMs, signal }, async (leftMs) => {
      try {
        return await this.#pool.use((channel) =>
          channel.call(service, method, request, { ...settings, signal, timeoutMs: leftMs })
        );
      } catch (error) {
        throw apiErrorOf(error);
      }
    });
  }

  #settings(): CallSettings {
    const { apiKey, token, gzip } = this.#options;
    const metadata = {
      "x-request-id": uuidV7(this.#clock.now()),
      ...(apiKey === undefined ? {} : { "x-api-key": apiKey }),
      ...(token === undefined ? {} : { "authorization": `Bearer ${token}` }),
    };
    return { metadata, gzip };
  }
}

function placeOf(address: string): { host: string; port: number } {
  const [, host, port] = /^(?:dns:\/\/\/)?\[?([^\s/]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host !== undefined) return { host, port: Number(port) };
  const detail = `${address} is not an address such as 127.0.0.1:50051`;
  throw clientError("invalid_option", { field: "address", detail });
}
