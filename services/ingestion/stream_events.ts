/**
 * StreamEvents: events in, one response for each, in their order, and the state of the stream.
 *
 *     requests -> gather (batch_size, flush_interval) -> accept -> responses in order
 *
 * Without a config, what has come by the next turn of the event loop is one batch. At most
 * STREAM_BATCHES_MAX batches are under way: until one of them is durable and its responses are
 * taken by the client, no more requests are read, and gRPC's flow control holds the client back.
 */
import { clearImmediate, setImmediate } from "node:timers";
import { BODY_BYTES_MAX, EVENTS_PER_V1_BATCH_MAX } from "../../lib/config/limits.ts";
import {
  STREAM_BATCHES_MAX,
  STREAM_FLUSH_MS_MAX,
  STREAM_STATUS_MS,
} from "../../lib/config/grpc_limits.ts";
import { splitProtoRequest } from "../../lib/event/proto_request.ts";
import type { CallContext } from "../../lib/grpc/call.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { MessageFrames } from "../../lib/grpc/message_frames.ts";
import { msOf, type SecondsAndNanos } from "../../lib/grpc/well_known.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { EventAcceptor, ProtoAnswer } from "./accept_events.ts";
import type { DecodeEvent, ProtoPart } from "./proto_events.ts";
import type { StreamAnswers } from "./stream_answers.ts";

export interface StreamParts {
  readonly acceptor: EventAcceptor;
  readonly decode: DecodeEvent;
  readonly answers: StreamAnswers;
  /** `metadata` of a response. */
  readonly metadataSince: (startedMs: number) => unknown;
}

/** `analytics.v1.StreamConfig`. */
interface ConfigMessage {
  readonly batch_size: number;
  readonly flush_interval: SecondsAndNanos | null;
}

/** Writes a response, or encoded ones. */
type Write = (response: unknown) => Promise<void>;

/** Serves one stream; resolves when the client has ended its side and all is answered. */
export async function streamEvents(
  parts: StreamParts,
  requests: AsyncIterable<Uint8Array>,
  write: Write,
  context: CallContext,
): Promise<void> {
  const stream = new EventStream(parts, write, context);
  await stream.tell("connected");
  const status = setInterval(() => stream.tellSoon("streaming"), STREAM_STATUS_MS);
  try {
    for await (const request of requests) await stream.take(request);
    await stream.end();
  } catch (error) {
    // What came before it is answered: it will be stored.
    await stream.settle();
    throw error;
  } finally {
    clearInterval(status);
    stream.stop();
  }
}

class EventStream {
  readonly #parts: StreamParts;
  readonly #write: Write;
  readonly #context: CallContext;
  /** Gathered and not handed on yet. */
  #gathered: ProtoPart[] = [];
  #gatheredBytes = 0;
  #batchSize = EVENTS_PER_V1_BATCH_MAX;
  /** null = by the next turn of the event loop. */
  #flushMs: number | null = null;
  /** Takes the next flush back; null = none is to come. */
  #flush: (() => void) | null = null;
  /** Ends of the batches under way, oldest first; each writes after the one before. */
  readonly #batches: Promise<void>[] = [];
  #lastWritten: Promise<void> = Promise.resolve();
  #pending = 0;
  /** A state is to be written: a client that does not read gets no second one. */
  #isTelling = false;
  #failure: unknown = null;

  constructor(parts: StreamParts, write: Write, context: CallContext) {
    this.#parts = parts;
    this.#write = write;
    this.#context = context;
  }

  /** Takes one request; resolves when there is room for the next one. */
  async take(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const split = splitProtoRequest(bytes);
    if (split === null) throw new ProblemError("invalid_message");
    const { events, options: config } = split;
    if (events.length > 2 || (events.length > 0) === (config.length > 0)) {
      const detail = "a request of a stream holds either an event or a config";
      throw new ProblemError("invalid_message", detail, { field: "request" });
    }
    if (events.length === 0) return this.#configure(bytes.subarray(config[0], config[1]));
    this.#gathered.push({ bytes, events });
    this.#pending++;
    this.#gatheredBytes += bytes.length;
    const isFull = this.#gathered.length >= this.#batchSize || this.#gatheredBytes > BODY_BYTES_MAX;
    if (isFull) this.#handOver();
    else this.#flush ??= this.#flushLater();
    while (this.#batches.length >= STREAM_BATCHES_MAX) await this.#batches[0];
    if (this.#failure !== null) throw this.#failure;
  }

  /** Answers all that was taken. */
  async end(): Promise<void> {
    this.#handOver();
    await Promise.all(this.#batches);
    if (this.#failure !== null) throw this.#failure;
    await this.tell("ended");
  }

  /** Hands over what was taken and waits for its answers; never throws. */
  async settle(): Promise<void> {
    this.#handOver();
    await Promise.all(this.#batches);
  }

  /** Nothing is flushed any more. */
  stop(): void {
    this.#flush?.();
    this.#flush = null;
  }

  /** Writes the state of the stream. */
  tell(message: string): Promise<void> {
    return this.#write({ status: { connected: true, pending_events: this.#pending, message } });
  }

  /** The same behind the responses that are being written; a stream that is over says nothing. */
  tellSoon(message: string): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#lastWritten = this.#lastWritten.then(() => this.tell(message)).catch(() => {})
      .finally(() => this.#isTelling = false);
  }

  #configure(bytes: Uint8Array): void {
    const type = loadDefinitions().message<ConfigMessage>("analytics.v1.StreamConfig");
    let config: ConfigMessage;
    try {
      config = type.deserialize(Buffer.from(bytes));
    } catch (cause) {
      throw new ProblemError("invalid_message", undefined, { field: "config", cause });
    }
    const { batch_size: batchSize } = config;
    const flushMs = msOf(config.flush_interval) ?? 0;
    if (batchSize < 0 || batchSize > EVENTS_PER_V1_BATCH_MAX) {
      const detail = `batch_size must be 0 (as they come) to ${EVENTS_PER_V1_BATCH_MAX}`;
      throw new ProblemError("invalid_parameter", detail, { field: "config.batch_size" });
    }
    if (flushMs < 0 || flushMs > STREAM_FLUSH_MS_MAX) {
      const detail = `flush_interval must be 0 to ${STREAM_FLUSH_MS_MAX / 1_000} s`;
      throw new ProblemError("invalid_parameter", detail, { field: "config.flush_interval" });
    }
    this.#batchSize = batchSize > 0 ? batchSize : EVENTS_PER_V1_BATCH_MAX;
    this.#flushMs = flushMs > 0 ? flushMs : batchSize > 0 ? STREAM_FLUSH_MS_MAX : null;
  }

  /** Flushes when its time has come; gives what takes that back. */
  #flushLater(): () => void {
    if (this.#flushMs === null) {
      // A timer would add its ms to every answer.
      const turn = setImmediate(() => this.#handOver());
      return () => clearImmediate(turn);
    }
    const timer = setTimeout(() => this.#handOver(), this.#flushMs);
    return () => clearTimeout(timer);
  }

  /** Hands what was gathered to the log; its responses follow those of the batch before. */
  #handOver(): void {
    this.stop();
    const events = this.#gathered;
    if (events.length === 0) return;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const startedMs = performance.now();
    const { acceptor, decode } = this.#parts;
    const { project, quota, traceparent } = this.#context;
    const accepting = acceptor.acceptProto(events, decode, {
      mode: "durable",
      project,
      quota,
      traceparent,
      wantsIds: true,
    });
    const before = this.#lastWritten;
    const done = this.#answer(accepting, before, startedMs).catch((error) => {
      this.#failure ??= error;
    }).finally(() => this.#batches.splice(this.#batches.indexOf(done), 1));
    this.#batches.push(done);
    this.#lastWritten = done;
  }

  async #answer(
    accepting: Promise<ProtoAnswer>,
    before: Promise<void>,
    startedMs: number,
  ): Promise<void> {
    const [{ ids, rejections }] = await Promise.all([accepting, before]);
    const { answers, metadataSince } = this.#parts;
    const frames = answers.frames({ ids, rejections, metadata: metadataSince(startedMs) });
    this.#pending -= ids.length;
    await this.#write(new MessageFrames(frames));
  }
}
