/**
 * AnalyticsClient: events in and every question, over REST. It needs fetch, URL, AbortController and
 * Web Crypto: Deno, Node 20, Bun, and browsers have them.
 *
 *     events     track -> queue -> batches -> /events/batch, /v1/events/batch
 *     questions  queries.ts               -> /v1/analytics/..., /v1/sql, /v1/export, ...
 *     live       live.ts                  -> /v1/live, /v1/live/events
 */
import { ApiError } from "./api_error.ts";
import { type ClientOptions, type ClientSettings, settingsOf } from "./client_options.ts";
import { eventLine } from "./event_lines.ts";
import { type EventLine, EventQueue, type EventReceipt } from "./event_queue.ts";
import type { ClientEvent } from "./events.ts";
import { HttpTransport } from "./http_transport.ts";
import {
  type LiveEventMessage,
  liveEvents,
  type LiveMessage,
  type LiveOptions,
  liveWindows,
} from "./live.ts";
import { Queries } from "./queries.ts";
import type { LiveEventsQuestion, LiveQuestion } from "./questions.ts";
import { batchSender } from "./send_batch.ts";

/** What became of one event of a batch. */
export type EventOutcome =
  | { readonly id: string; readonly error: null }
  | { readonly id: string | null; readonly error: ApiError };

export class AnalyticsClient extends Queries {
  readonly #settings: ClientSettings;
  readonly #transport: HttpTransport;
  readonly #queue: EventQueue;

  /** @throws ApiError `invalid_option`, with the option as its field */
  constructor(options: ClientOptions = {}) {
    const settings = settingsOf(options);
    const transport = new HttpTransport(settings);
    super(transport);
    this.#settings = settings;
    this.#transport = transport;
    this.#queue = new EventQueue(settings, batchSender(transport));
  }

  /** Events that are tracked and neither stored nor refused yet. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Sends an event with others. Resolves when it is durable. Rejects with ApiError: the platform's
   * code and field when it is refused, `queue_full` when too many wait; or with the signal's reason.
   */
  track(
    event: ClientEvent,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<EventReceipt> {
    const tracked = this.#track(event, options.signal);
    const { onRefused } = this.#settings;
    if (onRefused !== undefined) tracked.catch((error) => onRefused(error, event));
    return tracked;
  }

  /**
   * Sends events, waiting for room where there is none, and gives the outcome of each in their
   * order. Rejects only with the signal's reason; events that were taken by then may be stored.
   */
  async trackBatch(
    events: Iterable<ClientEvent>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<EventOutcome[]> {
    const outcomes: Promise<EventOutcome>[] = [];
    for (const event of events) {
      const line = this.#lineOf(event);
      if (line instanceof ApiError) {
        outcomes.push(Promise.resolve({ id: null, error: line }));
        continue;
      }
      await this.#queue.room(line.bytes.length, signal);
      const outcome = this.#outcomeOf(event, line, signal);
      // An abort is told by what this method rejects with.
      outcome.catch(() => {});
      outcomes.push(outcome);
    }
    await this.#queue.flush(signal);
    return await Promise.all(outcomes);
  }

  /** Resolves when track() has room for one more event. */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#queue.room(0, options.signal);
  }

  /** Sends what waits at once; resolves when every event tracked before is stored or refused. */
  flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#queue.flush(options.signal);
  }

  /**
   * Takes no more events, sends those that wait, and resolves when each is stored or refused. When
   * the signal aborts first, the rest are given up (`client_closed`), and it rejects.
   */
  close(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#queue.close(options.signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Windows of the last seconds, one each second, until the signal aborts or the loop is left. A
   * stream that breaks off goes on where it was; a `missed` message tells what was lost meanwhile.
   */
  live(
    question: LiveQuestion = {},
    options: LiveOptions = {},
  ): AsyncGenerator<LiveMessage, void, undefined> {
    return liveWindows(this.#transport, question, options);
  }

  /** Events as they arrive, or a sample of them; as live(). */
  liveEvents(
    question: LiveEventsQuestion = {},
    options: LiveOptions = {},
  ): AsyncGenerator<LiveEventMessage, void, undefined> {
    return liveEvents(this.#transport, question, options);
  }

  // deno-lint-ignore require-await -- what eventLine() throws is to be a rejection
  async #track(event: ClientEvent, signal?: AbortSignal): Promise<EventReceipt> {
    return this.#queue.add(eventLine(event, this.#settings.clock.now()), signal);
  }

  #lineOf(event: ClientEvent): EventLine | ApiError {
    try {
      return eventLine(event, this.#settings.clock.now());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#settings.onRefused?.(error, event);
      return error;
    }
  }

  async #outcomeOf(
    event: ClientEvent,
    line: EventLine,
    signal?: AbortSignal,
  ): Promise<EventOutcome> {
    try {
      return { ...await this.#queue.add(line, signal), error: null };
    } catch (error) {
      this.#settings.onRefused?.(error, event);
      if (!(error instanceof ApiError)) throw error;
      return { id: line.id, error };
    }
  }
}
