/**
 * What `rta dlq` asks of a running platform, by its REST API, as anyone could with curl. An answer
 * of 429 or 503 is waited out and asked for again; replaying and dropping twice does no harm.
 */
import { IMPORT_ATTEMPTS_MAX, IMPORT_RETRY_MS_MAX } from "../../lib/config/limits.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";
import { platformAddress } from "../../lib/import/send_events.ts";

const SECOND_MS = 1_000;
const PATH = "/v1/dead-letters";

/** What is wanted can't be had; the message is meant for the person at the terminal. */
export class DlqError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DlqError";
  }
}

/** Which letters, by the names of the query string. */
export type LetterQuery = Readonly<Record<string, string>>;

/** A letter as it is answered; further members are passed on. */
export interface AnsweredLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly line: number;
  readonly reason: string;
  readonly message: string;
  readonly time: string;
  readonly payload: string;
  readonly payload_encoding: string;
  readonly payload_bytes: number;
  readonly payload_truncated: boolean;
  readonly received_at: string;
  readonly state: string;
  readonly replayed_at?: string;
  readonly event_id?: string;
}

/** A page of letters, newest first. */
export interface AnsweredPage {
  readonly dead_letters: readonly AnsweredLetter[];
  readonly next_page_token: string;
  readonly waiting_by_reason: Readonly<Record<string, string>>;
}

/** What came of one letter. */
export interface AnsweredVerdict {
  readonly id: string;
  readonly verdict: "replayed" | "refused" | "not_found";
  readonly code?: string;
  readonly field?: string;
  readonly message?: string;
}

/** What came of some letters. */
export interface AnsweredReplay {
  readonly results: readonly AnsweredVerdict[];
  readonly next_page_token: string;
}

export interface DlqClientOptions {
  /** Address of the gateway's or the analytics port. */
  readonly url: string;
  readonly apiKey?: string;
  readonly signal: AbortSignal;
  /** Told before a request is sent again: why. */
  readonly onRetry: (reason: string) => void;
}

/** Every method throws DlqError, or the signal's reason when that aborts first. */
export class DlqClient {
  readonly #options: DlqClientOptions;
  readonly #address: string;

  /** @throws ImportError when the address is none */
  constructor(options: DlqClientOptions) {
    this.#options = options;
    this.#address = `${platformAddress(options.url)}${PATH}`;
  }

  list(query: LetterQuery): Promise<AnsweredPage> {
    return this.#ask<AnsweredPage>(`?${new URLSearchParams(query)}`);
  }

  show(id: string): Promise<AnsweredLetter> {
    return this.#ask<AnsweredLetter>(`/${encodeURIComponent(id)}`);
  }

  replay(body: Readonly<Record<string, unknown>>): Promise<AnsweredReplay> {
    return this.#ask<AnsweredReplay>("/replay", body);
  }

  /** Gives how many letters were dropped. */
  async drop(body: Readonly<Record<string, unknown>>): Promise<number> {
    const answer = await this.#ask<{ dropped_count: number }>("/drop", body);
    return answer.dropped_count;
  }

  async #ask<Answer>(path: string, body?: Readonly<Record<string, unknown>>): Promise<Answer> {
    const { signal, onRetry } = this.#options;
    for (let attempt = 1;; attempt++) {
      const response = await this.#fetch(path, body);
      const text = await response.text();
      if (response.ok) return answerOf<Answer>(text, this.#address);
      const { status } = response;
      const detail = detailOf(text);
      if ((status !== 429 && status !== 503) || attempt === IMPORT_ATTEMPTS_MAX) {
        throw new DlqError(
          status === 404 ? detail : `${this.#address} answered ${status}: ${detail}`,
        );
      }
      onRetry(`${status} ${detail}`);
      const seconds = Number(response.headers.get("retry-after") ?? 1);
      const waitMs = Math.min((seconds >= 0 ? seconds : 1) * SECOND_MS, IMPORT_RETRY_MS_MAX);
      await waitUnlessAborted(waitMs, signal);
    }
  }

  async #fetch(path: string, body?: Readonly<Record<string, unknown>>): Promise<Response> {
    const { apiKey, signal } = this.#options;
    const headers = new Headers(apiKey === undefined ? {} : { "x-api-key": apiKey });
    if (body !== undefined) headers.set("content-type", "application/json");
    try {
      return await fetch(`${this.#address}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        redirect: "manual",
        signal,
      });
    } catch (cause) {
      signal.throwIfAborted();
      const why = cause instanceof Error ? (cause.cause ?? cause) : cause;
      const message = why instanceof Error ? why.message : String(why);
      throw new DlqError(
        `nothing answers at ${this.#options.url} (${message}); start the platform with ` +
          "`make run`, or give its address with --url",
        { cause },
      );
    }
  }
}

function answerOf<Answer>(text: string, address: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch (cause) {
    throw new DlqError(`${address} did not answer in JSON`, { cause });
  }
}

/** The most telling words of a problem. */
function detailOf(text: string): string {
  try {
    const problem = JSON.parse(text);
    return String(problem.detail ?? problem.message ?? text).slice(0, 500);
  } catch {
    return text.slice(0, 200).trim();
  }
}
