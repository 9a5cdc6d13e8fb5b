/**
 * EventSender: sends batches of NDJSON to a platform's `POST /events/batch` until each is answered.
 *
 * What may pass is tried again: no connection, no answer in time, 408, 429 and 5xx. The wait is
 * drawn from 0 to a bound that doubles ("exponential backoff with full jitter", M. Brooker, AWS
 * Architecture Blog, 2015), so that many senders do not come back at once; a `Retry-After` is a
 * lower bound for it. Events carry ids, so one that was stored by an attempt whose answer got lost
 * is known as a duplicate.
 */
import {
  IMPORT_ATTEMPTS_MAX,
  IMPORT_REQUEST_MS_MAX,
  IMPORT_RETRY_MS_FIRST,
  IMPORT_RETRY_MS_MAX,
  IMPORT_STOP_MS_MAX,
} from "../config/limits.ts";
import { waitUnlessAborted } from "../wait/abortable_wait.ts";
import { ImportError } from "./import_error.ts";

const SECOND_MS = 1_000;
const retryableStatuses = new Set([408, 429, 500, 502, 503, 504]);

/** A refused event of a batch. */
export interface Refusal {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly code: string;
  readonly field: string;
  readonly message: string;
}

/** Where to send, and what tests replace. */
export interface SenderOptions {
  /** Address of the ingestion port, such as http://127.0.0.1:8081. */
  readonly url: string;
  readonly apiKey?: string;
  /** Ends the sending: at once between attempts, after IMPORT_STOP_MS_MAX within one. */
  readonly signal?: AbortSignal;
  /** Told before each further attempt: why, and after how many ms. */
  readonly onRetry?: (reason: string, waitMs: number) => void;
  readonly attemptsMax?: number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Draws from [0, 1). */
  readonly random?: () => number;
}

/** Sends batches to one platform. */
export class EventSender {
  readonly #options: SenderOptions;
  readonly #address: string;

  /** @throws ImportError when the address is none */
  constructor(options: SenderOptions) {
    this.#options = options;
    this.#address = `${platformAddress(options.url)}/events/batch`;
  }

  /**
   * Sends the events of one body, each on its line, and gives the refused ones.
   *
   * @throws ImportError (RTA_IMPORT_SERVER) when the platform refuses the request as a whole or
   *   can't be had within the attempts; the signal's reason when that aborts first
   */
  async send(body: Uint8Array<ArrayBuffer>): Promise<readonly Refusal[]> {
    const { signal, onRetry, wait = waitUnlessAborted } = this.#options;
    const { attemptsMax = IMPORT_ATTEMPTS_MAX, random = Math.random } = this.#options;
    for (let attempt = 1;; attempt++) {
      signal?.throwIfAborted();
      const outcome = await this.#attempt(body);
      if (outcome.refusals !== null) return outcome.refusals;
      signal?.throwIfAborted();
      if (attempt === attemptsMax) {
        const message = `${this.#address}: gave up after ${attempt} attempts: ${outcome.reason}`;
        throw new ImportError("RTA_IMPORT_SERVER", message);
      }
      const waitMs = Math.min(
        IMPORT_RETRY_MS_MAX,
        outcome.retryAfterMs + Math.floor(random() * retryBoundMs(attempt)),
      );
      onRetry?.(outcome.reason, waitMs);
      await wait(waitMs, signal);
    }
  }

  /**
   * Makes sure that a platform answers, before any work is done.
   * @throws ImportError (RTA_IMPORT_SERVER) when nothing does
   */
  async probe(): Promise<void> {
    const { url, signal } = this.#options;
    using deadline = new AttemptDeadline(signal);
    try {
      const init: RequestInit = { redirect: "manual", signal: deadline.signal };
      await (await fetch(`${platformAddress(url)}/health`, init)).body?.cancel();
    } catch (cause) {
      signal?.throwIfAborted();
      const message = `nothing answers at ${url} (${connectionReason(cause)}); ` +
        "start the platform with `make run`, or give its address with --url";
      throw new ImportError("RTA_IMPORT_SERVER", message, { cause });
    }
  }

  async #attempt(body: Uint8Array<ArrayBuffer>): Promise<Outcome> {
    using deadline = new AttemptDeadline(this.#options.signal);
    let status: number;
    let text: string;
    let retryAfterMs = 0;
    try {
      const response = await fetch(this.#address, {
        method: "POST",
        headers: this.#headers(),
        body,
        redirect: "manual",
        signal: deadline.signal,
      });
      status = response.status;
      retryAfterMs = readRetryAfter(response.headers.get("retry-after"));
      text = await response.text();
    } catch (error) {
      return { refusals: null, reason: connectionReason(error), retryAfterMs };
    }
    if (retryableStatuses.has(status)) {
      return { refusals: null, reason: `${status} ${detailOf(text)}`, retryAfterMs };
    }
    const refusals = readRefusals(text);
    if (refusals !== null) return { refusals };
    throw new ImportError(
      "RTA_IMPORT_SERVER",
      `${this.#address} answered ${status}: ${detailOf(text)}`,
    );
  }

  #headers(): Record<string, string> {
    const { apiKey } = this.#options;
    const headers = { "content-type": "application/x-ndjson" };
    return apiKey === undefined ? headers : { ...headers, "x-api-key": apiKey };
  }
}

/** What came of one attempt: an answer, or a reason to try again. */
type Outcome =
  | { readonly refusals: readonly Refusal[] }
  | { readonly refusals: null; readonly reason: string; readonly retryAfterMs: number };

/** The address without a slash at its end. Throws ImportError when it is none. */
export function platformAddress(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") {
    return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
  }
  throw new ImportError(
    "RTA_IMPORT_SERVER",
    `${url} is not an address such as http://127.0.0.1:8081`,
  );
}

/** Upper bound of the wait after the given attempt, ms. */
function retryBoundMs(attempt: number): number {
  return Math.min(IMPORT_RETRY_MS_MAX, IMPORT_RETRY_MS_FIRST * 2 ** (attempt - 1));
}

/** `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3), as ms from now; 0 = none. */
function readRetryAfter(value: string | null): number {
  if (value === null) return 0;
  const waitMs = /^\d+$/.test(value.trim())
    ? Number(value) * SECOND_MS
    : Date.parse(value) - Date.now();
  return waitMs > 0 ? Math.min(waitMs, IMPORT_RETRY_MS_MAX) : 0;
}

/** The verdicts of an answer of `/events/batch`; null when it holds none. */
function readRefusals(text: string): Refusal[] | null {
  const answer = parseAnswer(text);
  if (!Array.isArray(answer?.errors)) return null;
  return answer.errors.map(({ index, code, field, message }) => (
    { index: Number(index), code: String(code), field: String(field ?? ""), message: `${message}` }
  ));
}

/** The most telling words of an answer. */
function detailOf(text: string): string {
  const answer = parseAnswer(text);
  return String(answer?.detail ?? answer?.message ?? text.slice(0, 200)).trim();
}

function parseAnswer(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function connectionReason(error: unknown): string {
  if (error instanceof DOMException) return "no answer in time";
  if (!(error instanceof Error)) return String(error);
  // fetch's own message is "fetch failed"; what failed stands in the cause.
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Ends an attempt that takes too long, or that is still under way a while after an abort. */
class AttemptDeadline {
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout>;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#timer = setTimeout(this.#end, IMPORT_REQUEST_MS_MAX);
    signal?.addEventListener("abort", this.#hurry, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#hurry);
  }

  readonly #end = () => this.#controller.abort();

  readonly #hurry = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#end, IMPORT_STOP_MS_MAX);
  };
}
