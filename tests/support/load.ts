/**
 * Clients that send events as real ones do, for tests that break things underneath them: each sends
 * single events and batches with ids of its own, one request after the other, and sends a request
 * that failed again, the same ids, until it is answered with success. What was sent and what was
 * confirmed is kept, so that a test can hold the store against it.
 *
 * Everything random comes from the seed; how the clients' requests fall together does not.
 */
import { SeededRandom } from "../../lib/import/seeded_random.ts";

/** An event as it was sent. */
export interface SentEvent {
  readonly id: string;
  readonly userId: string;
  readonly type: string;
  readonly timestampMs: number;
  readonly sessionId: string | null;
  /** Quarters, so that sums are exact in any order. */
  readonly amount: number | null;
}

export interface LoadOptions {
  /** Where to send to, now. */
  readonly address: Address;
  readonly seed: number;
  /** Begins every id; two loads on one data folder need two. */
  readonly prefix: string;
  readonly clients?: number;
  /** Event times lie in the LOAD_SPAN_MS before this, ms since the epoch. */
  readonly endMs: number;
  /** Most events of one batch. */
  readonly batchMax?: number;
}

/** How far back event times reach, ms: some minutes of two or three hours. */
export const LOAD_SPAN_MS = 90 * 60_000;
/** Few enough that users and sessions are counted one by one, so that every answer is exact. */
const USERS = 120;
const TYPES = ["page_view", "click", "add_to_cart", "purchase"];
/** How long a client waits before it tries again when nothing tells it that it should, ms. */
const RETRY_MS = 20;
/** Longest one request may take, ms; far above what a busy machine needs. */
const REQUEST_MS_MAX = 30_000;

/** Where the server is; it may have none for a while, and another one afterwards. */
export class Address {
  #url: string | null = null;
  #changed = Promise.withResolvers<void>();
  #closed = false;

  /** The base URL of the ingestion port, or null while there is no server. */
  set(url: string | null): void {
    this.#url = url;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The base URL; waits while there is none. Null once closed. */
  async get(): Promise<string | null> {
    while (this.#url === null && !this.#closed) await this.#changed.promise;
    return this.#url;
  }

  /** There will be no other server. */
  close(): void {
    this.#closed = true;
    this.set(null);
  }
}

/** Somebody who wants to know when a number of requests, or of confirmed events, is reached. */
interface Waiting {
  readonly what: "requests" | "confirmed";
  readonly at: number;
  readonly resolve: () => void;
}

/** Clients at work. `await using` gives up what is not confirmed yet, for a test that failed. */
export class Load implements AsyncDisposable {
  /** Every event that was put into a request, by id. */
  readonly sent = new Map<string, SentEvent>();
  /** Ids whose request was answered with success. */
  readonly confirmed = new Set<string>();
  /** Answers that were no success and no reason to try again: there should be none. */
  readonly unexpected: string[] = [];
  /** Requests that failed and were sent again, by what happened to them. */
  readonly retries = new Map<string, number>();
  /** Answers that asked for a repetition without saying when: there should be none. */
  readonly withoutRetryAfter: string[] = [];
  /** Longest time from a request to its answer, ms. */
  slowestMs = 0;
  readonly #options: LoadOptions;
  readonly #waiting: Waiting[] = [];
  #clients: Promise<void>[] = [];
  #requests = 0;
  #stopping = false;
  #abandoned = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Requests put on the way so far, repeated ones included. */
  get requests(): number {
    return this.#requests;
  }

  start(): this {
    const { clients = 8 } = this.#options;
    this.#clients = Array.from({ length: clients }, (_, client) => this.#run(client));
    return this;
  }

  /** Resolves at the moment in which `count` more requests have been put on the way. */
  moreRequests(count: number): Promise<void> {
    return this.#more("requests", this.#requests + count);
  }

  /** Resolves at the moment in which `count` more events have been confirmed. */
  moreConfirmed(count: number): Promise<void> {
    return this.#more("confirmed", this.confirmed.size + count);
  }

  #more(what: Waiting["what"], at: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ what, at, resolve }));
  }

  /** Ends the load; every request under way is first repeated until it succeeds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abandoned = true;
    this.#options.address.close();
    await this.stop();
  }

  async #run(client: number): Promise<void> {
    const { seed, batchMax = 100 } = this.#options;
    const random = new SeededRandom(seed * 1000 + client);
    const confirmed: SentEvent[] = [];
    for (let n = 0; !this.#stopping;) {
      const size = random.next() < 0.5 ? 1 : 1 + random.below(batchMax);
      const events: SentEvent[] = [];
      for (let i = 0; i < size; i++) {
        // Now and then an event comes a second time although the first one was confirmed.
        const again = confirmed.length > 0 && random.next() < 0.05;
        events.push(
          again
            ? confirmed[random.below(confirmed.length)]
            : this.#makeEvent(random, `${this.#options.prefix}-${client}-${n++}`),
        );
      }
      for (const event of events) this.sent.set(event.id, event);
      if (!await this.#sendUntilTaken(random, events)) continue;
      confirmed.push(...events);
      for (const event of events) this.confirmed.add(event.id);
      this.#tell("confirmed", this.confirmed.size);
    }
  }

  #makeEvent(random: SeededRandom, id: string): SentEvent {
    const user = random.below(USERS);
    const given = random.below(4);
    return {
      id,
      userId: `user-${user}`,
      type: TYPES[random.below(TYPES.length)],
      timestampMs: this.#options.endMs - 1 - random.below(LOAD_SPAN_MS),
      // Every fourth event names one of its user's two sessions; the others' sessions are derived.
      sessionId: given < 1 ? `session-${user}-${random.below(2)}` : null,
      amount: random.below(3) === 0 ? random.below(400) / 4 : null,
    };
  }

  /** False when it was given up: the answer was no reason to try again, or the load is abandoned. */
  async #sendUntilTaken(random: SeededRandom, events: readonly SentEvent[]): Promise<boolean> {
    const { path, type, body } = requestOf(events, random.next() < 0.5);
    for (;;) {
      const url = await this.#options.address.get();
      if (url === null || this.#abandoned) return false;
      this.#tell("requests", ++this.#requests);
      const sentAt = performance.now();
      const outcome = await post(`${url}${path}`, type, body, events);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - sentAt);
      if (outcome.taken) return true;
      if (!outcome.mayRetry) {
        this.unexpected.push(outcome.what);
        return false;
      }
      this.retries.set(outcome.what, (this.retries.get(outcome.what) ?? 0) + 1);
      if (outcome.lacksRetryAfter) this.withoutRetryAfter.push(outcome.what);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #tell(what: Waiting["what"], reached: number): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const waiting = this.#waiting[i];
      if (waiting.what !== what || waiting.at > reached) continue;
      this.#waiting.splice(i, 1);
      waiting.resolve();
    }
  }
}

/** The event as a line of JSON, in the contract's plain form. */
export function lineOf(event: SentEvent): string {
  return JSON.stringify({
    id: event.id,
    user_id: event.userId,
    event_type: event.type,
    timestamp: event.timestampMs,
    session_id: event.sessionId ?? undefined,
    source: "load",
    properties: { page: `/items/${event.id.length}`, step: 3 },
    amount: event.amount ?? undefined,
  });
}

function requestOf(events: readonly SentEvent[], asNdjson: boolean) {
  const json = "application/json";
  if (events.length === 1) return { path: "/events", type: json, body: lineOf(events[0]) };
  const path = "/events/batch";
  const lines = events.map(lineOf);
  if (asNdjson) return { path, type: "application/x-ndjson", body: lines.join("\n") };
  return { path, type: json, body: `{"events":[${lines.join(",")}]}` };
}

type Outcome =
  | { readonly taken: true }
  | {
    readonly taken: false;
    readonly mayRetry: boolean;
    readonly what: string;
    /** A refusal that does not say when to try again. */
    readonly lacksRetryAfter?: boolean;
  };

async function post(
  url: string,
  type: string,
  body: string,
  events: readonly SentEvent[],
): Promise<Outcome> {
  let status: number, text: string, retryAfter: string | null;
  try {
    const signal = AbortSignal.timeout(REQUEST_MS_MAX);
    const headers = { "content-type": type };
    const response = await fetch(url, { method: "POST", headers, body, signal });
    status = response.status;
    retryAfter = response.headers.get("retry-after");
    text = await response.text();
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const what = isLate ? `no answer within ${REQUEST_MS_MAX} ms` : "connection failed";
    return { taken: false, mayRetry: !isLate, what };
  }
  if (status === 429 || status === 503) {
    const what = `${status} ${JSON.parse(text).code}`;
    const lacksRetryAfter = retryAfter === null || !/^[1-9]\d*$/.test(retryAfter);
    return { taken: false, mayRetry: true, what, lacksRetryAfter };
  }
  const answer = status === 200 ? JSON.parse(text) : {};
  const isTaken = answer.success === true &&
    (events.length === 1
      ? answer.event_id === events[0].id
      : answer.processed_count === events.length && answer.failed_event_ids.length === 0);
  if (isTaken) return { taken: true };
  return { taken: false, mayRetry: false, what: `${status} ${text.slice(0, 500)}` };
}
