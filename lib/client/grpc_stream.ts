/**
 * A stream of events (StreamEvents) that outlives its connection: each event's promise resolves when
 * it is durable, in order. When the call breaks off, what was not answered is sent again with the
 * same ids, so that the platform knows what it has already.
 *
 *     send -> unanswered [answered next ... written | not written yet] -> answers, oldest first
 *
 * Back-pressure: send() waits while `window` events are unanswered, and within that HTTP/2's flow
 * control holds the writing back.
 */
import { CLIENT_STREAM_WINDOW } from "../config/client_limits.ts";
import type { AnyMessage, OpenCall } from "../grpc/grpc_channel.ts";
import { ApiError, clientError } from "./api_error.ts";
import { type Clock, waitFor } from "./clock.ts";
import type { EventReceipt } from "./event_queue.ts";
import type { TypedEvent } from "./events.ts";
import { apiErrorOf } from "./grpc_error.ts";
import { eventMessage } from "./grpc_messages.ts";
import { retryWaitMs } from "./retry.ts";

export interface StreamOptions {
  /** Events that the platform gathers for one batch, 1 to 1,000. */
  readonly batchSize?: number;
  /** How long it gathers, ms; up to 10 s. */
  readonly flushIntervalMs?: number;
  /** Events that are sent and not answered; more wait in send(). 1,000 if missing. */
  readonly window?: number;
  /** Ends the stream: what is not answered rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** An event that was taken. */
export interface SentEvent {
  readonly id: string;
  /** Resolves when it is durable; rejects with ApiError. Nobody has to look at it. */
  readonly stored: Promise<EventReceipt>;
}

export interface StreamTotals {
  readonly stored: number;
  readonly refused: number;
}

export interface StreamParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly deadlineMs: number;
  readonly onRetry?: (error: ApiError, waitMs: number) => void;
  /** Converses on a call of StreamEvents on some connection. Rejects with GrpcError. */
  readonly withCall: (
    signal: AbortSignal,
    converse: (call: OpenCall) => Promise<void>,
  ) => Promise<void>;
}

interface Unanswered {
  readonly id: string;
  readonly message: AnyMessage;
  readonly resolve: (receipt: EventReceipt) => void;
  readonly reject: (error: unknown) => void;
}

export class EventStream implements AsyncDisposable {
  readonly #parts: StreamParts;
  readonly #options: StreamOptions;
  readonly #window: number;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #unanswered: Unanswered[] = [];
  /** How many of them are written on the call that is open. */
  #written = 0;
  #isClosing = false;
  /** Why nothing is taken any more. */
  #failure: unknown = null;
  #stored = 0;
  #refused = 0;
  #lastAnswerAt: number;
  /** Woken by every change. */
  #change = Promise.withResolvers<void>();

  constructor(parts: StreamParts, options: StreamOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#window = options.window ?? CLIENT_STREAM_WINDOW;
    this.#lastAnswerAt = parts.clock.now();
    const { signal } = options;
    const abort = () => this.#fail(signal!.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    this.#ended = this.#run().finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Events that are not answered yet. */
  get pending(): number {
    return this.#unanswered.length;
  }

  /**
   * Takes an event, once there is room for it. Rejects with ApiError when the stream is closed or
   * has failed, or the event can't be written.
   */
  async send(event: TypedEvent): Promise<SentEvent> {
    const { id, message } = eventMessage(event, this.#parts.clock.now());
    while (this.#unanswered.length >= this.#window && this.#failure === null) {
      await this.#change.promise;
    }
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosing) throw clientError("client_closed");
    if (this.#unanswered.length === 0) this.#lastAnswerAt = this.#parts.clock.now();
    const { promise: stored, resolve, reject } = Promise.withResolvers<EventReceipt>();
    stored.catch(() => {});
    this.#unanswered.push({ id, message, resolve, reject });
    this.#changed();
    return { id, stored };
  }

  /** Resolves when all that was sent is answered. Rejects with what the stream failed with. */
  async flush(): Promise<void> {
    while (this.#unanswered.length > 0 && this.#failure === null) await this.#change.promise;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Takes no more events, waits until all are answered, and ends. Rejects as flush(). */
  async close(): Promise<StreamTotals> {
    this.#isClosing = true;
    this.#changed();
    await this.#ended;
    if (this.#failure !== null) throw this.#failure;
    return { stored: this.#stored, refused: this.#refused };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Converses on one call after the other until all is answered. */
  async #run(): Promise<void> {
    const { clock, random, deadlineMs, onRetry } = this.#parts;
    const { signal } = this.#stop;
    let seen = -1;
    for (let broken = 1; !signal.aborted; broken++) {
      // A call that is not needed is not opened, nor opened again.
      while (this.#unanswered.length === 0 && !signal.aborted) {
        if (this.#isClosing) return;
        await this.#change.promise;
      }
      const error = await this.#parts.withCall(signal, (call) => this.#converse(call))
        .then(() => null, apiErrorOf);
      if (signal.aborted) return;
      if (error === null && this.#unanswered.length === 0) continue;
      const why = error ?? clientError("network", { isRetryable: true, mayBeStored: true });
      if (!(why instanceof ApiError) || !why.isRetryable) return this.#fail(why);
      if (this.#unanswered.length === 0) continue;
      if (this.#stored + this.#refused > seen) broken = 1;
      seen = this.#stored + this.#refused;
      why.attempts = broken;
      const waitMs = retryWaitMs(broken, why.retryAfterMs, random);
      if (clock.now() + waitMs >= this.#lastAnswerAt + deadlineMs) return this.#fail(why);
      onRetry?.(why, waitMs);
      await waitFor(clock, waitMs, signal).catch(() => {});
    }
  }

  async #converse(call: OpenCall): Promise<void> {
    let hasEnded = false;
    this.#written = 0;
    const writing = this.#write(call, () => hasEnded).catch((error) => {
      this.#fail(error);
      call.cancel();
    });
    try {
      for await (const { event_response } of call) if (event_response) this.#answer(event_response);
    } finally {
      hasEnded = true;
      this.#changed();
      await writing;
    }
  }

  async #write(call: OpenCall, hasEnded: () => boolean): Promise<void> {
    const { batchSize, flushIntervalMs } = this.#options;
    if (batchSize !== undefined || flushIntervalMs !== undefined) {
      const flush_interval = flushIntervalMs === undefined ? null : durationOf(flushIntervalMs);
      await call.send({ config: { batch_size: batchSize ?? 0, flush_interval } });
    }
    while (!hasEnded()) {
      if (this.#written < this.#unanswered.length) {
        const { message } = this.#unanswered[this.#written++];
        await call.send({ event: message });
      } else if (this.#isClosing) {
        return call.finish();
      } else {
        await this.#change.promise;
      }
    }
  }

  /** An answer is that of the oldest event that has none. */
  #answer({ success, validation_errors, message }: AnyMessage): void {
    const answered = this.#unanswered.shift();
    if (answered === undefined) return;
    this.#written--;
    this.#lastAnswerAt = this.#parts.clock.now();
    if (success) {
      this.#stored++;
      answered.resolve({ id: answered.id });
    } else {
      this.#refused++;
      const { code, field } = validation_errors[0] ?? { code: "unexpected_answer", field: null };
      answered.reject(new ApiError({ code, field, detail: message }));
    }
    this.#changed();
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    for (const { reject } of this.#unanswered.splice(0)) reject(error);
    this.#stop.abort();
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

function durationOf(ms: number) {
  return { seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 };
}
